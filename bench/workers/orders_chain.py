"""Import and validate the extracts of orders as the chain does. Print JSON.

    python -m bench.workers.orders_chain --home DIR [--draft LANDING | --resume]

With `--draft`, only the use case is drafted from the extracts in LANDING, as `sixtyforty new` does. It must be drafted
before, and in another process, because the peak memory of a process includes drafting. Otherwise, the number of
validated rows is printed, and the seconds of the stages raw and validated. The imports are done before. Data of an
earlier import are deleted; with `--resume` they stay, as after a kill.
"""

from __future__ import annotations

import argparse
import importlib
import json
import shutil
import time
from pathlib import Path

from expectations.suites import read_suite
from expectations.validation import validate
from pipelines.authoring.loader import load_declaration
from pipelines.authoring.scaffold import create_use_case
from sixtyforty.ingest.raw import ingest
from sixtyforty.workspace import Workspace

NAME = "orders"
IMPORTED_BEFORE = ("great_expectations", "pyarrow.parquet", "pyarrow.csv", "pandas", "duckdb")


def main() -> None:
    """Draft the use case in a new home, or import and validate all its extracts. Older files are deleted first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--draft", type=Path, metavar="LANDING")
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    if options.draft:
        draft_use_case(options.home, options.draft)
    else:
        print("\n" + json.dumps(process_extracts(options.home, options.resume)))


def draft_use_case(home: Path, landing: Path) -> None:
    """Draft the use case from the extracts, in a new home."""
    shutil.rmtree(home, ignore_errors=True)
    create_use_case(NAME, str(landing), folder=home / "use_cases", rules=home / "expectations")


def process_extracts(home: Path, resume: bool = False) -> dict[str, float]:
    """Import and validate the extracts from which the use case was drafted.

    Return the number of validated rows, and seconds.
    """
    if not resume:
        shutil.rmtree(home / "data", ignore_errors=True)
    use_case = load_declaration(home / "use_cases" / NAME, home / "expectations")
    ws = Workspace(use_case, home, f"sqlite:///{home / 'deliveries.sqlite'}")
    (source,) = use_case.sources
    for module in IMPORTED_BEFORE:
        importlib.import_module(module)
    suite, _ = read_suite(home / "expectations" / NAME / f"{source}.yaml")
    assert suite is not None
    seconds = {}
    started = time.perf_counter()
    partitions = sorted({partition for arrival in ws.landing.scan(source) for partition in arrival.partitions})
    ingest(use_case, source, ws.lake, ws.landing, partitions, "bench")
    seconds["raw"] = time.perf_counter() - started
    started = time.perf_counter()
    verdicts = validate(use_case, source, suite, ws.lake, partitions, None, "bench")
    seconds["validated"] = time.perf_counter() - started
    rows = sum(verdict.accepted_rows for verdict in verdicts.values() if verdict.accepted)
    return {"rows": rows, "seconds": sum(seconds.values()), **seconds}


if __name__ == "__main__":
    main()
