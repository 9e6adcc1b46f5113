"""Measure the cost of governance: the time of its parts in a backfill and in a day, and its rules in other engines.

The row rules of the three sources run on the same typed rows: as the chain runs them, in Great Expectations on every
row, in DuckDB SQL, and in pandera. Each engine must find the same number of failures.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from bench.environments import create_environment
from bench.measure import BenchError, Settings, run_process
from bench.project_copy import worker_command
from bench.results import ItemReport, Row, compare_seconds, format_seconds
from bench.rule_engines import (
    EngineFigures,
    evaluate_as_chain,
    evaluate_every_row,
    evaluate_in_sql,
    repeat,
    run_pandera,
    write_tables,
)
from bench.use_case import SHORT_LAST_DAY
from bench.workers.timed_chain import PARTS

PANDERA = ["pandera[pandas]>=0.24,<1"]
CHAIN_ENGINE = "as the chain does"
SPANS: dict[str, int | None] = {"five months": None, "one day": 1}  # number of newest days in each span; None: all days


def measure(settings: Settings) -> ItemReport:
    """Run the chain once to time the parts of governance, then evaluate the rules on accepted rows in each engine."""
    from pipelines.demo import flights

    report, work = ItemReport("The cost of governance"), settings.work / "governance"
    landing, home = work / "landing", work / "home"
    next_day = SHORT_LAST_DAY + timedelta(days=1)
    flights.land(landing, None, SHORT_LAST_DAY)
    flights.land(landing, next_day, next_day, hourly=True)
    options = ["--landing", str(landing), "--home", str(home), "--last", f"{SHORT_LAST_DAY}"]
    figures = run_process(worker_command("timed_chain", *options), work / "timed_chain").printed
    report.figures["parts"] = figures
    describe_parts(report, figures)
    for span, days in SPANS.items():
        compare_engines(settings, report, home, work / span.replace(" ", "-"), span, days)
    return report


def describe_parts(report: ItemReport, figures: Mapping[str, Mapping[str, float]]) -> None:
    """Add a row for each part of governance: its share of time and its seconds, in the backfill and in the day."""
    backfill, day = figures["backfill"], figures["day"]
    for part in PARTS:
        if part in backfill:
            backfill_share, day_share = (_share(run.get(part, 0.0), run["all"]) for run in (backfill, day))
            report.rows.append(Row(f"{part} (five months; one day)", backfill_share, day_share))
    report.remarks += [
        f"Shares are of {format_seconds(backfill['all'])} for the five months and {format_seconds(day['all'])} for the"
        " next day. Both ran in one process after all imports.",
        "A day without a retrain records no new versions.",
        "The leakage check runs in parallel with the serving gate, so the run waits only for a part of it.",
    ]


def compare_engines(
    settings: Settings, report: ItemReport, home: Path, folder: Path, span: str, days: int | None
) -> None:
    """Add a row to the report for each rule engine: its seconds for all rules on the rows of a span of days.

    Raises BenchError if an engine finds another number of failures than the chain.
    """
    tables = write_tables(home, folder, days)
    repetitions = 1 if settings.small else settings.pairs
    engines: dict[str, EngineFigures] = {
        CHAIN_ENGINE: repeat(evaluate_as_chain, tables, repetitions),
        "Great Expectations on every row": repeat(evaluate_every_row, tables, 1 if days is None else repetitions),
        "DuckDB SQL": repeat(evaluate_in_sql, tables, repetitions),
    }
    try:
        python = create_environment(settings.cache, "pandera", PANDERA)
        engines["pandera"] = run_pandera(python, tables, folder, repetitions)
    except (BenchError, OSError) as error:
        report.remarks.append(f"pandera was left out: {error}")
    rule_count = sum(len(table.rules) for table in tables.values())
    row_count = sum(table.count_rows() for table in tables.values())
    chain = engines[CHAIN_ENGINE]
    for name, engine in engines.items():
        if engine.failures != chain.failures:
            raise BenchError(f"{name} found {engine.failures} rule failures, but the chain found {chain.failures}")
        label = f"{rule_count} rules on {row_count:,} rows ({span}): {name}"
        chain_seconds, seconds = (statistics.median(figures.seconds) for figures in (chain, engine))
        report.rows.append(compare_seconds(label, chain_seconds, seconds, len(engine.seconds)))
    report.figures[f"rules, {span}"] = engines


def _share(seconds: float, total: float) -> str:
    return f"{seconds / total:.1%} ({format_seconds(seconds)})"
