"""A cache with a limit. When the cache is full, it removes the entries that were used least recently."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """A mapping from keys to entries, with a limit on their total weight. Threads may share it.

    limit: the largest total weight.
    weigh: a function that returns the weight of an entry, such as its number of bytes; by default, each entry weighs 1.
    on_evict: a function that is called with each entry that the cache removes or replaces, for example to close it.
    """

    def __init__(
        self, limit: int, weigh: Callable[[V], int] = lambda _: 1, on_evict: Callable[[V], None] = lambda _: None
    ) -> None:
        self.limit = limit
        self.weight = 0
        self._weigh, self._on_evict = weigh, on_evict
        self._entries: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """Return the entry of a key and mark it as the most recently used; None if the cache doesn't have the key."""
        with self._lock:
            if key not in self._entries:
                return None
            self._entries.move_to_end(key)
            return self._entries[key]

    def put(self, key: K, entry: V) -> None:
        """Add or replace an entry. Then remove the least recently used entries until the cache is within its limit.

        An entry that is heavier than the limit is itself removed.
        """
        with self._lock:
            self._evict(key)
            self._entries[key] = entry
            self.weight += self._weigh(entry)
            while self.weight > self.limit:
                self._evict(next(iter(self._entries)))

    def clear(self) -> None:
        """Remove every entry from the cache."""
        with self._lock:
            for key in list(self._entries):
                self._evict(key)

    def _evict(self, key: K) -> None:
        if key in self._entries:
            entry = self._entries.pop(key)
            self.weight -= self._weigh(entry)
            self._on_evict(entry)
