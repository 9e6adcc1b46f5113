"""Read, type, deduplicate and check the extracts of orders in plain DuckDB, and write Parquet files.

    python bench/scripts/plain_orders.py --landing DIR --out DIR

DuckDB has 512 MB and two threads. Prints as JSON the number of deduplicated rows, how often a row broke a rule, and
seconds without the imports.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import duckdb

TYPES = {
    "ts": "TIMESTAMP",
    "order_id": "BIGINT",
    "store": "VARCHAR",
    "sku": "VARCHAR",
    "qty": "BIGINT",
    "price": "DOUBLE",
    "pay": "VARCHAR",
    "returned": "BIGINT",
}
RULES = (
    "order_id is null",
    "qty not between 0 and 13",
    "price not between 0 and 149",
    "pay not in ('card', 'cash')",
    "returned not between 0 and 1",
)


def main() -> None:
    """Process all extracts of the landing folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--landing", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    row_count, broken_count = process_files(sorted(options.landing.glob("*.csv")), options.out)
    print(json.dumps({"rows": row_count, "broken": broken_count, "seconds": time.perf_counter() - started}))


def process_files(files: list[Path], out: Path) -> tuple[int, int]:
    """Write the raw and the deduplicated rows of each file.

    Return the number of deduplicated rows, and how often such a row broke a rule.
    """
    checks = ", ".join(f"count(*) filter ({rule})" for rule in RULES)
    row_count = broken_count = 0
    with duckdb.connect() as db:
        db.execute(f"set threads = 2; set memory_limit = '512MB'; set temp_directory = '{out / 'spill'}'")
        for file in files:
            raw, valid = out / f"raw_{file.stem}.parquet", out / f"valid_{file.stem}.parquet"
            db.execute(f"copy (from read_csv('{file}', header = true, columns = {TYPES})) to '{raw}' (format parquet)")
            db.execute(
                f"""copy (select * from '{raw}' qualify row_number() over (partition by order_id order by ts) = 1)
                to '{valid}' (format parquet)"""
            )
            counts = db.execute(f"select count(*), {checks} from '{valid}'").fetchone()
            assert counts is not None
            row_count += counts[0]
            broken_count += sum(counts[1:])
    return row_count, broken_count


if __name__ == "__main__":
    main()
