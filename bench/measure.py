"""Measure processes, run the sides of a comparison in turns, and take medians."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "DAGSTER_DISABLE_TELEMETRY": "1", "DVC_NO_ANALYTICS": "1"}
LOG_TAIL = 3000  # characters of a failed process's output in the error

SideRun = TypeVar("SideRun")


class BenchError(RuntimeError):
    """A measured process failed, or two sides did not do the same work."""


@dataclass(frozen=True)
class Settings:
    """Settings of one benchmark run.

    `work` is the folder to work in; `cache` keeps the environments of other tools. `pairs` is the number of measured
    runs per side, after one warm-up run. `small` runs as little as shows that everything works. `years` is the length
    of the longer backfill.
    """

    work: Path
    cache: Path
    pairs: int = 5
    small: bool = False
    years: int = 2

    @property
    def short_landing(self) -> Path:
        """The landing folder with four months of extracts."""
        return self.work / "landing-four-months"

    @property
    def short_homes(self) -> Path:
        """The folder of the four months' backfill: a home of the chain, and an output folder of each script."""
        return self.work / "four-months" / "0"


@dataclass(frozen=True)
class ProcessRun:
    """One process from its start to its end: wall and CPU seconds, peak memory in MB, and the JSON it printed last."""

    wall_s: float
    cpu_s: float
    peak_rss_mb: int
    printed: dict[str, Any]


def run_process(
    command: Sequence[str], log: Path, env: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> ProcessRun:
    """Run a command to its end and measure it.

    `log` names two files: its output is written to `<log>.out` and `<log>.err`. Raises BenchError with the end of the
    output when the command fails.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    out_file, err_file = log.with_name(log.name + ".out"), log.with_name(log.name + ".err")
    environment = {**os.environ, **ENVIRONMENT, **(env or {})}
    started = time.perf_counter()
    with out_file.open("w") as out, err_file.open("w") as err:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=err, cwd=cwd)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - started
    if status:
        tail = (out_file.read_text() + err_file.read_text())[-LOG_TAIL:]
        raise BenchError(f"{' '.join(map(str, command))} failed:\n{tail}")
    return ProcessRun(
        wall_s=round(wall, 3),
        cpu_s=round(used.ru_utime + used.ru_stime, 2),
        peak_rss_mb=used.ru_maxrss // 1024,
        printed=last_json(out_file.read_text()),
    )


def last_json(output: str) -> dict[str, Any]:
    """Return the JSON object that starts on the last line that begins with a brace; empty if there is none."""
    _, brace, rest = ("\n" + output).rpartition("\n{")
    return dict(json.loads("{" + rest)) if brace else {}


def run_in_turns(
    sides: Mapping[str, Callable[[int], SideRun]], pairs: int, with_warm_up: bool = True
) -> list[dict[str, SideRun]]:
    """Run every side once per round; return the runs of each round by side.

    The sides take turns in going first. A side is called with the number of the round. With `with_warm_up`,
    a round 0 comes first and is not returned.
    """
    rounds = []
    for number in range(pairs + with_warm_up):
        names = sorted(sides, reverse=bool(number % 2))
        runs = {name: sides[name](number) for name in names}
        if number or not with_warm_up:
            rounds.append(runs)
    return rounds


def median(rounds: Sequence[Mapping[str, Any]], side: str, figure: str) -> float:
    """Return the median of one side's figure over all rounds."""
    return statistics.median(getattr(runs[side], figure) for runs in rounds)


def ratio(rounds: Sequence[Mapping[str, Any]], side: str, other_side: str, figure: str) -> float:
    """Return the median over the rounds of the ratio of two sides' figures."""
    return statistics.median(getattr(runs[side], figure) / getattr(runs[other_side], figure) for runs in rounds)


def median_steps(rounds: Sequence[Mapping[str, Any]], side: str) -> dict[str, float]:
    """Return the median seconds of each step of one side, in the order of the first round's steps."""
    return {step: statistics.median(runs[side].steps[step] for runs in rounds) for step in rounds[0][side].steps}
