"""The rows and steps of the backfill."""

import pytest

from bench.chain import Money, Run
from bench.items.year import BackfillRun, describe, memory_row, require_model_decisions, with_fits
from bench.measure import BenchError
from bench.results import ItemReport


def backfill(side: str, wall_s: float, fits_s: float, peak_rss_mb: int) -> BackfillRun:
    """A side's backfill with one step besides its fits."""
    fit_step = "challenger" if side == "chain" else "fit monthly"
    steps = {"features": 1.0, fit_step: fits_s}
    return with_fits(Run(wall_s, wall_s, peak_rss_mb, steps=steps), side)


ROUNDS = [
    {
        "chain": backfill("chain", 90.0, 30.0, 2100),
        "duckdb": backfill("duckdb", 40.0, 20.0, 1000),
        "pandas": backfill("pandas", 50.0, 20.0, 1500),
    }
]


def test_the_aims_are_wall_times_compared_with_duckdb() -> None:
    report = ItemReport("Backfill")
    describe(report, "year", ROUNDS, has_aims=True)
    rows = {row.label: row for row in report.rows}
    duckdb = rows["year: wall time, compared with plain DuckDB"]
    assert (duckdb.ratio, duckdb.aim, duckdb.is_met) == (2.25, "≤ 1.5×", False)
    assert rows["year: wall time, compared with plain pandas"].is_met is None
    without_fits = rows["year: wall time without the fits, compared with plain DuckDB"]
    assert (without_fits.ratio, without_fits.aim, without_fits.is_met) == (3.0, "≤ 2.5×", False)
    assert [table.title for table in report.step_tables] == [
        "steps of the chain, year",
        "steps of the DuckDB script, year",
    ]
    assert report.step_tables[0].rows == [
        ("challenger", "30.00"),
        ("features", "1.00"),
        ("outside of steps", "59.00"),
    ]


def test_the_peak_memory_has_a_limit() -> None:
    row = memory_row("year", ROUNDS)
    assert (row.chain, row.other, row.ratio, row.is_met) == ("2,100 MB", "1,000 MB", 2.1, False)


def test_a_span_without_a_decision_of_a_model_is_an_error() -> None:
    per_1000: dict[str, float | None] = {"model": 2.0, "current_process": 1.0}
    require_model_decisions(Run(1.0, 1.0, money=Money(10, per_1000)))
    with pytest.raises(BenchError, match="let no model decide"):
        require_model_decisions(Run(1.0, 1.0, money=Money(10, per_1000 | {"model": 1.0})))
