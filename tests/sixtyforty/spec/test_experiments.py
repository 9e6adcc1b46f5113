"""A holdout and a treatment have shares between 0 and 1."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sixtyforty.spec.experiments import Holdout, Treatment


@pytest.mark.parametrize("share", [0, 1, -0.1])
def test_the_share_of_a_holdout_is_between_0_and_1(share: float) -> None:
    with pytest.raises(ValidationError, match="share"):
        Holdout(share=share, value_per_outcome=1)


def test_each_action_of_a_treatment_has_a_share_above_0() -> None:
    with pytest.raises(ValidationError, match=r"shares\.act"):
        Treatment(column="got", shares={"act": 0, "wait": 0.5}, value_per_outcome=1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bounds": {"low": 5, "high": 5}}, r"high \(5\) must be greater than low \(5\)"),
        ({"bounds": {"low": 0}}, r"bounds\.high"),
        ({"covariate": "load"}, "adjusted for a covariate; remove one of the two"),
        ({"value_per_outcome": None}, "need `measurement: randomized`; remove them"),
    ],
)
def test_bounds_are_for_values_of_units_without_a_covariate(changes: dict[str, object], message: str) -> None:
    sound = {"share": 0.1, "value_per_outcome": 1, "bounds": {"low": -1, "high": 5}}
    bounds = Holdout.model_validate(sound).bounds
    assert bounds is not None and bounds.ends == (-1, 5)
    with pytest.raises(ValidationError, match=message):
        Holdout.model_validate(sound | changes)
