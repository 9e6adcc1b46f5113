"""Measure the backfill of a year from landed extracts to values: the chain, plain DuckDB and plain pandas.

Each backfill is a process. A first round over five months warms up, and later items continue in the homes of this
round. Then the year runs once, because that takes four minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from bench.chain import Run, check_same_money, create_home, list_stages, run_chain
from bench.measure import BenchError, Settings, median, median_steps, run_in_turns
from bench.results import ItemReport, Row, StepTable, compare_memory, compare_rounds
from bench.script_runs import ENGINES, run_backfill
from bench.use_case import FIRST_DAY, LAST_DAY, SHORT_LAST_DAY

FIT_STEPS = {"chain": "challenger", "duckdb": "fit monthly", "pandas": "fit monthly"}
AIM, AIM_WITHOUT_FITS = 1.5, 2.5  # highest ratios of wall time to plain DuckDB
MAX_MEMORY_MB = 2000


@dataclass(frozen=True)
class BackfillRun(Run):
    """One measured backfill, with the seconds that fitting the models took."""

    fits_s: float = 0.0

    @property
    def without_fits_s(self) -> float:
        """Wall seconds without fitting the models."""
        return self.wall_s - self.fits_s


Rounds = Sequence[dict[str, BackfillRun]]


def measure(settings: Settings) -> ItemReport:
    """Run the backfill of five months once, then of the year. With `small`, run only the five months."""
    report = ItemReport("Backfill: extracts in, money out")
    rounds = run_span(settings.short_homes.parent, settings.short_landing, SHORT_LAST_DAY)
    report.figures["five months"] = rounds
    if settings.small:
        report.remarks.append("The year was left out (--small).")
        describe(report, "five months", rounds)
        return report
    rounds = run_span(settings.work / "year", settings.work / "landing-year", LAST_DAY)
    report.figures["year"] = rounds
    describe(report, "year", rounds, has_aims=True)
    return report


def run_span(work: Path, landing: Path, last: date) -> Rounds:
    """Land the extracts of FIRST_DAY to `last`, and run chain and scripts.

    Raises BenchError if the values differ, or if no model decided.
    """
    from pipelines.demo import flights

    flights.land(landing, FIRST_DAY, last)
    rounds = run_in_turns(sides(work, landing, last), 1, with_warm_up=False)
    for runs in rounds:
        require_model_decisions(runs["chain"])
        for engine in ENGINES:
            check_same_money(runs["chain"], runs[engine])
    return rounds


def require_model_decisions(run: Run) -> None:
    """Raise BenchError if only the current process decided: then equal values say nothing about the models."""
    if run.money is None or run.money.per_1000["model"] == run.money.per_1000["current_process"]:
        raise BenchError("the gate let no model decide, so the models can't be compared. Choose a longer span of days.")


def sides(work: Path, landing: Path, last: date) -> dict[str, Callable[[int], BackfillRun]]:
    """Return, for the chain and each plain script, the function that runs the backfill of a round.

    A backfill runs in the folder `<work>/<round>/<side>`, where the side is `chain` or the name of the script's engine.
    No folder is deleted before the end: some file systems are slow to create files where many were just deleted.
    """

    def run_chain_side(number: int) -> BackfillRun:
        home = create_home(work / f"{number}" / "chain", landing)
        return with_fits(run_chain(home, FIRST_DAY, last, list_stages(), work / f"chain{number}"), "chain")

    def script_side(engine: str) -> Callable[[int], BackfillRun]:
        def run_script_side(number: int) -> BackfillRun:
            run = run_backfill(engine, landing, work / f"{number}" / engine, work / f"{engine}{number}")
            return with_fits(run, engine)

        return run_script_side

    return {"chain": run_chain_side} | {engine: script_side(engine) for engine in ENGINES}


def with_fits(run: Run, side: str) -> BackfillRun:
    """Return a backfill of the chain or of a script, with the seconds that fitting the models took."""
    return BackfillRun(**vars(run), fits_s=run.steps[FIT_STEPS[side]])


def describe(report: ItemReport, span: str, rounds: Rounds, has_aims: bool = False) -> None:
    """Add rows, remarks and step tables of a span of days to the report. has_aims: compare the ratios with the aims."""
    for engine, name in ENGINES.items():
        engine_limit = AIM if has_aims and engine == "duckdb" else None
        report.rows += [
            compare_rounds(f"{span}: wall time, compared with plain {name}", rounds, engine, "wall_s", engine_limit),
            compare_rounds(f"{span}: CPU time, compared with plain {name}", rounds, engine, "cpu_s"),
        ]
    label = f"{span}: wall time without the fits, compared with plain DuckDB"
    without_fits_limit = AIM_WITHOUT_FITS if has_aims else None
    without_fits = compare_rounds(label, rounds, "duckdb", "without_fits_s", without_fits_limit)
    report.rows += [without_fits, memory_row(span, rounds)]
    fits, other_fits = (median(rounds, side, "fits_s") for side in ("chain", "duckdb"))
    rest, other_rest = (median(rounds, side, "without_fits_s") for side in ("chain", "duckdb"))
    report.remarks += [
        f"The fits take {fits:.1f} s in the chain and {other_fits:.1f} s in the DuckDB script. Everything else takes"
        f" {rest:.1f} s and {other_rest:.1f} s.",
        "The script has no checks, versions or manifests. It flushes nothing to disk and delivers to no table. The"
        " tables of steps show where the time goes.",
    ]
    report.step_tables += [
        step_table(f"steps of the chain, {span}", rounds, "chain"),
        step_table(f"steps of the DuckDB script, {span}", rounds, "duckdb"),
    ]


def memory_row(span: str, rounds: Rounds) -> Row:
    """Return the report row about peak memory in MB, compared with plain DuckDB."""
    peak, other_peak = (median(rounds, side, "peak_rss_mb") for side in ("chain", "duckdb"))
    return compare_memory(f"{span}: peak memory", peak, other_peak, MAX_MEMORY_MB, len(rounds))


def step_table(title: str, rounds: Rounds, side: str) -> StepTable:
    """Return a table of the median seconds of each step, the longest first, and of the seconds outside of steps.

    side: the chain or the engine of a script.
    """
    steps = median_steps(rounds, side)
    longest_first = dict(sorted(steps.items(), key=lambda step: -step[1]))
    return StepTable(title, longest_first, median(rounds, side, "wall_s") - sum(steps.values()))
