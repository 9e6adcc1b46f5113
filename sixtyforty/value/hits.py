"""Count where an action was needed and taken: hits, misses, false alarms and correct idles.

The counts are those of `sklearn.metrics.confusion_matrix`. Precision and recall: van Rijsbergen (1979), Information
Retrieval, chapter 7.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from sixtyforty.spec.kpi import Kpi
from sixtyforty.value.group_sums import SumsByGroup
from sixtyforty.value.unit_sums import ACTED, NEEDED, NOT_CLASSED


@dataclass(frozen=True)
class HitCounts:
    """How often a way of deciding acted where an action was needed, and where none was.

    - hits: needed, and acted. misses: needed, but not acted.
    - false_alarms: acted in vain. correct_idles: not needed, and not acted.
    """

    hits: int
    misses: int
    false_alarms: int
    correct_idles: int

    @classmethod
    def of(cls, counts: Iterable[tuple[bool, bool, int]]) -> HitCounts:
        """Add up counts of decisions. Each count comes with two answers: was an action needed, and was it taken?"""
        totals = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
        for is_needed, is_taken, count in counts:
            totals[is_needed, is_taken] += count
        return cls(*totals.values())

    @property
    def precision(self) -> float | None:
        """The share of the actions that were needed; None without an action."""
        return _share(self.hits, self.hits + self.false_alarms)

    @property
    def recall(self) -> float | None:
        """The share of the needed actions that were taken; None if none was needed."""
        return _share(self.hits, self.hits + self.misses)

    def to_dict(self) -> dict[str, Any]:
        """Return the counts for JSON, with precision and recall to four decimals."""
        shares = {"precision": self.precision, "recall": self.recall}
        return asdict(self) | {name: None if s is None else round(s, 4) for name, s in shares.items()}


@dataclass(frozen=True)
class ComparedHits:
    """The hits of the decisions taken and of the current process, on the same units."""

    taken: HitCounts
    current: HitCounts

    def to_dict(self) -> dict[str, Any]:
        """Return the hits of both ways of deciding for JSON."""
        return {"taken": self.taken.to_dict(), "current": self.current.to_dict()}


@dataclass(frozen=True)
class SegmentHits(ComparedHits):
    """The hits in one segment. column, name: the column and its value that define the segment."""

    column: str
    name: str

    def to_dict(self) -> dict[str, Any]:
        """Return the segment and its hits for JSON."""
        return {"column": self.column, "name": self.name, **super().to_dict()}


def compare_hits(kpi: Kpi, payoffs: SumsByGroup) -> ComparedHits | None:
    """Return the hits of both ways of deciding; None if the outcome doesn't show whether an action was needed.

    payoffs: see `UnitSums.payoffs`.
    """
    if not payoffs or any(needed == NOT_CLASSED for _, _, needed in payoffs):
        return None
    by_policy = (
        [(key[2] == NEEDED, key[at] != kpi.idle_action, int(sums[0])) for key, sums in payoffs.items()] for at in (0, 1)
    )
    return ComparedHits(*map(HitCounts.of, by_policy))


def compare_segments(segments: SumsByGroup) -> list[SegmentHits]:
    """Return the hits in each segment, sorted by column and name. segments: see `UnitSums.segments`."""
    counts: dict[tuple[str, str], list[tuple[bool, bool, bool, int]]] = {}
    for (column, name, needed, taken, current), (count,) in segments.items():
        row = (needed == NEEDED, taken == ACTED, current == ACTED, int(count))
        counts.setdefault((column, name), []).append(row)
    return [
        SegmentHits(
            HitCounts.of((needed, taken, count) for needed, taken, _, count in rows),
            HitCounts.of((needed, current, count) for needed, _, current, count in rows),
            column,
            name,
        )
        for (column, name), rows in sorted(counts.items())
    ]


def _share(part: int, total: int) -> float | None:
    return part / total if total else None
