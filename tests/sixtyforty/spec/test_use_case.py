"""A use case is validated field by field, and names its evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sixtyforty.spec.use_case import UseCase
from tests.helpers import make_use_case

HOLDOUT = {"share": 0.1, "value_per_outcome": -10}
TREATMENT = {"column": "act", "shares": {"wait": 0.5, "act": 0.5}, "value_per_outcome": -10}


def test_a_declaration_is_loaded(tiny_use_case: UseCase) -> None:
    assert tiny_use_case.name == "calls_in_time"
    assert tiny_use_case.kpi.actions["act"].gain == 10
    assert tiny_use_case.sql("outcomes").startswith("select u.id")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"colour": "blue"}, "colour"),
        ({"kpi": {"colour": "blue"}}, "kpi.colour"),
        ({"sources": {"calls": {"colour": "blue"}}}, "sources.calls.colour"),
        ({"kpi": {"actions": {"act": {"price": 3}}}}, "kpi.actions.act.price"),
    ],
)
def test_an_unknown_field_is_refused(tmp_path: Path, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as error:
        make_use_case(tmp_path, **changes)
    assert [".".join(map(str, e["loc"])) for e in error.value.errors()] == [field]
    assert error.value.errors()[0]["type"] == "extra_forbidden"


@pytest.mark.parametrize("name", ["Calls", "1calls", "calls-in-time", "calls/in", ""])
def test_a_name_that_cannot_be_a_folder_or_an_asset_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValidationError, match="name"):
        make_use_case(tmp_path, name=name)


def test_a_loaded_use_case_cannot_be_changed(tiny_use_case: UseCase) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        tiny_use_case.title = "Another"


@pytest.mark.parametrize(
    ("kpi", "labels"),
    [
        ({}, ("exact", "exact")),
        ({"measurement": "randomized", "holdout": HOLDOUT}, ("assumed", "randomized")),
        ({"measurement": "randomized", "treatment": TREATMENT}, ("randomized", "randomized")),
    ],
)
def test_the_label_of_a_track_names_the_evidence(tmp_path: Path, kpi: dict[str, Any], labels: tuple[str, str]) -> None:
    use_case = make_use_case(tmp_path, kpi=kpi)
    assert (use_case.label("replay"), use_case.label("live")) == labels
    assert not use_case.is_randomized("replay")
    assert use_case.is_randomized("live") == ("holdout" in kpi)


def test_a_month_holds_as_many_decisions_as_their_interval_allows(tmp_path: Path) -> None:
    use_case = make_use_case(
        tmp_path,
        partitions={"every": "week", "start": "2013-03-03", "end": "2013-12-28"},
        decision={"unit_source": None, "every_partitions": 4, "anchor_day": "2013-03-31"},
    )
    assert use_case.days_between_decisions == 28
    assert (use_case.decision_count(56), use_case.decision_count(1)) == (2, 1)
