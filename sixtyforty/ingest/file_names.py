"""The partitions that an extract's file name mentions, as a month, a day, a range of days, or UTC hours.

The extract should have rows for these partitions. If a partition has no rows, the extract may be incomplete.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date, datetime

from sixtyforty.spec.partitions import PartitionedModel

# Digits that touch a date, or letters that follow a month, are part of another number, such as a UUID.
_DATE = re.compile(r"(?<!\d)((?:19|20|21)\d{2})-(\d{2})(?:-(\d{2})(?!\d)(?:T(\d{2})Z)?|(?![0-9A-Za-z]|-\d{1,3}(?!\d)))")


def partitions_in_name(name: str, model: PartitionedModel) -> list[str]:
    """Return the partitions from the first to the last date or UTC hour in a file name, in order of time.

    If the name contains no valid date, return an empty list.
    """
    dates = [parts for parts in _DATE.findall(name) if _is_date(parts)]
    if not dates:
        return []
    try:
        if dates[0][3]:
            first, last = (datetime.fromisoformat("{}-{}-{}T{}".format(*parts)) for parts in (dates[0], dates[-1]))
            return model.partition_range(model.partition_at(first), model.partition_at(last))
        return model.covering_days(_first_day(dates[0]), _last_day(dates[-1]))
    except (ValueError, OverflowError):
        return []


def _is_date(parts: tuple[str, str, str, str]) -> bool:
    year, month, day, hour = parts
    try:
        datetime(int(year), int(month), int(day or 1), int(hour or 0))
    except ValueError:
        return False
    return True


def _first_day(parts: tuple[str, str, str, str]) -> date:
    year, month, day, _ = parts
    return date(int(year), int(month), int(day or 1))


def _last_day(parts: tuple[str, str, str, str]) -> date:
    year, month, day, _ = parts
    return date(int(year), int(month), int(day) if day else monthrange(int(year), int(month))[1])
