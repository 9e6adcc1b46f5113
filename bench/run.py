"""Compare the cost of the chain with plain scripts and other tools that do the same work.

    python bench/run.py [--pairs N] [--only ITEM …] [--small] [--years N] [--work DIR] [--out DIR]

All sides run in turns on this machine, so their ratios are comparable. The seconds belong to this machine. An item
fails if two sides give decisions of different value. A failed item is reported, the other items continue, and the exit
code is 1. Other tools are installed once, below .cache/bench. The results are written to RESULTS.md and results.json in
the folder `--out`.
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
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
# Let Python write compiled modules, even if the environment forbids that: in use, every side starts from them.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
from bench.measure import ROOT, Settings
from bench.results import ItemReport, results_page, text_table

# In this order, because later items continue in the homes of earlier ones.
ITEMS = ("year", "day", "desk", "scaling", "use_cases", "governance", "rows", "queries", "peers")
LONG_ITEMS = ("kills", "cluster")  # they take an hour and a quarter of an hour, so they run only if chosen


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen items of the benchmark, and write the results. Return the exit code: 1 if an item failed."""
    options = parse_arguments(arguments)
    warnings.simplefilter("ignore")  # Dagster warns about beta features that the project uses on purpose
    started, reports, failed = time.time(), list[ItemReport](), list[str]()
    with tempfile.TemporaryDirectory(prefix="sixtyforty-bench-") as temporary:
        work = (options.work or Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        only = () if options.only is ITEMS else tuple(options.only)
        settings = Settings(work, ROOT / ".cache" / "bench", options.pairs, options.small, options.years, only)
        for item in options.only:
            print(f"{time.time() - started:6.0f} s  {item}: started", file=sys.stderr, flush=True)
            report, has_failed = measure_item(item, settings)
            reports.append(report)
            if has_failed:
                failed.append(item)
            print(text_table(report), flush=True)
            figures = {name: done.figures for name, done in zip(options.only, reports, strict=False)}
            write_results(options.out, reports, figures, settings, (time.time() - started) / 60)
    minutes = (time.time() - started) / 60
    page = options.out / "RESULTS.md"
    print(f"\nThe benchmark took {minutes:.0f} minutes. Results: {page} and results.json", flush=True)
    return 1 if failed else 0


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of the benchmark's command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--pairs", type=int, default=3, help="measured runs per side, after one warm-up run (default 3)"
    )
    items_help = "items to run (default: all but kills and cluster); day, desk, scaling, use_cases and peers need"
    items_help += " year first"
    parser.add_argument("--only", nargs="+", choices=(*ITEMS, *LONG_ITEMS), default=ITEMS, help=items_help)
    parser.add_argument("--small", action="store_true", help="run only enough to test that the benchmark works")
    years_help = "length of the longer backfill (default 2; 10 takes half an hour)"
    parser.add_argument("--years", type=int, default=2, help=years_help)
    parser.add_argument(
        "--work", type=Path, help="folder for homes and extracts, not deleted (default: a temporary folder)"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "bench", help="folder of the results (default: bench/)")
    return parser.parse_args(arguments)


def measure_item(item: str, settings: Settings) -> tuple[ItemReport, bool]:
    """Return the report of a benchmark item, and whether the item failed. A failed item's report shows the error."""
    started, has_failed = time.time(), False
    try:
        report: ItemReport = importlib.import_module(f"bench.items.{item}").measure(settings)
    except Exception as error:  # the other items still run
        traceback.print_exc()
        has_failed = True
        report = ItemReport(item, remarks=[f"FAILED: {' '.join(str(error).split())[:500]}"])
    report.minutes = (time.time() - started) / 60
    return report, has_failed


def write_results(
    out: Path,
    reports: Sequence[ItemReport],
    figures: Mapping[str, Mapping[str, object]],
    settings: Settings,
    minutes: float,
) -> None:
    """Write RESULTS.md and results.json. Called after each item, so an interrupted benchmark has results."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(json.dumps(figures, indent=1, default=to_plain) + "\n")
    (out / "RESULTS.md").write_text(results_page(reports, settings, minutes))


def to_plain(figure: object) -> object:
    """Convert a figure that JSON can't hold: a dataclass to a dict of its fields, anything else to text."""
    return asdict(figure) if is_dataclass(figure) and not isinstance(figure, type) else str(figure)


if __name__ == "__main__":
    sys.exit(main())
