"""The progress of long work and its estimate, on a clock that the tests set."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Thread

import pytest

from sixtyforty.progress import ESTIMATING, Work, begin_work, format_duration, show_work_on, track


@dataclass
class FakeClock:
    """A clock that stands still until a test sets it."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_time_left_follows_from_the_work_done_so_far() -> None:
    clock = FakeClock()
    work = Work("backup", "file", 3650, clock=clock)
    clock.seconds = 60
    work.advance(1200)
    assert work.describe() == "backup: 1,200 of 3,650 files, about 2 minutes left"


@pytest.mark.parametrize(("seconds", "done"), [(1, 500), (60, 1)])
def test_no_time_is_guessed_at_the_start(seconds: float, done: float) -> None:
    clock = FakeClock()
    work = Work("backup", "file", 1000, clock=clock)
    clock.seconds = seconds
    work.advance(done)
    assert work.describe_time_left() == ESTIMATING


def test_large_items_count_by_their_effort() -> None:
    clock = FakeClock()
    work = Work("backup", "file", 2, effort=1000, clock=clock)
    clock.seconds = 10
    work.advance(1, effort=100)
    assert work.describe() == "backup: 1 of 2 files, about 2 minutes left"


def test_work_inside_of_an_item_is_a_part_of_it() -> None:
    clock = FakeClock()
    run, step = Work("run orders", "step", 2, effort=100, clock=clock), Work("", "partition", 10, clock=clock)
    run.enter("features", 80)
    step.advance(5)
    clock.seconds = 40
    assert run.share(step) == 0.4
    assert run.describe(step) == "run orders: 0 of 2 steps, about 1 minute left, now features: 5 of 10 partitions"
    run.advance(1, 80)
    assert run.describe() == "run orders: 1 of 2 steps, about 10 seconds left"


def test_without_an_estimate_of_the_whole_the_time_left_of_the_part_is_shown() -> None:
    clock = FakeClock()
    run = Work("run orders", "step", 22, has_estimate=False, clock=clock)
    step = Work("", "partition", 10, clock=clock)
    run.enter("features")
    clock.seconds = 60
    step.advance(5)
    assert run.describe() == "run orders: 0 of 22 steps, now features"
    time_left = "about 1 minute left in this step"
    assert run.describe(step) == f"run orders: 0 of 22 steps, {time_left}, now features: 5 of 10 partitions"


def test_an_unknown_total_gives_no_estimate() -> None:
    clock = FakeClock()
    work = Work("read", "row", 0, clock=clock)
    clock.seconds = 60
    work.advance(120_000)
    assert work.describe() == "read: 120,000 rows"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "about 10 seconds"),
        (42, "about 40 seconds"),
        (58, "about 1 minute"),
        (80 * 60, "about 80 minutes"),
        (3 * 3600, "about 3 hours"),
    ],
)
def test_durations_are_rounded_for_people(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_track_shows_nested_work_and_its_end() -> None:
    seen: list[list[str]] = []

    def show(works: Sequence[Work]) -> None:
        seen.append([f"{work.subject} {work.done:.0f}" for work in works])

    with show_work_on(show):
        for _ in track(["a", "b"], "outer", "item"):
            with begin_work("inner", "row", 5) as work:
                work.advance(5)
    assert ["outer 0", "inner 5"] in seen
    assert ["outer 1", "inner 5"] in seen
    assert seen[-1] == []


def test_work_ends_with_the_error_that_interrupts_it() -> None:
    seen: list[int] = []
    with (
        show_work_on(lambda works: seen.append(len(works))),
        pytest.raises(ValueError, match="broken"),
        begin_work("read", "row", 5),
    ):
        raise ValueError("broken")
    assert seen == [1, 0]


def test_other_threads_and_processes_show_nothing() -> None:
    seen: list[int] = []

    def work_quietly() -> None:
        with begin_work("other", "row", 5) as work:
            work.advance()

    with show_work_on(lambda works: seen.append(len(works))):
        thread = Thread(target=work_quietly)
        thread.start()
        thread.join()
        child = os.fork()
        if not child:
            work_quietly()
            os._exit(len(seen))
        _, status = os.waitpid(child, 0)
    assert (seen, status) == ([], 0)
