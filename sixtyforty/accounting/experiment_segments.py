"""Estimate the gain of each segment of a live holdout, by comparing the two arms within the segment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sixtyforty.accounting.arm_sums import SEGMENT, ArmSums, build_arm, declared_holdout, sum_arms
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.storage.bounded_cache import BoundedCache
from sixtyforty.storage.files import digest
from sixtyforty.storage.manifests import versions_by_partition
from sixtyforty.storage.sql import literal
from sixtyforty.value.experiment import Effect, compare_arms
from sixtyforty.value.lift import UNKNOWN, Interval
from sixtyforty.value.segments import ALPHA, Segment
from sixtyforty.workspace import Workspace

_measured: BoundedCache[str, list[Segment]] = BoundedCache(20)


def measure_segments(ws: Workspace) -> list[Segment]:
    """Return the gain of each segment, sorted by column, then by lift, the greatest loss first.

    The number of decisions and the gain are those of the model's arm. The intervals are always valid. Their confidence
    is 1 - ALPHA / number of segments (Bonferroni). A segment without units in both arms has an unknown lift.
    """
    kpi = ws.use_case.kpi
    decisions = ws.lake.entries(decisions_dataset("live"))
    outcomes = ws.lake.entries("outcomes", list(decisions))
    decisions = {partition: decisions[partition] for partition in outcomes}
    if not decisions or not kpi.segments:
        return []
    features = ws.lake.entries("features", list(decisions))
    versions = [versions_by_partition(entries) for entries in (decisions, outcomes, features)]
    key = digest([ws.use_case.name, str(ws.lake.root), kpi.model_dump(mode="json"), versions])
    segments = _measured.get(key)
    if segments is None:
        effects: dict[tuple[str, str], _SegmentEffect] = {}
        for column in kpi.segments:
            with sum_arms(ws, decisions, outcomes, segment=column) as sums:
                names = sums.db.execute(f"select distinct {SEGMENT} from {sums.rows} order by 1").fetchall()
                effects |= {(column, name): _compare(ws, sums, name) for (name,) in names}
        segments = _add_intervals(effects, declared_holdout(ws.use_case).planned_units)
        _measured.put(key, segments)
    return segments


@dataclass(frozen=True)
class _SegmentEffect:
    """The number of units of the model's arm in a segment, and the effect there; None without units in both arms."""

    decisions: int
    effect: Effect | None


def _compare(ws: Workspace, sums: ArmSums, name: str) -> _SegmentEffect:
    """Compare the arms within a segment, over the holdout shares with units in both arms."""
    inside = f"(from {sums.rows} where {SEGMENT} = {literal(name)})"
    in_both = f"(select share from {inside} group by share having count(distinct held_out) = 2)"
    compared = f"(from {inside} where share in {in_both})"
    units = sums.db.execute(f"select coalesce(sum(units) filter (not held_out), 0) from {inside}").fetchall()[0][0]
    if not sums.db.execute(f"select count(*) from {compared}").fetchall()[0][0]:
        return _SegmentEffect(int(units), None)
    model, current = (
        build_arm(ws.use_case, sums.db, f"(from {compared} where held_out = {held_out})") for held_out in (False, True)
    )
    bounds = declared_holdout(ws.use_case).bounds
    effect = compare_arms(model, current, bounds.ends if bounds else None)
    return _SegmentEffect(int(model.total[:, 0].sum()), effect)


def _add_intervals(effects: Mapping[tuple[str, str], _SegmentEffect], planned_units: int) -> list[Segment]:
    """Return the segments with their intervals. A segment is planned with its present share of the planned units."""
    confidence = 1 - ALPHA / max(len(effects), 1)
    totals: dict[str, int] = {}
    for (column, _), part in effects.items():
        totals[column] = totals.get(column, 0) + part.decisions
    segments = []
    for (column, name), part in effects.items():
        lift, gain = UNKNOWN, math.nan
        if part.effect is not None:
            planned = max(planned_units * part.decisions / max(totals[column], 1), 1.0)
            ends = part.effect.always_valid_interval(planned, confidence)
            lift = Interval(*(1000 * float(end) for end in (part.effect.value, *ends)), problem=part.effect.problem)
            gain = float(part.effect.value) * part.decisions
        segments.append(Segment(column, name, part.decisions, gain, lift))
    return sorted(segments, key=lambda s: (s.column, math.isnan(s.lift.value), s.lift.value))
