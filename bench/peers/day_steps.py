"""Run a step of a new day's work (land, features or decide), with the functions of the plain DuckDB script.

python -m bench.peers.day_steps land|features|decide --landing DIR --out DIR --day DATE --money FILE
"""

from __future__ import annotations

import argparse
import json
from datetime import date
from pathlib import Path

from bench.scripts.plain_duckdb import build_day, decide_day, land_day
from bench.scripts.step_times import MODEL_FILES, STEP_SECONDS


def land(landing: str, out: str, day: str) -> None:
    """Write the day's extracts as Parquet."""
    land_day(Path(landing), Path(out), date.fromisoformat(day))


def build_features(out: str, day: str) -> None:
    """Write the day's features as Parquet."""
    build_day(Path(out), date.fromisoformat(day))


def decide(out: str, day: str, money: str) -> None:
    """Write the day's decisions as Parquet, and as JSON their value and the seconds spent on model files."""
    figures = decide_day(Path(out), date.fromisoformat(day))
    Path(money).write_text(json.dumps(figures | {"not_counted_s": STEP_SECONDS[MODEL_FILES]}))


def main() -> None:
    """Run the step that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["land", "features", "decide"])
    for name in ("landing", "out", "day", "money"):
        parser.add_argument(f"--{name}", required=True)
    options = parser.parse_args()
    if options.step == "land":
        land(options.landing, options.out, options.day)
    elif options.step == "features":
        build_features(options.out, options.day)
    else:
        decide(options.out, options.day, options.money)


if __name__ == "__main__":
    main()
