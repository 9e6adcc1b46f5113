"""One more day, again and again, on the history of the home it is given: prints seconds as JSON.

python -m bench.grown --first DATE --days N
"""

from __future__ import annotations

import argparse
import json
import os
from datetime import date, timedelta
from pathlib import Path

from bench.chain import CASE
from bench.day import DELIVERED
from bench.warm import Warm


def main() -> None:
    """Entry point."""
    from pipelines import demo

    top = argparse.ArgumentParser(description=__doc__)
    top.add_argument("--first", type=date.fromisoformat, required=True)
    top.add_argument("--days", type=int, required=True)
    given = top.parse_args()
    home, found = Path(os.environ["SIXTYFORTY_HOME"]), []
    warm = Warm(home, CASE)
    for number in range(given.days + 1):  # the first one warms up
        day = given.first + timedelta(days=number)
        demo.land(home / "data" / "landing" / CASE, day, day, hourly=True)
        one, money = warm.run(day, day, DELIVERED), warm.run(day, day, ["kpi_impact"])
        net = {k: v["wall_s"] - v["start_up_s"] for k, v in (("delivered_s", one), ("money_s", money))}
        found.append(net | {"start_up_s": one["start_up_s"], "cpu_s": one["cpu_s"]})
    print("\n" + json.dumps({"days": found[1:]}))


if __name__ == "__main__":
    main()
