"""Import and validate the extracts of orders as the chain does, as a new use case drafts them. Print JSON.

    python -m bench.workers.orders_chain --landing DIR --home DIR

Prints the number of validated rows, and the seconds of the stages raw and validated. The imports are done before.
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
from pipelines.authoring.scaffold import create_use_case
from sixtyforty.ingest.raw import ingest
from sixtyforty.spec.use_case import UseCase
from sixtyforty.workspace import Workspace

NAME = "orders"
IMPORTED_BEFORE = ("great_expectations", "pyarrow.parquet", "pyarrow.csv", "pandas", "duckdb")


def main() -> None:
    """Process all extracts of the landing folder in a new home. An older home is deleted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--landing", type=Path, required=True)
    parser.add_argument("--home", type=Path, required=True)
    options = parser.parse_args()
    shutil.rmtree(options.home, ignore_errors=True)
    use_case, suite_file = draft_use_case(options.home, options.landing)
    ws = Workspace(use_case, options.home, f"sqlite:///{options.home / 'deliveries.sqlite'}")
    landing = options.home / "data" / "landing"
    landing.mkdir(parents=True)
    (landing / NAME).symlink_to(options.landing.resolve(), target_is_directory=True)
    for module in IMPORTED_BEFORE:
        importlib.import_module(module)
    suite, _ = read_suite(suite_file)
    assert suite is not None
    (source,) = use_case.sources
    seconds = {}
    started = time.perf_counter()
    partitions = sorted({partition for arrival in ws.landing.scan(source) for partition in arrival.partitions})
    ingest(use_case, source, ws.lake, ws.landing, partitions, "bench")
    seconds["raw"] = time.perf_counter() - started
    started = time.perf_counter()
    verdicts = validate(use_case, source, suite, ws.lake, partitions, None, "bench")
    seconds["validated"] = time.perf_counter() - started
    rows = sum(verdict.accepted_rows for verdict in verdicts.values() if verdict.accepted)
    print("\n" + json.dumps({"rows": rows, "seconds": sum(seconds.values()), **seconds}))


def draft_use_case(home: Path, landing: Path) -> tuple[UseCase, Path]:
    """Draft a use case from the extracts, as `sixtyforty new` does. Return it, and the file of its suite."""
    folder, rules = home / "use_cases", home / "expectations"
    draft, _ = create_use_case(NAME, str(landing), folder=folder, rules=rules, recipes=home / "dvc.yaml")
    (source,) = draft.sources
    return draft, rules / NAME / f"{source}.yaml"


if __name__ == "__main__":
    main()
