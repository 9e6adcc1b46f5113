"""Add up the money by segment, such as a carrier or an airport, to show where the model gains and where it loses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.track import Track
from sixtyforty.value.lift import Interval, measure_ratio
from sixtyforty.value.payoffs import build_payoffs
from sixtyforty.value.unit_groups import NOT_COUNTED, NOT_GROUPED

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from sixtyforty.value.blocks import Partitions

NOT_RECORDED = "(not recorded)"
ALPHA = 0.05  # probability that any of the examined segments is reported as losing although it doesn't lose

# The money of one partition by column and segment, in the KPI's currency. The tuple of a segment: number of decisions,
# money of the decisions taken, money of the current process.
SegmentMoney = dict[str, dict[str, tuple[int, float, float]]]


@dataclass(frozen=True)
class Segment:
    """The gain of one segment over all days.

    - column, name: the feature or key column, and the column's value that defines the segment.
    - gain: the total gain over the current process, in the KPI's currency.
    - lift: the gain per 1,000 decisions. Its confidence interval is corrected for the number of segments.
    """

    column: str
    name: str
    decisions: int
    gain: float
    lift: Interval

    @property
    def loses(self) -> bool:
        """Whether the whole confidence interval is below zero: in this segment, the current process does better."""
        return self.lift.high < 0

    def to_dict(self) -> dict[str, Any]:
        """Return the segment for JSON. Money is rounded to the cent, and unknown ends of the interval are null."""
        amounts = (self.gain, self.lift.value, self.lift.low, self.lift.high)
        gain, per_1000, low, high = (None if math.isnan(amount) else round(amount, 2) for amount in amounts)
        return {
            "column": self.column,
            "name": self.name,
            "decisions": self.decisions,
            "gain": gain,
            "per_1000": per_1000,
            "low": low,
            "high": high,
            "loses": self.loses,
        }


def describe_losing(segments: Sequence[Segment]) -> str:
    """Return a text that names the segments in which the current process is proven better, or why none is judged."""
    if any(segment.lift.problem == NOT_COUNTED for segment in segments):
        return f"no segment is judged: {NOT_COUNTED}"
    losing = ", ".join(f"{segment.column} {segment.name}" for segment in segments if segment.loses)
    return f"the current process is better in {losing or 'no segment'} (95% confidence)"


def money_by_segment(kpi: Kpi, rows: pd.DataFrame) -> dict[str, SegmentMoney]:
    """Add up the money of decisions by partition and segment. Return the money of each segment, by partition.

    rows: `_partition`, `action`, `current_action`, `outcome` (without nulls), the columns of kpi.segments, and the
    columns that `build_payoffs` needs.
    """
    outcome = rows["outcome"].to_numpy(float)
    payoffs = build_payoffs(kpi, rows)
    money = rows[["_partition"]].assign(
        model=payoffs.realized(rows["action"].tolist(), outcome),
        current=payoffs.realized(rows["current_action"].tolist(), outcome),
    )
    partitions: dict[str, SegmentMoney] = {p: {c: {} for c in kpi.segments} for p in rows["_partition"].unique()}
    for column in kpi.segments:
        names = rows[column].map(str, na_action="ignore").astype(object).where(rows[column].notna(), NOT_RECORDED)
        sums = money.groupby(["_partition", names], sort=True).agg(
            decisions=("model", "size"), model=("model", "sum"), current=("current", "sum")
        )
        for (partition, name), decisions, model, current in sums.itertuples(name=None):
            partitions[partition][column][name] = (int(decisions), float(model), float(current))
    return partitions


def add_segments(first: SegmentMoney, second: SegmentMoney) -> SegmentMoney:
    """Add up the money of the same segments in two portions of a partition."""
    total: SegmentMoney = {}
    for column in first | second:
        parts = [money.get(column, {}) for money in (first, second)]
        total[column] = {
            name: tuple(map(sum, zip(*(part[name] for part in parts if name in part), strict=True)))  # type: ignore[misc]
            for name in sorted(parts[0] | parts[1])
        }
    return total


def estimate_segments(
    days_of_segments: Mapping[tuple[str, str], tuple[Partitions, NDArray[np.int64], NDArray[np.float64]]],
    track: Track,
    block_days: int,
    units_recur: bool = False,
) -> list[Segment]:
    """Estimate the lift of each segment. Return the segments sorted by column, then by lift, the greatest loss first.

    - days_of_segments: for each column and segment, the partitions in which the segment occurred, in the order of time,
      with the numbers of decisions, and the gains. A partition is given by its key or first day.
    - track: determines the intervals (see `measure_ratio`). Their confidence is 1 - ALPHA / number of segments
      (Bonferroni).
    - block_days: see `kpi.block_days`.
    - units_recur: whether a unit may occur in several partitions. The segments then have no interval: the accounts
      don't add up the units of each segment by group.
    """
    segments = []
    for (column, name), (partitions, counts, gains) in sorted(days_of_segments.items()):
        confidence = 1 - ALPHA / len(days_of_segments)
        groups = NOT_GROUPED if units_recur else None
        lift = measure_ratio(track, partitions, gains, counts, block_days, confidence, groups)
        segments.append(Segment(column, name, int(counts.sum()), float(gains.sum()), lift))
    return sorted(segments, key=lambda segment: (segment.column, segment.lift.value))
