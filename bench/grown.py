"""One more day on the history of the home it is given, each time a date is asked for: answers in seconds, as JSON.

python -m bench.grown
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import date
from pathlib import Path

from bench.chain import CASE
from bench.day import DELIVERED
from bench.landed import land
from bench.measure import BenchError
from bench.warm import Warm
from bench.year import CUT


def main() -> None:
    """Entry point."""
    from pipelines.authoring import catalog
    from sixtyforty.lifecycle.catch_up import find_stale_partitions

    home = Path(os.environ["SIXTYFORTY_HOME"])
    warm, ws = Warm(home, CASE), catalog.open_workspace(CASE)
    for turn, line in enumerate(sys.stdin):
        day = date.fromisoformat(line.strip())
        land(home.parents[1], home / "data" / "landing" / CASE, day)
        one, money = warm.run(day, day, DELIVERED), warm.run(day, day, ["kpi_impact"])
        net = {k: v["wall_s"] - v["start_up_s"] for k, v in (("delivered_s", one), ("money_s", money))}
        begun = time.perf_counter()
        stale = find_stale_partitions(ws, "replay", ws.use_case.closes_at(f"{day}"), turn)
        net["look_s"] = time.perf_counter() - begun
        if wrong := [p for p in stale.reasons if p < f"{CUT}"]:  # those since have yet to be reviewed, and outcomes to come
            raise BenchError(f"{len(wrong)} partitions of the history are stale: {stale.reasons_for(wrong[0], wrong[0])}")
        told = {
            "whole_s": net["delivered_s"] + net["money_s"],
            "start_up_s": one["start_up_s"],
            "cpu_s": one["cpu_s"] + money["cpu_s"],
        }
        print("\n" + json.dumps(net | told), flush=True)


if __name__ == "__main__":
    main()
