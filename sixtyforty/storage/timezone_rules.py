"""Compare the time zone rules of DuckDB with those of Python.

Partitions are computed with both: DuckDB assigns rows to local days, and Python computes when a local day starts.
DuckDB contains its own rules. Python reads the package `tzdata`. Governments change rules at short notice, so DuckDB or
Python may have older rules. DuckDB would then assign rows to another local day than Python.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.sql import literal

if TYPE_CHECKING:
    import duckdb

DAY = timedelta(days=1)
YEARS_BACK = 2
DAYS_REQUIRED = 7
_AGREED: set[str] = set()  # the time zones about which DuckDB and Python agree
CURE = (
    "Install the newest tzdata and duckdb: make lock UPGRADE=--upgrade, then make. If one of them still has old rules,"
    " declare another time zone with the right offset for now."
)


class TimezoneRulesError(SixtyfortyError):
    """DuckDB and Python disagree about the rules of a time zone."""


@dataclass(frozen=True)
class RuleDifference:
    """The first day on which DuckDB and Python disagree about a time zone.

    at: noon of that day in UTC (naive). duckdb_offset, python_offset: local time minus UTC; None: the zone is unknown.
    """

    zone: str
    at: datetime
    duckdb_offset: timedelta | None
    python_offset: timedelta | None

    def __str__(self) -> str:
        offsets = (_describe(offset) for offset in (self.duckdb_offset, self.python_offset))
        return "{} from {:%Y-%m-%d}: DuckDB has {}, Python has {}".format(self.zone, self.at, *offsets)


def _describe(offset: timedelta | None) -> str:
    return "no such zone" if offset is None else f"UTC{offset.total_seconds() / 3600:+g} h"


def days_to_compare(now: datetime, days_ahead: int) -> list[datetime]:
    """Return noon in UTC of each day, from two years before `now` (UTC, naive) to `days_ahead` days after it."""
    noon = now.replace(hour=12, minute=0, second=0, microsecond=0)
    return [noon + n * DAY for n in range(-YEARS_BACK * 366, days_ahead + 1)]


def find_differences(
    db: duckdb.DuckDBPyConnection, zones: Collection[str], times: Sequence[datetime]
) -> list[RuleDifference]:
    """Compare each zone's UTC offsets in DuckDB and Python at some times. Return the first difference of each zone.

    zones: IANA names. times: UTC, naive, sorted.
    """
    known = {name for (name,) in db.execute("select name from pg_timezone_names()").fetchall()}
    differences = [_compare(db, zone, times) if zone in known else _unknown(zone, times) for zone in sorted(zones)]
    return [difference for difference in differences if difference]


def _unknown(zone: str, times: Sequence[datetime]) -> RuleDifference:
    return RuleDifference(zone, times[0], None, ZoneInfo(zone).utcoffset(times[0].replace(tzinfo=UTC)))


def _compare(db: duckdb.DuckDBPyConnection, zone: str, times: Sequence[datetime]) -> RuleDifference | None:
    local_times = db.execute(
        f"select timezone({literal(zone)}, t at time zone 'UTC') from unnest(?::timestamp[]) _(t)", [list(times)]
    ).fetchall()
    python_zone = ZoneInfo(zone)
    for time, (local,) in zip(times, local_times, strict=True):
        offset = time.replace(tzinfo=UTC).astimezone(python_zone).utcoffset()
        if local - time != offset:
            return RuleDifference(zone, time, local - time, offset)
    return None


def require_same_rules(db: duckdb.DuckDBPyConnection, zone: str) -> None:
    """Raise TimezoneRulesError if DuckDB and Python disagree about a time zone, from two years ago to a week ahead.

    Disagreements about later days are shown by `sixtyforty doctor`. A process compares each zone once.
    """
    if zone in _AGREED:
        return
    now = datetime.now(UTC).replace(tzinfo=None)
    for difference in find_differences(db, [zone], days_to_compare(now, DAYS_REQUIRED)):
        raise TimezoneRulesError(f"Python and DuckDB have different time zone rules for {difference}. {CURE}")
    _AGREED.add(zone)
