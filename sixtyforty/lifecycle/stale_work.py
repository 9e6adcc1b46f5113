"""Collect the stale partitions that `stale_partitions` finds, and the reasons why, as ranges of partitions for runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.files import digest


@dataclass
class StaleWork:
    """The stale partitions of a use case.

    `reasons`: by partition and reason, a hash of what the reason depends on, such as the input versions. `sources`:
    names of the sources with new rows to validate. `unreachable`: why a source can't or must not be read, by name.
    """

    use_case: UseCase
    reasons: dict[str, dict[str, str]] = field(default_factory=dict)
    sources: set[str] = field(default_factory=set)
    unreachable: dict[str, str] = field(default_factory=dict)

    def add_reason(self, partition: str, reason: str, state: object, source: str | None = None) -> None:
        """Add a reason why a partition is stale.

        state: any JSON value on which the reason depends, such as the input versions. If it changes, `work_key`
        changes. source: name of the source with new rows to validate, if such rows are the reason.
        """
        self.reasons.setdefault(partition, {})[reason] = digest(state)
        if source:
            self.sources.add(source)

    def ranges(self) -> list[tuple[str, str]]:
        """Return the stale partitions as ranges (first, last) without gaps, sorted from newest to oldest."""
        ranges: list[tuple[str, str]] = []
        for partition in sorted(p for p in self.reasons if p != SNAPSHOT):
            if ranges and self.use_case.shift(ranges[-1][1], 1) == partition:
                ranges[-1] = (ranges[-1][0], partition)
            else:
                ranges.append((partition, partition))
        return ranges[::-1]

    def reasons_for(self, first: str, last: str) -> list[str]:
        """Return why the partitions from `first` to `last` and the snapshots are stale, as `partition: reason`."""
        return [f"{p}: {reason}" for p in self._stale_within(first, last) for reason in self.reasons[p]]

    def work_key(self, first: str, last: str) -> str:
        """Return a hash of the partitions from `first` to `last` and of the reasons why they are stale."""
        return digest([first, last, [(p, self.reasons[p]) for p in self._stale_within(first, last)]])

    def _stale_within(self, first: str, last: str) -> list[str]:
        return [p for p in [SNAPSHOT, *self.use_case.partition_range(first, last)] if p in self.reasons]


def join_reasons(reasons: Iterable[str], limit: int = 400) -> str:
    """Join reasons into one line, separated by semicolons and cut to at most `limit` characters."""
    line = "; ".join(reasons)
    return line if len(line) <= limit else line[: limit - 1] + "…"
