"""Hold the result of `catch_up`: stale partitions with their reasons, which can be joined into ranges."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.files import digest


@dataclass
class StaleWork:
    """The stale partitions of a use case.

    `reasons` maps a partition to its reasons, and each reason to a hash of the state in which it was found. `sources`
    names the sources with new rows to validate. `unreachable` maps a source that can't be read to its error message.
    """

    use_case: UseCase
    reasons: dict[str, dict[str, str]] = field(default_factory=dict)
    sources: set[str] = field(default_factory=set)
    unreachable: dict[str, str] = field(default_factory=dict)

    def add_reason(self, partition: str, reason: str, state: object, source: str | None = None) -> None:
        """Add a reason to a partition.

        state: any JSON value, such as the versions of the inputs. The same reason with another state gives another
        `work_key`. source: the source that has new rows to validate, if any.
        """
        self.reasons.setdefault(partition, {})[reason] = digest(state)
        if source:
            self.sources.add(source)

    def ranges(self) -> list[tuple[str, str]]:
        """Return the partitions as ranges (first, last) without gaps, newest first, because decisions are due there."""
        ranges: list[tuple[str, str]] = []
        for partition in sorted(p for p in self.reasons if p != SNAPSHOT):
            if ranges and self.use_case.shift(ranges[-1][1], 1) == partition:
                ranges[-1] = (ranges[-1][0], partition)
            else:
                ranges.append((partition, partition))
        return ranges[::-1]

    def reasons_for(self, first: str, last: str) -> list[str]:
        """Return the reasons of a range of partitions, together with the reasons of snapshots."""
        return [f"{p}: {reason}" for p in self._stale_within(first, last) for reason in self.reasons[p]]

    def work_key(self, first: str, last: str) -> str:
        """Return a hash of a range, its reasons and their states. The same work always has the same key."""
        return digest([first, last, [(p, self.reasons[p]) for p in self._stale_within(first, last)]])

    def _stale_within(self, first: str, last: str) -> list[str]:
        return [p for p in [SNAPSHOT, *self.use_case.partition_range(first, last)] if p in self.reasons]


def join_reasons(reasons: Iterable[str], limit: int = 400) -> str:
    """Join reasons into one line, which is cut to `limit` characters."""
    line = "; ".join(reasons)
    return line if len(line) <= limit else line[: limit - 1] + "…"
