"""Measuring: processes from start to end, medians, and rows of the table of results."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SURROUNDS = {"OMP_NUM_THREADS": "1", "DAGSTER_DISABLE_TELEMETRY": "1", "DVC_NO_ANALYTICS": "1"}


class BenchError(RuntimeError):
    """What was to be measured failed, or did other work than what it is compared with."""


@dataclass(frozen=True)
class Row:
    """A line of the table: what, of us and of the other one, as a ratio where that says something."""

    what: str
    ours: str
    other: str = ""
    ratio: float | None = None
    aim: str = ""
    met: bool | None = None
    runs: int = 1


@dataclass
class Found:
    """What an item of the benchmark found: rows for the table, remarks below it, all figures; how long it took."""

    title: str
    rows: list[Row] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    minutes: float = 0.0


@dataclass(frozen=True)
class Settings:
    """`pairs`: measured runs of each, after one that warms up. `small`: as little as shows that everything works.
    `years`: of the longer backfill.
    """

    work: Path
    cache: Path
    pairs: int = 5
    small: bool = False
    years: int = 2


def measured(command: Sequence[str], log: Path, env: dict[str, str] | None = None, cwd: Path = ROOT) -> dict[str, Any]:
    """Runs a command to its end: wall and CPU seconds, peak memory, and the JSON it printed last.

    Raises BenchError, with the end of what it said, when it fails.
    """
    surrounds = {**os.environ, **SURROUNDS}
    log.parent.mkdir(parents=True, exist_ok=True)
    out_file, err_file = log.with_name(log.name + ".out"), log.with_name(log.name + ".err")
    begun = time.perf_counter()
    with out_file.open("w+") as out, err_file.open("w") as err:
        process = subprocess.Popen(command, env=surrounds | (env or {}), stdout=out, stderr=err, cwd=cwd)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - begun
        out.seek(0)
        said = ("\n" + out.read()).rpartition("\n{")  # the JSON is last, and begins a line
    if status:
        tail = (out_file.read_text() + err_file.read_text())[-3000:]
        raise BenchError(f"{' '.join(map(str, command))} failed:\n{tail}")
    return {
        "wall_s": round(wall, 3),
        "cpu_s": round(used.ru_utime + used.ru_stime, 2),
        "peak_rss_mb": used.ru_maxrss // 1024,
        "said": json.loads("{" + said[2]) if said[1] else {},
    }


def in_turns(
    runs: dict[str, Callable[[int], dict[str, Any]]], pairs: int, warm_up_days: bool = True
) -> list[dict[str, Any]]:
    """All, one after the other, again and again, in turns of who is first; the first round only warms up."""
    found = []
    for number in range(pairs + warm_up_days):
        names = sorted(runs, reverse=bool(number % 2))
        one = {name: runs[name](number) for name in names}
        if number or not warm_up_days:
            found.append(one)
    return found


def median(pairs: Sequence[dict[str, Any]], side: str, figure: str) -> float:
    """The median of one side's figure."""
    return statistics.median(p[side][figure] for p in pairs)


def ratio(pairs: Sequence[dict[str, Any]], one: str, other: str, figure: str) -> float:
    """The median of the pairs' ratios."""
    return statistics.median(p[one][figure] / p[other][figure] for p in pairs)


def seconds(value: float) -> str:
    """For the table."""
    return f"{value:,.0f} s" if value >= 100 else f"{value:.1f} s" if value >= 1 else f"{1000 * value:.0f} ms"
