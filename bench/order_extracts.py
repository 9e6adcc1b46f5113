"""Write synthetic extracts of orders, one CSV file a day, with any number of rows."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

FIRST_DAY = date(2024, 3, 1)


def write_orders(folder: Path, rows_per_day: int, days: int) -> None:
    """Write the extracts of some days. The rows depend only on the arguments."""
    import duckdb

    folder.mkdir(parents=True, exist_ok=True)
    for number in range(days):
        day = FIRST_DAY + timedelta(days=number)
        duckdb.execute(
            f"""copy (
                select timestamp '{day}' + to_seconds((i * 7919) % 86400) as ts,
                    {number} * {rows_per_day} + i as order_id,
                    'store_' || (hash(i) % 500) as store,
                    'sku_' || (hash(i * 3) % 20000) as sku,
                    1 + (hash(i * 5) % 9)::int as qty,
                    round(1 + (hash(i * 11) % 9900) / 100.0, 2) as price,
                    case when hash(i * 13) % 10 < 8 then 'card' else 'cash' end as pay,
                    (hash(i * 17 + {number}) % 100 < 18)::int as returned
                from range({rows_per_day}) t(i)
            ) to '{folder}/orders_{day}.csv' (header)"""
        )
