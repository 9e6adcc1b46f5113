"""The page names the months without outcomes, and what was tuned on the same days."""

from __future__ import annotations

from pathlib import Path

import pytest

from sixtyforty.decisions.declaration_record import record_declaration
from sixtyforty.reports.figure_limits import describe_limits, describe_missing_months
from tests.accounted_home import make_daily_values
from tests.helpers import make_workspace


@pytest.mark.parametrize(
    ("covered", "months"),
    [
        (range(4, 13), "January to March"),
        (range(3, 12), "December to February"),
        ([1, 3, 4, 5, 6, 7, 9, 10, 11, 12], "February and August"),
        ([2, 3, 5, 7, 8, 9, 10, 11], "April, June and December to January"),
        ([6], "July to May"),
    ],
)
def test_months_without_an_outcome_are_named(covered: list[int], months: str) -> None:
    sentence = describe_missing_months(f"2013-{month:02}-01" for month in covered)
    assert sentence and sentence.startswith(f"No figure covers {months}: no outcome")


def test_a_full_year_or_no_day_names_no_month() -> None:
    assert describe_missing_months(f"2013-{month:02}-01T05" for month in range(1, 13)) is None
    assert describe_missing_months([]) is None


def test_changes_between_recorded_declarations_are_named(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    days = make_daily_values()
    (*_, unchanged) = describe_limits(ws, "replay", days)
    assert unchanged.startswith("The decisions were stored under one declaration. Changes that were tried")
    record_declaration(ws)
    changed = make_workspace(tmp_path, kpi={"actions": {"act": {"cost": 4}}}, model={"params": {"max_iter": 6}})
    record_declaration(changed)
    (*_, sentence) = describe_limits(changed, "replay", days)
    assert sentence.startswith("Decisions were stored under 2 declarations, which differ in payoffs and models.")
