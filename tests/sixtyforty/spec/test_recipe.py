"""A recipe checks its constraints and reasons, and can take an alternative estimator."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from sixtyforty.spec.recipe import Model

RECIPE = {"estimator": "sklearn.Regressor", "training_days": 30}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"categorical": ["site"], "monotone_constraints": {"site": 1}},
            "the values of a categorical feature have no order; remove site from monotone_constraints",
        ),
        ({"reasons": {"load": "busy"}}, r"reasons\.load: the reason must contain \{value\}"),
        ({"reasons": {"load": "{value} of {all}"}}, r"reasons\.load: the reason must contain \{value\}"),
        ({"reasons": {"load": "{value"}}, r"reasons\.load: the reason has unbalanced braces"),
        ({"monotone_constraints": {"load": 2}}, r"monotone_constraints\.load"),
    ],
)
def test_a_wrong_recipe_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Model.model_validate(RECIPE | changes)


def test_an_alternative_replaces_estimator_parameters_and_target() -> None:
    alternative = {"description": "A line.", "estimator": "sklearn.Line", "params": {"alpha": 1}, "target": "load"}
    model = Model.model_validate(RECIPE | {"params": {"depth": 3}, "alternatives": {"line": alternative}})
    changed = model.with_alternative("line")
    assert (changed.estimator, changed.params, changed.target) == ("sklearn.Line", {"alpha": 1}, "load")
    assert changed.training_days == 30 and not changed.alternatives


def test_a_recipe_leaves_out_what_changes_no_model() -> None:
    alternative = {"description": "A line.", "estimator": "sklearn.Line"}
    declared = RECIPE | {"reasons": {"load": "a load of {value}"}, "alternatives": {"line": alternative}}
    recipe = Model.model_validate(declared).to_recipe()
    assert recipe == RECIPE | {"params": {}, "categorical": [], "seed": 0}
    veto = {"when": "load > 1", "never": "act", "why": "so"}
    optional = {"monotone_constraints": {"load": 1}, "vetoes": {"v": veto}, "target": "load"}
    assert Model.model_validate(RECIPE | optional).to_recipe() == recipe | optional
