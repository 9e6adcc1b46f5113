"""Estimate the gain of each candidate in a live holdout, by comparing the two arms.

Nobody takes a candidate's action because of the candidate. But where it equals the action of the current process, it
gains nothing. Where it equals another action that the model took, the model's arm shows its outcomes, and the holdout
shows those of the current process. So its gain is the difference between the arms in the value of the units on which
candidate and current process differ; all other units count as zero. It is the estimate of Horvitz & Thompson (1952),
JASA 47, with the shares of the arms as propensities.

If the candidate takes an action that neither the model nor the current process took, nobody knows its outcome. The gain
is then unknown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from sixtyforty.accounting.arm_sums import (
    CURRENT,
    SEGMENT,
    UNTRIED,
    ArmSums,
    build_arm,
    declared_holdout,
    sum_arms,
)
from sixtyforty.decisions import assignment
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.storage.bounded_cache import BoundedCache
from sixtyforty.storage.files import digest
from sixtyforty.storage.manifests import versions_by_partition
from sixtyforty.value.experiment import MINIMUM_CLUSTERS, compare_arms
from sixtyforty.value.lift import UNKNOWN, Interval
from sixtyforty.value.rounded_interval import RoundedInterval, round_known
from sixtyforty.value.summary import CandidateSummary
from sixtyforty.workspace import Workspace

_measured: BoundedCache[str, dict[str, CandidateSummary]] = BoundedCache(20)


def measure_candidates(ws: Workspace, partitions: Sequence[str]) -> dict[str, CandidateSummary]:
    """Return the figures of each candidate over some partitions of a live experiment, with always-valid intervals.

    Skewed values have no interval, as in any holdout. The number of decisions is that of the model's arm. Without units
    in both arms, nothing is known.
    """
    kpi = ws.use_case.kpi
    decisions = ws.lake.entries(decisions_dataset("live"), partitions)
    outcomes = ws.lake.entries("outcomes", list(decisions))
    decisions = {partition: decisions[partition] for partition in outcomes}
    if not decisions or not kpi.candidates:
        return {}
    features = ws.lake.entries("features", list(decisions))
    versions = [versions_by_partition(entries) for entries in (decisions, outcomes, features)]
    key = digest([ws.use_case.name, str(ws.lake.root), kpi.model_dump(mode="json"), versions])
    figures = _measured.get(key)
    if figures is None:
        figures = {}
        for name in kpi.candidates:
            with sum_arms(ws, decisions, outcomes, candidate=name) as sums:
                figures[name] = _summarize(ws, sums)
        _measured.put(key, figures)
    return figures


def _summarize(ws: Workspace, sums: ArmSums) -> CandidateSummary:
    in_both = f"(select share from {sums.rows} group by share having count(distinct held_out) = 2)"
    rows = f"(from {sums.rows} where share in {in_both})"
    units, untried, money = sums.db.execute(
        f"""select coalesce(sum(units), 0), coalesce(sum(units) filter ({SEGMENT} = '{UNTRIED}'), 0),
            coalesce(sum(value), 0) from {rows} where not held_out"""
    ).fetchall()[0]
    if not units:
        return CandidateSummary(0, None, RoundedInterval.of(UNKNOWN), RoundedInterval.of(UNKNOWN))
    if untried:
        problem = (
            f"not known: on {untried / units:.0%} of the {ws.use_case.kpi.unit_plural}, this way of deciding takes an"
            " action that neither the model nor the current process took"
        )
        unknown = RoundedInterval.of(Interval(math.nan, math.nan, math.nan, problem=problem))
        return CandidateSummary(int(units), None, unknown, unknown)
    gain, model_minus = (_compare(ws, sums, rows, f"{SEGMENT} {sign} '{CURRENT}'") for sign in ("<>", "="))
    per_1000 = round_known(1000 * money / units - model_minus.value)
    return CandidateSummary(int(units), per_1000, RoundedInterval.of(gain), RoundedInterval.of(model_minus))


def _compare(ws: Workspace, sums: ArmSums, rows: str, counted: str) -> Interval:
    """Return the difference between the arms per 1,000 units. counted: SQL, false for units whose value is zero.

    Without any counted unit, the difference is zero. With few in an arm, it has no interval.
    """
    drawn = "count(distinct cluster)" if assignment.cluster_columns(ws.use_case) else "sum(units)"
    fewest, most = sums.db.execute(
        f"""select min(drawn), max(drawn) from (select coalesce({drawn} filter ({counted}), 0) as drawn from {rows}
            group by held_out)"""
    ).fetchall()[0]
    if not most:
        return Interval(0.0, 0.0, 0.0)
    values = ("value", "value_value", "value_covariate", "value_cubed")
    masked = ", ".join(f"case when {counted} then {name} else 0 end as {name}" for name in values)
    model, current = (
        build_arm(ws.use_case, sums.db, f"(select * replace ({masked}) from {rows} where held_out = {held_out})")
        for held_out in (False, True)
    )
    effect = compare_arms(model, current)
    if fewest < MINIMUM_CLUSTERS:
        problem = f"too few {ws.use_case.kpi.unit_plural} on which the actions differ"
        return Interval(1000 * float(effect.value), math.nan, math.nan, problem=problem)
    ends = effect.always_valid_interval(declared_holdout(ws.use_case).planned_units)
    return Interval(*(1000 * float(end) for end in (effect.value, *ends)), problem=effect.problem)
