"""Measure processes, run the sides of a comparison in turns, and calculate medians."""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "DAGSTER_DISABLE_TELEMETRY": "1", "DVC_NO_ANALYTICS": "1"}
LOG_TAIL = 3000  # number of characters of a failed process's output that the error shows
START_SECONDS = 120  # the longest time to wait until a service has started

SideRun = TypeVar("SideRun")


class BenchError(RuntimeError):
    """A measured process failed, or two sides of a comparison did not do the same work."""


@dataclass(frozen=True)
class Settings:
    """Settings of one benchmark run.

    `work` is the folder for homes and extracts; `cache` is the folder for the environments of other tools. `pairs` is
    the number of measured runs per side, after one warm-up run. `small` runs only enough to test the benchmark. `years`
    is the length of the longer backfill. `only` names the chosen items; empty: all but the long ones.
    """

    work: Path
    cache: Path
    pairs: int = 3
    small: bool = False
    years: int = 2
    only: tuple[str, ...] = ()

    @property
    def short_landing(self) -> Path:
        """The landing folder with five months of extracts."""
        return self.work / "landing-five-months"

    @property
    def short_homes(self) -> Path:
        """The folder of the five-month backfill, with a home of the chain and an output folder of each script."""
        return self.work / "five-months" / "0"


@dataclass(frozen=True)
class ProcessRun:
    """One finished process: its wall and CPU seconds, its peak memory in MB, and the last JSON object it printed."""

    wall_s: float
    cpu_s: float
    peak_rss_mb: int
    printed: dict[str, Any]


def run_process(
    command: Sequence[str], log: Path, env: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> ProcessRun:
    """Run a command to its end, and measure its process.

    The output of the command is written to `<log>.out` and `<log>.err`. Raises BenchError with the end of the output
    if the command fails.
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


def free_port() -> int:
    """Return a port of the loopback interface on which no process listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_until(condition: Callable[[], bool], description: str, seconds: float = START_SECONDS) -> None:
    """Wait until a condition holds. Raises BenchError with the condition's description after some seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise BenchError(f"waited {seconds:.0f} s in vain: {description}")
        time.sleep(0.05)


def last_json(output: str) -> dict[str, Any]:
    """Return the last JSON object in a process's output that starts at the start of a line. Empty if there is none."""
    _, brace, rest = ("\n" + output).rpartition("\n{")
    return dict(json.loads("{" + rest)) if brace else {}


def run_in_turns(
    sides: Mapping[str, Callable[[int], SideRun]], pairs: int, with_warm_up: bool = True
) -> list[dict[str, SideRun]]:
    """Run every side of a comparison once per round. Return the runs of each round, by the name of the side.

    The order of the sides alternates from round to round. Each side is a function that gets the number of the round.
    `with_warm_up` adds a round 0 before the others, which is not returned.
    """
    rounds = []
    for number in range(pairs + with_warm_up):
        names = sorted(sides, reverse=bool(number % 2))
        runs = {name: sides[name](number) for name in names}
        if number or not with_warm_up:
            rounds.append(runs)
    return rounds


def median(rounds: Sequence[Mapping[str, Any]], side: str, figure: str) -> float:
    """Return the median of a figure over all rounds, for one side of a comparison (the chain, a script or a tool)."""
    return statistics.median(getattr(runs[side], figure) for runs in rounds)


def ratio(rounds: Sequence[Mapping[str, Any]], side: str, other_side: str, figure: str) -> float:
    """Return the ratio of a figure of two sides of a comparison: the median of the ratios in each round."""
    return statistics.median(getattr(runs[side], figure) / getattr(runs[other_side], figure) for runs in rounds)


def median_steps(rounds: Sequence[Mapping[str, Any]], side: str) -> dict[str, float]:
    """Return the median seconds of each step of one side of a comparison, in the order of the first round's steps."""
    return {step: statistics.median(runs[side].steps[step] for runs in rounds) for step in rounds[0][side].steps}
