"""Compare the chain with other tools on the work of a new day. The tools call the plain DuckDB script's functions.

The sides take turns: the chain (launched from a warm server, start-up included), `kedro run`, a Metaflow flow,
`dvc repro`, and the script itself. All sides add the same new day to the same earlier days, and must give decisions of
the same value. Each tool has a separate environment below .cache. A tool that can't be installed is left out, and a
remark says so.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from bench.chain import Run, check_same_money, read_money
from bench.daemon_runs import DaemonRuns
from bench.environments import create_environment, installed_version
from bench.hourly_extracts import land_day
from bench.measure import BenchError, Settings, run_in_turns
from bench.peer_runs import PACKAGES, PREPARE, PeerFolders, run_peer_day
from bench.results import ItemReport, compare_rounds
from bench.script_runs import run_day
from bench.use_case import DAY_STAGES, SHORT_LAST_DAY

INSTALLS_AT_ONCE = 2

Side = Callable[[int], Run]


def measure(settings: Settings) -> ItemReport:
    """Measure the chain, the script and other tools on further days. The items `year` and `day` must run before."""
    report = ItemReport("Other tools: one more day with the same functions")
    peers = prepare_peers(settings, report)
    sides = {"chain": chain_side(settings), "script": script_side(settings), **peers}
    for name, run_side in list(sides.items()):  # the first runs warm up
        try:
            run_side(-1)
        except BenchError as error:
            if name not in peers:
                raise
            del sides[name]
            report.remarks.append(f"{name} was left out: {' '.join(str(error).split())[-400:]}")
    rounds = run_in_turns(sides, settings.pairs, with_warm_up=False)
    for runs in rounds:
        for name in runs.keys() - {"chain"}:
            check_same_money(runs["chain"], runs[name])
    report.figures["day"] = rounds
    for name in (name for name in peers if name in sides):
        label = f"one day, start-up included, compared with {name} {installed_version(settings.cache, name, name)}"
        report.rows.append(compare_rounds(label, rounds, name, limit=1))
    label = "one day, start-up included, compared with the plain script that they all call"
    report.rows.append(compare_rounds(label, rounds, "script"))
    report.remarks += [
        "The tools write what the script writes and check nothing.",
        "The chain checks, quarantines, versions and delivers.",
        "Kedro adds least to the script: it uses one process and keeps no record of a run.",
        "The chain's process is forked from the daemon's server, which has done the imports before.",
        "A tool starts as cron would start it, with all imports. It ends its interpreter, which the script skips.",
    ]
    return report


def prepare_peers(settings: Settings, report: ItemReport) -> dict[str, Side]:
    """Install the tools, and return, for each tool, the function that processes the day of a round.

    A tool that can't be installed becomes a remark in the report.
    """
    sides: dict[str, Side] = {}
    with ThreadPoolExecutor(INSTALLS_AT_ONCE) as threads:
        installs = {
            name: threads.submit(create_environment, settings.cache, name, packages)
            for name, packages in PACKAGES.items()
        }
    for name, install in installs.items():
        try:
            python = install.result()
        except (BenchError, subprocess.SubprocessError, OSError) as error:
            report.remarks.append(f"{name} was left out: {error}")
            continue
        sides[name] = peer_side(settings, name, python)
    return sides


def day_of_round(settings: Settings, number: int) -> date:
    """Return the local day that all sides process in a round: each round adds the next day. Round -1 warms up."""
    return SHORT_LAST_DAY + timedelta(days=settings.pairs + 2 + number)


def chain_side(settings: Settings) -> Side:
    """Return the function with which the chain processes the day of a round of the comparison."""
    home = settings.short_homes / "chain"
    daemon = DaemonRuns(home)

    def run(number: int) -> Run:
        day = day_of_round(settings, number)
        land_day(settings.work, settings.short_landing, day)
        return replace(daemon.run(day, day, DAY_STAGES), money=read_money(home, day, day))

    return run


def script_side(settings: Settings) -> Side:
    """Return the function with which the plain script processes the day of a round of the comparison."""

    def run(number: int) -> Run:
        day = day_of_round(settings, number)
        land_day(settings.work, settings.short_landing, day)
        log = settings.work / "peers" / f"script{number}"
        return run_day("duckdb", settings.short_landing, settings.short_homes / "duckdb", day, log)

    return run


def peer_side(settings: Settings, name: str, python: Path) -> Side:
    """Return the function with which another tool processes the day of a round, on a copy of the script's files."""
    work = settings.work / "peers" / name
    shutil.rmtree(work, ignore_errors=True)
    out = shutil.copytree(settings.short_homes / "duckdb", work / "out")
    folders = PeerFolders(python, work, settings.short_landing, out)
    command = PREPARE[name](folders)

    def run(number: int) -> Run:
        day = day_of_round(settings, number)
        land_day(settings.work, settings.short_landing, day)
        return run_peer_day(command, folders, day)

    return run
