"""A bounded cache never exceeds its limit, and evicts the entries used least recently."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.storage.bounded_cache import BoundedCache


def test_an_absent_key_gives_none() -> None:
    assert BoundedCache[str, int](2).get("a") is None


def test_the_entry_used_least_recently_leaves_first() -> None:
    cache = BoundedCache[str, int](2)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.get("a")
    cache.put("c", 3)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (1, None, 3)


def test_every_entry_that_leaves_is_passed_on_once() -> None:
    evicted: list[str] = []
    cache = BoundedCache[str, str](2, on_evict=evicted.append)
    for key in "aab":
        cache.put(key, key.upper())
    cache.clear()
    assert evicted == ["A", "A", "B"]
    assert len(cache) == 0


def test_an_entry_larger_than_the_limit_is_not_kept() -> None:
    cache = BoundedCache[str, bytes](3, weigh=len)
    cache.put("large", b"1234")
    assert cache.get("large") is None
    assert cache.weight == 0


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.binary(max_size=5))), st.integers(0, 12))
def test_the_weight_stays_within_the_limit_and_the_newest_entry_that_fits_is_kept(
    puts: list[tuple[str, bytes]], limit: int
) -> None:
    cache = BoundedCache[str, bytes](limit, weigh=len)
    for key, content in puts:
        cache.put(key, content)
        assert cache.weight <= limit
        assert cache.get(key) == (content if len(content) <= limit else None)
