"""The results: rows, ratios and aims, as text and as a page."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.measure import Settings
from bench.results import (
    ItemReport,
    Row,
    StepTable,
    compare_rounds,
    compare_seconds,
    format_seconds,
    results_page,
    text_table,
)
from tests.language.sentences import problems


@dataclass(frozen=True)
class SideRun:
    """One run of a side."""

    wall_s: float


def report() -> ItemReport:
    """A report with a row, a remark and a table of steps."""
    rows = [Row("a year", "2.0 s", "1.0 s", 2.0, "≤ 1.3×", False, 5)]
    steps = [StepTable("steps of the chain", {"features": 1.5, "data_docs": 0.001}, 0.25)]
    return ItemReport("Backfill", rows, ["kedro was left out: no network"], steps)


def test_the_page_shows_machine_date_rows_remarks_and_steps(tmp_path: Path) -> None:
    page = results_page([report()], Settings(Path(), Path()), 12.0)
    assert "| measured | 20" in page
    assert "| processor | " in page
    assert "| a year | 2.0 s | 1.0 s | 2.00× | ≤ 1.3× | NO | 5 |" in page
    assert "- kedro was left out: no network" in page
    assert "| steps of the chain | seconds |" in page
    assert "| features | 1.50 |\n| outside of steps | 0.25 |" in page  # the step of 1 ms is left out
    file = tmp_path / "RESULTS.md"
    file.write_text(page)
    assert list(problems(file)) == []


def test_the_text_table_aligns_labels_left_and_figures_right() -> None:
    lines = text_table(report()).splitlines()
    assert lines[1] == "Backfill"
    assert lines[2].startswith("        chain")
    assert lines[3].startswith("a year  2.0 s  1.0 s  2.00×")
    assert lines[-1] == "- kedro was left out: no network"


def test_a_ratio_over_rounds_is_the_median_of_their_ratios() -> None:
    rounds = [
        {"chain": SideRun(chain), "duckdb": SideRun(other)} for chain, other in ((2.0, 1.0), (9.0, 3.0), (40.0, 10.0))
    ]
    row = compare_rounds("a year", rounds, "duckdb", limit=3.5)
    assert row == Row("a year", "9.0 s", "3.0 s", 3.0, "≤ 3.5×", True, 3)
    assert compare_rounds("a year", rounds, "duckdb").aim == ""


def test_an_aim_is_missed_above_its_limit() -> None:
    assert compare_seconds("a day", 2.0, 1.0, limit=1.3).is_met is False
    assert compare_seconds("a day", 1.3, 1.0, limit=1.3).is_met is True
    assert compare_seconds("a day", 1.3, 1.0).is_met is None


@pytest.mark.parametrize(("seconds", "text"), [(0.0404, "40 ms"), (1.25, "1.2 s"), (1234.4, "1,234 s")])
def test_seconds_are_shown_with_their_unit(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


def test_the_page_names_the_items_that_were_chosen() -> None:
    assert "`make bench`, 3 runs" in results_page([report()], Settings(Path(), Path()), 12.0)
    chosen = Settings(Path(), Path(), only=("year", "desk"))
    assert "`bench/run.py --only year desk`, 3 runs" in results_page([report()], chosen, 12.0)
