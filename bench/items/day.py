"""Measure the work of a new day, from hourly extracts to decisions and their value, and the nightly retrain.

The days before come from the five-month backfill. The chain's runs are launched as the daemon does, and their start-up,
from the request to the first step, is shown separately. The plain script is a process, as cron would start it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import partial

from bench.chain import Run, check_same_money, read_money, read_step_seconds
from bench.daemon_runs import DaemonRuns
from bench.hourly_extracts import land_day
from bench.measure import Settings, median, median_steps, run_in_turns
from bench.results import ItemReport, Row, StepTable, compare_rounds, format_seconds
from bench.script_runs import ENGINES, run_day
from bench.use_case import DAY_STAGES, RETRAIN_STAGES, SHORT_LAST_DAY

MAX_SECONDS_OVER_SCRIPT = 1.0
NIGHTS = 3


def measure(settings: Settings) -> ItemReport:
    """Measure single days after the five-month backfill, then the nightly retrain. The item `year` must run before."""
    report = ItemReport("One more day: from landed extracts to delivered decisions")
    daemon = DaemonRuns(settings.short_homes / "chain")
    daemon.run(SHORT_LAST_DAY, SHORT_LAST_DAY, ["raw/airlines"])  # starts the fork server
    rounds = run_in_turns(day_sides(settings, daemon), settings.pairs)
    for runs in rounds:
        for engine in ENGINES:
            check_same_money(runs["chain"], runs[engine])
    report.figures["day"] = rounds
    describe_day(report, rounds)
    last_day = day_of_round(settings.pairs)
    nights = 1 if settings.small else NIGHTS
    rounds = run_in_turns(retrain_sides(settings, daemon, last_day, nights), nights, with_warm_up=False)
    report.figures["night"] = rounds
    report.rows += [
        compare_rounds("nightly retrain: recorded, fitted, judged, published (the script only fits)", rounds, "duckdb"),
        start_up_row("nightly retrain: start-up of the run", rounds),
    ]
    return report


def day_of_round(number: int) -> date:
    """Return the local day that all sides process in a round of the comparison: each round adds the next day."""
    return SHORT_LAST_DAY + timedelta(days=number + 1)


def day_sides(settings: Settings, daemon: DaemonRuns) -> Mapping[str, Callable[[int], Run]]:
    """Return, for the chain and each plain script, the function that lands and processes the day of a round."""
    home, landing = settings.short_homes / "chain", settings.short_landing

    def run_chain_side(number: int) -> Run:
        day = day_of_round(number)
        land_day(settings.work, landing, day)
        run = daemon.run(day, day, DAY_STAGES)
        return replace(run, steps=read_step_seconds(home, run.run_id), money=read_money(home, day, day))

    def run_script_side(engine: str, number: int) -> Run:
        day = day_of_round(number)
        land_day(settings.work, landing, day)
        log = settings.work / "day" / f"{engine}{number}"
        return run_day(engine, landing, settings.short_homes / engine, day, log)

    return {"chain": run_chain_side} | {engine: partial(run_script_side, engine) for engine in ENGINES}


def describe_day(report: ItemReport, rounds: Sequence[dict[str, Run]]) -> None:
    """Add rows, remarks and a table of steps about the work of a new day to the report."""
    for engine, name in ENGINES.items():
        label = f"one day, with the run's start-up, compared with plain {name}"
        report.rows.append(compare_rounds(label, rounds, engine))
    label = "one day, without the run's start-up, compared with plain DuckDB"
    seconds_over = median(rounds, "chain", "net_s") - median(rounds, "duckdb", "wall_s")
    aim = f"≤ {MAX_SECONDS_OVER_SCRIPT:.0f} s over it ({seconds_over:+.2f} s)"
    without_start_up = compare_rounds(label, rounds, "duckdb", "net_s")
    report.rows += [
        start_up_row("one day: start-up of the run", rounds),
        replace(without_start_up, aim=aim, is_met=seconds_over <= MAX_SECONDS_OVER_SCRIPT),
    ]
    steps = median_steps(rounds, "chain")
    validation = sum(duration for stage, duration in steps.items() if stage.startswith("validated/"))
    rest = sum(steps.values()) - validation - steps["features"]
    report.remarks += [
        f"Of the chain's day, validation of the three sources takes {validation:.1f} s: Great Expectations, quarantine"
        " and verdicts. This cost hardly depends on the number of rows.",
        f"Features with their serving gate and the leakage check take {steps['features']:.1f} s. All other steps take"
        f" {rest:.1f} s.",
    ]
    report.step_tables.append(StepTable("steps of the chain, one day", steps))


def start_up_row(label: str, rounds: Sequence[dict[str, Run]]) -> Row:
    """Return the report's row with the start-up time of the chain's runs, which the scripts don't have."""
    return Row(label, format_seconds(median(rounds, "chain", "start_up_s")), runs=len(rounds))


def retrain_sides(
    settings: Settings, daemon: DaemonRuns, last_day: date, nights: int
) -> Mapping[str, Callable[[int], Run]]:
    """Return, for the chain and the DuckDB script, the function that runs the nightly retrain of a round.

    Each night follows another local day, so each night fits a new model.
    """

    def day_before_night(number: int) -> date:
        return last_day - timedelta(days=nights - number - 1)

    def run_chain_side(number: int) -> Run:
        day = day_before_night(number)
        return daemon.run(day, day, RETRAIN_STAGES, as_of=f"{day + timedelta(days=1)}T08:30:00")

    def run_script_side(number: int) -> Run:
        log = settings.work / "night" / f"duckdb{number}"
        out = settings.short_homes / "duckdb"
        run = run_day("duckdb", settings.short_landing, out, day_before_night(number), log, retrain=True)
        return replace(run, wall_s=run.steps["retrain on the trailing window"] + run.steps["import"])

    return {"chain": run_chain_side, "duckdb": run_script_side}
