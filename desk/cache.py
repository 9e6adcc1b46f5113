"""The desk's cache: explanations, facts of units, figures of impact, what-if and portfolio pages, check of a log.

The cache computes entries of one kind one at a time. If many people open a page at the same time, the page's figures
are computed once, and the other requests wait for the figures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from threading import Lock
from typing import Any, Literal, TypeVar, get_args

from sixtyforty.storage.bounded_cache import BoundedCache

T = TypeVar("T")
Kind = Literal["explanations", "units", "impact", "portfolio", "security", "what if"]
MAX_ENTRIES = 20_000


class PageCache:
    """A cache for the desk's pages, by kind and key. Beyond MAX_ENTRIES, it drops the least recently used entry."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: BoundedCache[tuple[Kind, Hashable], tuple[float, Any]] = BoundedCache(MAX_ENTRIES)
        self._locks: dict[Kind, Lock] = {kind: Lock() for kind in get_args(Kind)}

    def get(self, kind: Kind, key: Hashable, compute: Callable[[], T], max_age: float) -> T:
        """Return the cached entry of a key. Compute an entry that is missing or older than `max_age` seconds."""
        with self._locks[kind]:
            stored = self._entries.get((kind, key))
            if stored is None or self._clock() - stored[0] > max_age:
                stored = (self._clock(), compute())
                self._entries.put((kind, key), stored)
            entry: T = stored[1]
            return entry

    def get_many(
        self, kind: Kind, keys: Sequence[Hashable], compute: Callable[[Sequence[Any]], Mapping[Any, T]], default: T
    ) -> list[T]:
        """Return the cached entry of each key, in the order of the keys. Compute only the missing entries.

        compute: a function that receives all missing keys and returns their entries by key. For a key without a
        computed entry, the method returns `default`, which isn't stored.
        """
        with self._locks[kind]:
            stored = {key: self._entries.get((kind, key)) for key in keys}
            entries = {key: pair[1] for key, pair in stored.items() if pair is not None}
            missing = [key for key in stored if key not in entries]
            if missing:
                computed = compute(missing)
                for key, entry in computed.items():
                    self._entries.put((kind, key), (self._clock(), entry))
                entries |= computed
            return [entries.get(key, default) for key in keys]
