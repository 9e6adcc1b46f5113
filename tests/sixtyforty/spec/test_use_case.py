"""A use case is validated field by field, and answers questions about its units, partitions and evidence."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sixtyforty.spec.use_case import UseCase
from tests.helpers import RESPONSES, SITES, make_use_case

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


def test_sources_are_partitioned_or_snapshots_and_responses_are_no_input(tmp_path: Path) -> None:
    sources = {"sites": SITES, "responses": RESPONSES}
    use_case = make_use_case(tmp_path, sources=sources, people={"responses": "responses"})
    assert list(use_case.partitioned) == ["calls", "visits"]
    assert list(use_case.snapshots) == ["sites"]
    assert list(use_case.inputs) == ["calls", "visits", "sites"]


def test_unit_columns_are_those_of_the_unit_source_or_of_all_inputs(tmp_path: Path) -> None:
    use_case = make_use_case(tmp_path)
    assert list(use_case.unit_columns) == ["id", "site", "call_hour", "load"]
    use_case = make_use_case(tmp_path, decision={"unit_source": None})
    assert set(use_case.unit_columns) == {"id", "site", "call_hour", "load", "seen_at", "late"}
    assert use_case.outcome_window == (3, 1)


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


def test_a_decision_in_every_fourth_week_has_units_after_a_complete_lookback(tmp_path: Path) -> None:
    use_case = make_use_case(
        tmp_path,
        partitions={"every": "week", "start": "2013-03-03", "end": "2013-12-28"},
        decision={"unit_source": None, "every_partitions": 4, "anchor_day": "2013-03-31", "learn_every_partitions": 2},
    )
    weeks = use_case.partition_range("2013-03-03", "2013-05-05")
    assert use_case.decision_partitions(weeks) == ["2013-03-03", "2013-03-31", "2013-04-28"]
    assert use_case.partitions_with_units(weeks) == ["2013-03-31", "2013-04-14", "2013-04-28"]
    assert use_case.days_between_decisions == 28
    assert (use_case.decision_count(56), use_case.decision_count(1)) == (2, 1)


def test_a_partition_settles_after_its_end(tmp_path: Path) -> None:
    use_case = make_use_case(tmp_path, governance={"settle_minutes": 30})
    assert use_case.settled_at("2013-07-01") == datetime(2013, 7, 2, 4, 30)
