"""The money of many partitions in the order of time: as columns, by period, and with the random choice of the period.

A long history has ten thousands of partitions. `DailyValues` holds their figures as columns, so that a sum over all of
them takes milliseconds. The functions of this module accept any sequence of days.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from functools import cached_property
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any, overload

from sixtyforty.value.daily_value import CANDIDATE_PREFIX, DailyValue
from sixtyforty.value.random_choice import deal_amounts, random_money

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sixtyforty.value.payoff_base import Floats

MAX_MONTHS = 36  # days of more months than this are grouped by year
NUMBERS_BY_KEY = ("candidates", "counts", "paid_for_all", "lost_above")  # fields of DailyValue: numbers for each key
OBJECTS = ("amounts", "unit_groups", "weights")  # fields of DailyValue that are kept as they are
FIGURES = [f.name for f in fields(DailyValue) if f.name not in ("partition", *NUMBERS_BY_KEY, *OBJECTS)]

NumbersByKey = Mapping[str, "Floats"]
"""By key, the numbers of n days: shape (n,), or (n, 2) for `lost_above`. NaN: the day doesn't have the key."""


@dataclass(frozen=True, eq=False)
class DailyValues(Sequence[DailyValue]):
    """The money of n partitions as columns, sorted by partition. Each element is a DailyValue.

    - columns: `partition`, FIGURES and OBJECTS of DailyValue, by name, shape (n,).
    - by_key: NUMBERS_BY_KEY of DailyValue, by name and key.
    """

    columns: Mapping[str, NDArray[Any]]
    by_key: Mapping[str, NumbersByKey]

    def __len__(self) -> int:
        """Return the number of partitions."""
        return len(self.columns["partition"])

    @overload
    def __getitem__(self, position: int) -> DailyValue: ...
    @overload
    def __getitem__(self, position: slice) -> DailyValues: ...
    def __getitem__(self, position: int | slice) -> DailyValue | DailyValues:
        """Return the money of one partition, or of several."""
        if isinstance(position, slice):
            return self.select(position)
        return next(iter(self.select([range(len(self))[position]])))

    def __iter__(self) -> Iterator[DailyValue]:
        """Yield the money of each partition."""
        return iter(self._days)

    @cached_property
    def _days(self) -> list[DailyValue]:
        columns = {name: figures.tolist() for name, figures in self.columns.items()}
        columns |= {name: _split(numbers, len(self)) for name, numbers in self.by_key.items()}
        columns["counts"] = [{key: int(number) for key, number in counts.items()} for counts in columns["counts"]]
        return [
            DailyValue(**dict(zip(columns, figures, strict=True))) for figures in zip(*columns.values(), strict=True)
        ]

    def __eq__(self, other: object) -> bool:
        """Return whether another sequence holds the same days."""
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # a sequence that is compared by its elements, like a list

    @cached_property
    def first_days(self) -> NDArray[np.datetime64]:
        """The first local day of each partition, shape (n,)."""
        return _first_days(self.columns["partition"].tolist())

    def select(self, positions: slice | Sequence[int] | NDArray[Any]) -> DailyValues:
        """Return some of the partitions, by their positions or by a mask of the shape (n,)."""
        return DailyValues(
            {name: figures[positions] for name, figures in self.columns.items()},
            {name: {key: n[positions] for key, n in numbers.items()} for name, numbers in self.by_key.items()},
        )


def _split(numbers: NumbersByKey, count: int) -> list[dict[str, Any]]:
    """Return the numbers of each of `count` days, by key, without the keys that a day doesn't have."""
    import numpy as np

    days: list[dict[str, Any]] = [{} for _ in range(count)]
    for key, of_key in numbers.items():
        has_key = ~np.isnan(of_key if of_key.ndim == 1 else of_key[:, 0])
        for position, number in zip(np.flatnonzero(has_key).tolist(), of_key[has_key].tolist(), strict=True):
            days[position][key] = number
    return days


def _first_days(partitions: Sequence[str]) -> NDArray[np.datetime64]:
    import numpy as np

    return np.array(partitions, "U10").astype("datetime64[D]")


def figures_by_day(days: Sequence[DailyValue], name: str) -> list[Any]:
    """Return one field of each day, in the order of the days. name: a field of DailyValue except NUMBERS_BY_KEY."""
    if isinstance(days, DailyValues):
        return list(days.columns[name].tolist())
    return list(map(attrgetter(name), days))


def numbers_by_key(days: Sequence[DailyValue], name: str) -> NumbersByKey:
    """Return the numbers of the days for each key. name: one of NUMBERS_BY_KEY."""
    import numpy as np

    if isinstance(days, DailyValues):
        return days.by_key[name]
    of_days: list[dict[str, Any]] = [getattr(day, name) for day in days]
    absent = [np.nan, np.nan] if name == "lost_above" else np.nan
    keys = sorted({key for numbers in of_days for key in numbers})
    return {key: np.array([numbers.get(key, absent) for numbers in of_days], float) for key in keys}


