"""One more day on the history of the home it is given, each time a date is asked for: answers in seconds, as JSON.

python -m bench.grown
"""

from __future__ import annotations

import json
import os
import sys
from datetime import date
from pathlib import Path

from bench.chain import CASE
from bench.day import DELIVERED
from bench.warm import Warm


def main() -> None:
    """Entry point."""
    from pipelines import demo

    home = Path(os.environ["SIXTYFORTY_HOME"])
    warm = Warm(home, CASE)
    for line in sys.stdin:
        day = date.fromisoformat(line.strip())
        demo.land(home / "data" / "landing" / CASE, day, day, hourly=True)
        one, money = warm.run(day, day, DELIVERED), warm.run(day, day, ["kpi_impact"])
        net = {k: v["wall_s"] - v["start_up_s"] for k, v in (("delivered_s", one), ("money_s", money))}
        told = {"whole_s": sum(net.values()), "start_up_s": one["start_up_s"], "cpu_s": one["cpu_s"] + money["cpu_s"]}
        print("\n" + json.dumps(net | told), flush=True)


if __name__ == "__main__":
    main()
