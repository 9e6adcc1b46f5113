"""Measure what grows with the rows of a day: import and validation of large extracts, with a limit on memory.

The plain script reads, types, deduplicates and checks the same extracts in DuckDB with 512 MB. The loading of
Python modules is not timed.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.measure import ROOT, BenchError, Settings, median, run_in_turns, run_process
from bench.order_extracts import write_orders
from bench.project_copy import worker_command
from bench.results import ItemReport, Row, compare_memory, compare_rounds

DAYS = 3
ROWS_PER_DAY = (100_000, 1_000_000, 3_333_334)
MEMORY = "1GB"
MAX_RATIO = 2.0
MAX_PEAK_MB = 1500  # MEMORY, about 350 MB for the libraries, and a reserve


def measure(settings: Settings) -> ItemReport:
    """Measure the stages raw and validated on three days of extracts, for several numbers of rows a day."""
    report = ItemReport("Rows: import and validation of large extracts")
    for rows_per_day in ROWS_PER_DAY[:1] if settings.small else ROWS_PER_DAY:
        rounds = measure_rows(settings.work / f"rows-{rows_per_day}", rows_per_day, settings)
        report.figures[f"{rows_per_day}"] = rounds
        report.rows += describe_rounds(rows_per_day * DAYS, rounds, is_largest=rows_per_day == ROWS_PER_DAY[-1])
    report.remarks += [
        f"SIXTYFORTY_MEMORY is {MEMORY}. The chain's libraries need about 350 MB more, the script's 100 MB.",
        "The chain drafts the use case from the extracts before the clock starts, as `sixtyforty new` does.",
    ]
    return report


@dataclass(frozen=True)
class ImportRun:
    """One measured import of all extracts, by the chain or by the plain script.

    `rows`: accepted rows. `seconds`: without loading Python modules. `wall_s`: seconds of the whole process.
    """

    rows: int
    seconds: float
    peak_rss_mb: int
    wall_s: float = 0.0


def measure_rows(
    work: Path, rows_per_day: int, settings: Settings, with_warm_up: bool = True
) -> list[dict[str, ImportRun]]:
    """Return the measured imports of chain and script. Raises BenchError if they accept different numbers of rows."""
    landing = work / "landing"
    write_orders(landing, rows_per_day, DAYS)
    chain = [*worker_command("orders_chain"), "--home", str(work / "home")]
    run_process([*chain, "--draft", str(landing)], work / "draft")
    script = [sys.executable, str(ROOT / "bench" / "scripts" / "plain_orders.py")]
    commands = {"chain": chain, "duckdb": [*script, "--landing", str(landing), "--out", str(work / "out")]}
    sides = {side: partial(run_side, command, work / side) for side, command in commands.items()}
    rounds = run_in_turns(sides, settings.pairs, with_warm_up)
    for runs in rounds:
        if runs["chain"].rows != runs["duckdb"].rows:
            raise BenchError(f"the chain and the script accepted different numbers of rows: {runs}")
    return rounds


def run_side(command: Sequence[str], log: Path, number: int) -> ImportRun:
    """Import the extracts once with the command of the chain or of the script. number: the round of the import."""
    process = run_process(command, log.with_name(f"{log.name}-{number}"), {"SIXTYFORTY_MEMORY": MEMORY})
    printed = process.printed
    return ImportRun(printed["rows"], printed["seconds"], process.peak_rss_mb, process.wall_s)


def describe_rounds(row_count: int, rounds: Sequence[Mapping[str, ImportRun]], is_largest: bool) -> list[Row]:
    """Return the report rows about seconds and memory for one number of rows. `is_largest`: the ratio has an aim."""
    label = f"raw and validated of {row_count:,} rows"
    peak, other_peak = (median(rounds, side, "peak_rss_mb") for side in ("chain", "duckdb"))
    return [
        compare_rounds(label, rounds, "duckdb", "seconds", MAX_RATIO if is_largest else None),
        compare_memory(f"{label}: peak memory", peak, other_peak, MAX_PEAK_MB, len(rounds)),
    ]
