"""For each date on standard input, add the day to the history of a home with the chain. Print seconds as JSON lines.

python -m bench.workers.history_worker
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from bench.daemon_runs import DaemonRuns
from bench.hourly_extracts import land_day
from bench.measure import BenchError
from bench.use_case import DELIVERY_STAGES, SHORT_LAST_DAY, USE_CASE

if TYPE_CHECKING:
    from sixtyforty.workspace import Workspace


@dataclass(frozen=True)
class DayOnHistory:
    """Seconds that the chain takes for a new day after a long history.

    Without the runs' start-up: `delivered_s` from landed extracts to delivered decisions, `money_s` for the accounts
    and their sum, `total_s` for both. `start_up_s` is the start-up of the run that delivers. `look_s` is a sensor's
    search for stale and due partitions.
    """

    delivered_s: float
    money_s: float
    total_s: float
    look_s: float
    start_up_s: float
    cpu_s: float


def main() -> None:
    """Process the day of each date on standard input (one per line) with the chain, and print the day's figures."""
    from pipelines.authoring import catalog

    home = Path(os.environ["SIXTYFORTY_HOME"])
    daemon, ws = DaemonRuns(home), catalog.open_workspace(USE_CASE)
    for turn, line in enumerate(sys.stdin):
        figures = run_day(daemon, ws, home, date.fromisoformat(line.strip()), turn)
        print("\n" + json.dumps(asdict(figures)), flush=True)


def run_day(daemon: DaemonRuns, ws: Workspace, home: Path, day: date, turn: int) -> DayOnHistory:
    """Land a day, run the chain on it and search for stale partitions. Raises BenchError if the history is stale."""
    from sixtyforty.lifecycle.stale_partitions import find_stale_partitions

    land_day(home.parents[1], home / "data" / "landing" / USE_CASE, day)
    delivery, accounts = daemon.run(day, day, DELIVERY_STAGES), daemon.run(day, day, ["kpi_impact"])
    started = time.perf_counter()
    stale = find_stale_partitions(ws, "replay", ws.use_case.closes_at(f"{day}"), turn)
    look_seconds = time.perf_counter() - started
    # Later partitions may be stale: they wait for their review and their outcomes.
    stale_history = [partition for partition in stale.reasons if partition < f"{SHORT_LAST_DAY}"]
    if stale_history:
        reasons = stale.reasons_for(stale_history[0], stale_history[0])
        raise BenchError(f"{len(stale_history)} partitions of the history are stale: {reasons}")
    return DayOnHistory(
        delivered_s=delivery.net_s,
        money_s=accounts.net_s,
        total_s=delivery.net_s + accounts.net_s,
        look_s=look_seconds,
        start_up_s=delivery.start_up_s,
        cpu_s=delivery.cpu_s + accounts.cpu_s,
    )


if __name__ == "__main__":
    main()
