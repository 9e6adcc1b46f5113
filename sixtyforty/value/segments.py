"""Where it gains and where it loses: the money by segment, such as a carrier or an airport."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sixtyforty.spec.kpi import Kpi
from sixtyforty.value.lift import Interval, estimate_ratio
from sixtyforty.value.payoffs import build_payoffs

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

NOT_RECORDED = "(not said)"
ALPHA = 0.05  # of ever calling a segment a loser that isn't, over all the segments looked at

# Of one partition: column to segment to (decisions, money of the decisions taken, money of the current process).
SegmentMoney = dict[str, dict[str, tuple[int, float, float]]]


@dataclass(frozen=True)
class Segment:
    """A segment over all days; its lift per 1,000 decisions with an interval that allows for how many are looked at."""

    column: str
    name: str
    decisions: int
    gain: float
    lift: Interval

    @property
    def loses(self) -> bool:
        """Whether the current process is surely better there."""
        return self.lift.high < 0

    @property
    def plain(self) -> dict[str, Any]:
        """As JSON: money to the cent; an interval that isn't known is null."""
        low, high = (None if math.isnan(v) else round(v, 2) for v in (self.lift.low, self.lift.high))
        return {
            "column": self.column,
            "name": self.name,
            "decisions": self.decisions,
            "gain": round(self.gain, 2),
            "per_1000": round(self.lift.value, 2),
            "low": low,
            "high": high,
            "loses": self.loses,
        }


def money_by_segment(kpi: Kpi, rows: pd.DataFrame) -> dict[str, SegmentMoney]:
    """Each partition's money by segment.

    Rows: `_partition`, `action`, `current_action`, a known `outcome`, those of kpi.segments and what payoffs need.
    """
    outcome = rows["outcome"].to_numpy(float)
    pays = build_payoffs(kpi, rows)
    paid = rows[["_partition"]].assign(
        model=pays.paid(rows["action"].tolist(), outcome), present=pays.paid(rows["current_action"].tolist(), outcome)
    )
    found: dict[str, SegmentMoney] = {p: {c: {} for c in kpi.segments} for p in rows["_partition"].unique()}
    for column in kpi.segments:
        by = rows[column].map(str, na_action="ignore").astype(object).where(rows[column].notna(), NOT_RECORDED)
        sums = paid.groupby(["_partition", by], sort=True).agg(
            n=("model", "size"), model=("model", "sum"), present=("present", "sum")
        )
        for (partition, name), n, model, present in sums.itertuples(name=None):
            found[partition][column][name] = (int(n), float(model), float(present))
    return found


def estimate_segments(parts: Mapping[tuple[str, str], tuple[NDArray[np.int64], NDArray[np.float64]]]) -> list[Segment]:
    """The segments by column and, within it, the greatest loss first.

    `parts`: of each column and segment its decisions and gains, day by day, on the days that it was seen. Interval:
    day-block bootstrap; confidence 1 - ALPHA / number of segments (Bonferroni), as many are looked at.
    """
    found = []
    for (column, name), (counts, gains) in sorted(parts.items()):
        lift = estimate_ratio(gains, counts, confidence=1 - ALPHA / len(parts))
        found.append(Segment(column, name, int(counts.sum()), float(gains.sum()), lift))
    return sorted(found, key=lambda s: (s.column, s.lift.value))
