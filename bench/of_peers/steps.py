"""The steps of one more day, for peers: the plain DuckDB script's functions, a step a process for those that fork.

python -m bench.of_peers.steps land|features|decide --landing DIR --out DIR --day DATE --money FILE
"""

from __future__ import annotations

import argparse
import json
from datetime import date
from pathlib import Path

from bench.plain import FILES, STEPS
from bench.plain_duckdb import decide_day, features_day, land_day


def land(landing: str, out: str, day: str) -> None:
    """The day's extracts as Parquet."""
    land_day(Path(landing), Path(out), date.fromisoformat(day))


def features(out: str, day: str) -> None:
    """The day's features as Parquet."""
    features_day(Path(out), date.fromisoformat(day))


def decide(out: str, day: str, money: str) -> None:
    """The day's decisions as Parquet, and their money as JSON, with the seconds that aren't counted."""
    found = decide_day(Path(out), date.fromisoformat(day))
    Path(money).write_text(json.dumps(found | {"not_counted_s": STEPS[FILES]}))


def main() -> None:
    """Entry point."""
    top = argparse.ArgumentParser(description=__doc__)
    top.add_argument("step", choices=["land", "features", "decide"])
    for name in ("landing", "out", "day", "money"):
        top.add_argument(f"--{name}", required=True)
    given = top.parse_args()
    if given.step == "land":
        land(given.landing, given.out, given.day)
    elif given.step == "features":
        features(given.out, given.day)
    else:
        decide(given.out, given.day, given.money)


if __name__ == "__main__":
    main()
