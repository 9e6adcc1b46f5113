"""The cache: entries expire, missing ones are computed together, and only once for all who wait."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from desk import cache
from desk.cache import PageCache


class Clock:
    """A clock that tests move by hand, in seconds."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_an_entry_is_computed_again_when_it_is_too_old() -> None:
    clock, computed = Clock(), iter("abc")
    entries = PageCache(clock)
    assert entries.get("impact", "x", lambda: next(computed), max_age=60) == "a"
    clock.seconds = 60
    assert entries.get("impact", "x", lambda: next(computed), max_age=60) == "a"
    clock.seconds = 61
    assert entries.get("impact", "x", lambda: next(computed), max_age=60) == "b"
    assert entries.get("portfolio", "x", lambda: next(computed), max_age=60) == "c"  # kinds don't share keys


def test_a_failed_computation_is_not_stored() -> None:
    entries = PageCache()

    def fail() -> str:
        raise RuntimeError("not yet")

    with pytest.raises(RuntimeError):
        entries.get("impact", "x", fail, max_age=60)
    assert entries.get("impact", "x", lambda: "now", max_age=60) == "now"


def test_missing_entries_are_computed_together_and_in_order() -> None:
    entries, requests = PageCache(), []

    def square(keys: Sequence[int]) -> dict[int, int]:
        requests.append(list(keys))
        return {key: key * key for key in keys if key != 4}

    assert entries.get_many("explanations", [3, 1], square, 0) == [9, 1]
    assert entries.get_many("explanations", [1, 2, 3, 4], square, 0) == [1, 4, 9, 0]
    assert entries.get_many("explanations", [4], square, 0) == [0]
    assert requests == [[3, 1], [2, 4], [4]]


def test_many_readers_at_once_compute_an_entry_once() -> None:
    entries, count = PageCache(), []
    start = threading.Barrier(8)

    def read(_: int) -> int:
        start.wait()
        return entries.get("impact", "x", lambda: count.append(1) or len(count), max_age=60)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, range(8))) == [1] * 8
    assert count == [1]


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MAX_ENTRIES", 3)
    entries, computed = PageCache(), []

    def compute(keys: Sequence[int]) -> dict[int, int]:
        computed.extend(keys)
        return {key: key for key in keys}

    entries.get_many("explanations", [1, 2, 3, 4], compute, 0)
    entries.get_many("explanations", [1], compute, 0)
    assert computed == [1, 2, 3, 4, 1]