def money_by_day(days: Sequence[DailyValue], policy: str) -> list[float]:
    """Return what one way of deciding was worth on each day, in the KPI's unit, in the order of the days.

    policy: the way of deciding: a name in POLICIES, or `candidate <name>` for a candidate. Each day must have the money
    of this candidate (see `with_candidate`).
    """
    if not policy.startswith(CANDIDATE_PREFIX):
        return figures_by_day(days, policy)
    name = policy.removeprefix(CANDIDATE_PREFIX)
    return list(numbers_by_key(days, "candidates")[name].tolist()) if days else []


def gains_by_day(days: Sequence[DailyValue]) -> list[float]:
    """Return the gain over the current process on each day, in the KPI's unit, in the order of the days."""
    import numpy as np

    gains: list[float] = np.subtract(money_by_day(days, "model"), money_by_day(days, "current_process")).tolist()
    return gains


def with_candidate(days: Sequence[DailyValue], name: str) -> Sequence[DailyValue]:
    """Return the days that have the money of a candidate."""
    import numpy as np

    if isinstance(days, DailyValues):
        money = days.by_key["candidates"].get(name)
        return days[:0] if money is None else days.select(~np.isnan(money))
    return [day for day in days if name in day.candidates]


def first_days(days: Sequence[DailyValue]) -> NDArray[np.datetime64]:
    """Return the first local day of each partition, in the order of the partitions, shape (n,)."""
    if isinstance(days, DailyValues):
        return days.first_days
    return _first_days(figures_by_day(days, "partition"))


def deal_over_period(days: Sequence[DailyValue]) -> Sequence[DailyValue]:
    """Return the days with the random choice of the whole period: it takes each action as often as all days together.

    The money of a single day then is that of random choice at the action rates of the period. An amount is an action,
    too. Days without counts of actions, such as those of an experiment, stay as they are, and so do all other days of
    their period.
    """
    import numpy as np

    is_valued = np.array(figures_by_day(days, "decisions"), int) > 0
    money = np.array(figures_by_day(days, "random_choice"), float)
    amounts = [dealt for dealt, counts in zip(figures_by_day(days, "amounts"), is_valued, strict=True) if counts]
    if amounts and all(amounts):
        money[is_valued] = deal_amounts(amounts)
    else:
        paid = numbers_by_key(days, "paid_for_all")
        has_paid = np.zeros(len(days), bool)
        for of_action in paid.values():
            has_paid |= ~np.isnan(of_action)
        if not has_paid[is_valued].all():
            return days
        counts = {action: float(np.nansum(number)) for action, number in numbers_by_key(days, "counts").items()}
        none = np.zeros(len(days))
        money = none + random_money(counts, {action: np.nan_to_num(paid.get(action, none)) for action in counts})
    if isinstance(days, DailyValues):
        return replace(days, columns={**days.columns, "random_choice": money})
    return [replace(day, random_choice=amount) for day, amount in zip(days, money.tolist(), strict=True)]


def group_by_month(days: Sequence[DailyValue]) -> dict[str, Sequence[DailyValue]]:
    """Return the days of each calendar month (`YYYY-MM`). Months and days are sorted, whatever the order of `days`."""
    return _group(days, lambda partition: partition[:7])


def group_by_period(days: Sequence[DailyValue]) -> dict[str, Sequence[DailyValue]]:
    """Return the days of each calendar month (`YYYY-MM`), or of each year (`YYYY`) if there are over MAX_MONTHS months.

    Periods and days are sorted.
    """
    months = group_by_month(days)
    return months if len(months) <= MAX_MONTHS else _group(days, lambda partition: partition[:4])


def period_name(period: str, form: str = "%B %Y") -> str:
    """Return the name of a month for people, such as `March 2024`; a year is returned unchanged.

    period: `YYYY-MM` or `YYYY`. form: the strftime format of a month.
    """
    return date.fromisoformat(f"{period}-01").strftime(form) if "-" in period else period


def group_by_week(days: Sequence[DailyValue]) -> dict[str, Sequence[DailyValue]]:
    """Return the days of each week, sorted. A week is named by the ISO date of its Monday."""

    def monday(partition: str) -> str:
        local_day = date.fromisoformat(partition[:10])
        return str(local_day - timedelta(days=local_day.weekday()))

    return _group(days, monday)


def _group(days: Sequence[DailyValue], name: Callable[[str], str]) -> dict[str, Sequence[DailyValue]]:
    """Return the days of each period, sorted. name: returns the name of a partition's period."""
    in_order = days if isinstance(days, DailyValues) else sorted(days, key=attrgetter("partition"))
    periods: dict[str, Sequence[DailyValue]] = {}
    start = 0
    for period, partitions in groupby(map(name, figures_by_day(in_order, "partition"))):
        end = start + sum(1 for _ in partitions)
        periods[period] = in_order[start:end]
        start = end
    return periods
