"""Run a backfill of the drafted orders on the workers of a cluster. Print its seconds as JSON.

    python -m bench.workers.cluster_backfill --days N --partitions-per-run N

The environment holds the settings of the cluster. The loading of Python modules and of the definitions is not timed.
"""

from __future__ import annotations

import argparse
import json
import time
from datetime import timedelta

from bench.order_extracts import FIRST_DAY
from bench.workers.orders_chain import NAME


def main() -> None:
    """Run the stages raw and validated on all days of the extracts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, required=True)
    parser.add_argument("--partitions-per-run", type=int, required=True)
    options = parser.parse_args()
    from pipelines.definitions import defs
    from pipelines.operations.parallel_backfill import run_in_parallel
    from pipelines.settings import prepare_dagster_home

    prepare_dagster_home()
    defs()
    started = time.perf_counter()
    last = FIRST_DAY + timedelta(days=options.days - 1)
    runs = run_in_parallel(NAME, FIRST_DAY, last, options.partitions_per_run)
    print("\n" + json.dumps({"seconds": time.perf_counter() - started, "runs": len(runs)}))


if __name__ == "__main__":
    main()
