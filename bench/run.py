"""What the chain costs beside plain scripts and peers that do the same work: one table of ratios, and all figures.

    python bench/run.py [--pairs N] [--only ITEM …] [--small] [--years N] [--work DIR] [--out DIR]

Everything is run side by side, in turns, on this machine, now: ratios say something, seconds are this machine's own.
Where two sides' money differs, the item fails. An item that fails is told and the others go on; the exit code is 1.
`--out` gets RESULTS.md and results.json; what peers need is installed once, below .cache/bench.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
# all sides start as they usually do, from compiled modules; some machines forbid keeping these
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
from bench.measure import ROOT, Found, Settings
from bench.results import page, table

# In this order: a later one goes on in the homes of an earlier one.
ITEMS = ("year", "day", "growth", "use_cases", "governance", "peers")


def main() -> int:
    """Entry point."""
    top = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("--pairs", type=int, default=5, help="measured runs of each, after one that warms up (default 5)")
    top.add_argument(
        "--only", nargs="+", choices=ITEMS, default=ITEMS, help="day, growth and peers need year before them"
    )
    top.add_argument("--small", action="store_true", help="as little as shows that everything works")
    top.add_argument("--years", type=int, default=2, help="of the longer backfill (default 2; ten take half an hour)")
    top.add_argument("--work", type=Path, help="work there, and leave it")
    top.add_argument("--out", type=Path, default=ROOT / "bench", help="default: bench/")
    given = top.parse_args()
    warnings.simplefilter("ignore")  # what Dagster calls beta is no news here
    begun, all_found, figures = time.time(), list[Found](), dict[str, Any]()
    with tempfile.TemporaryDirectory(prefix="sixtyforty-bench-") as folder:
        work = (given.work or Path(folder)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        settings = Settings(work, ROOT / ".cache" / "bench", given.pairs, given.small, given.years)
        failed = []
        for item in given.only:
            print(f"{time.time() - begun:6.0f} s  {item} …", file=sys.stderr, flush=True)
            start = time.time()
            try:
                found = importlib.import_module(f"bench.{item}").measure(settings)
            except Exception as error:  # the others' figures are worth having all the same
                traceback.print_exc()
                failed.append(item)
                found = Found(item, remarks=[f"FAILED: {' '.join(str(error).split())[:500]}"])
            found.minutes = (time.time() - start) / 60
            all_found.append(found)
            figures[item] = found.figures
            print(table(found), flush=True)
            minutes = (time.time() - begun) / 60  # written after each item: what a broken-off run found isn't lost
            given.out.mkdir(parents=True, exist_ok=True)
            (given.out / "results.json").write_text(json.dumps(figures, indent=1, default=str) + "\n")
            (given.out / "RESULTS.md").write_text(page(all_found, settings, minutes))
    print(f"\n{minutes:.0f} minutes; written: {given.out / 'RESULTS.md'} and results.json", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
