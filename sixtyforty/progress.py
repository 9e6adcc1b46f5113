"""Follow the progress of long work, and estimate the time left from the work done so far.

A loop that may take long iterates over `track(…)`, or calls `advance` of `begin_work(…)`. The command line shows the
work with `show_work_on`. Without it nothing is shown, for example in a service or in another process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeVar

from sixtyforty.spec.wording import format_plural

T = TypeVar("T")
Clock = Callable[[], float]

MIN_SECONDS = 3.0  # an earlier estimate would be a guess
MIN_SHARE = 0.02  # of the work, from which the rest is estimated
ESTIMATING = "estimating the time left"


@dataclass(eq=False)
class Work:
    """A piece of work: counted items, such as the files of a backup, which may need different efforts.

    - subject: what is done, such as `backup`. Empty: a part of other work.
    - unit: the noun of an item, in singular.
    - total: the number of all items. 0: not known, so no time is estimated.
    - effort: the effort of all items, for example in bytes or seconds; by default, their number.
    - has_estimate: False if an item so far doesn't tell how long the other items take.
    - detail: what is being done now, such as the name of a step.
    """

    subject: str
    unit: str
    total: float
    effort: float = field(default=0, kw_only=True)
    has_estimate: bool = field(default=True, kw_only=True)
    clock: Clock = field(default=time.monotonic, kw_only=True, repr=False)
    done: float = field(default=0, init=False)
    detail: str = field(default="", init=False)
    _effort_done: float = field(default=0, init=False)
    _effort_of_item: float = field(default=0, init=False)
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        self.effort = self.effort or self.total
        self._started = self.clock()

    def enter(self, detail: str, effort: float = 1) -> None:
        """Start the next item. Work inside of the item counts as a part of its effort."""
        self.detail, self._effort_of_item = detail, effort
        _show()

    def advance(self, count: float = 1, effort: float | None = None) -> None:
        """Count completed items. effort: of these items; by default, their number."""
        self.done += count
        self._effort_done += count if effort is None else effort
        self.detail, self._effort_of_item = "", 0
        _show()

    def share(self, part: Work | None = None) -> float:
        """Return the completed share of the effort, from 0 to 1. part: the work inside of the current item."""
        inside = self._effort_of_item * part.share() if part else 0
        return min(1, (self._effort_done + inside) / self.effort) if self.effort else 0

    def describe_time_left(self, part: Work | None = None) -> str:
        """Return the estimated time left in words; empty if none can be estimated."""
        if not (self.has_estimate and self.effort):
            return ""
        share, seconds = self.share(part), self.clock() - self._started
        if share < MIN_SHARE or seconds < MIN_SECONDS:
            return ESTIMATING
        return f"{format_duration(seconds * (1 - share) / share)} left"

    def describe(self, part: Work | None = None) -> str:
        """Return the progress in words: `backup: 1,200 of 3,650 files, about 2 minutes left`.

        part: the work inside of the current item. Its time left is added if that of this work isn't known.
        """
        time_left = self.describe_time_left(part)
        if part and not time_left:
            time_left = part.describe_time_left()
            time_left += f" in this {self.unit}" if time_left else ""
        now = ": ".join(filter(None, [self.detail, part._describe_count() if part else ""]))
        # What a narrow terminal cuts off comes last.
        text = ", ".join(filter(None, [self._describe_count(), time_left, f"now {now}" if now else ""]))
        return f"{self.subject}: {text}" if self.subject else text

    def _describe_count(self) -> str:
        if not self.total:
            return format_plural(self.done, self.unit)
        return f"{self.done:,.0f} of {format_plural(self.total, self.unit)}"


def format_duration(seconds: float) -> str:
    """Return a rough duration in words: `about 40 seconds`, `about 12 minutes` or `about 3 hours`."""
    for unit, size, longest in (("second", 1, 55), ("minute", 60, 90), ("hour", 3600, float("inf"))):
        step = 10 if unit == "second" else 1
        count = max(step, round(seconds / size / step) * step)
        if seconds / size < longest:
            break
    return f"about {format_plural(count, unit)}"


@dataclass
class _Shown:
    """The works in progress, the outermost first, and the function that shows them. pid: of the process that shows."""

    show: Callable[[Sequence[Work]], None]
    works: list[Work] = field(default_factory=list)
    pid: int = field(default_factory=os.getpid)


_shown: ContextVar[_Shown | None] = ContextVar("shown_work", default=None)


@contextmanager
def show_work_on(show: Callable[[Sequence[Work]], None]) -> Iterator[None]:
    """Call a function whenever work of this thread goes on. It gets the works in progress, the outermost first.

    It gets an empty list when the work has ended.
    """
    token = _shown.set(_Shown(show))
    try:
        yield
    finally:
        _shown.reset(token)


@contextmanager
def begin_work(
    subject: str,
    unit: str,
    total: float,
    *,
    effort: float = 0,
    has_estimate: bool = True,
    clock: Clock = time.monotonic,
) -> Iterator[Work]:
    """Begin a piece of work, which ends with the `with` block. See `Work` for the arguments."""
    work, shown = Work(subject, unit, total, effort=effort, has_estimate=has_estimate), _shown.get()
    if shown is None:
        yield work
        return
    shown.works.append(work)
    _show()
    try:
        yield work
    finally:
        shown.works.remove(work)
        if not shown.works:
            _show()


def track(
    items: Iterable[T], subject: str, unit: str, efforts: Sequence[float] = (), *, total: int | None = None
) -> Iterator[T]:
    """Yield items, and count each one when the caller asks for the next. See `Work` for the arguments.

    efforts: of the items; by default, all equal. total: the number of items; needed if they have no length.
    """
    count = total if total is not None else len(items)  # type: ignore[arg-type]
    with begin_work(subject, unit, count, effort=sum(efforts)) as work:
        for number, item in enumerate(items):
            effort = efforts[number] if efforts else 1
            work.enter("", effort)
            yield item
            work.advance(1, effort)


def _show() -> None:
    shown = _shown.get()
    if shown is not None and shown.pid == os.getpid():  # a forked process has its own work
        shown.show(shown.works)
