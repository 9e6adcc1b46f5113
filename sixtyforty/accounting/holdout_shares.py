"""Compare the declared share of a live holdout with the units that were held out.

The units are counted in strata: one for each holdout share that was in force, and one for each month under that share.
A unit or cluster is assigned once, so it counts once in a stratum, even if it occurs in several partitions. A unit may
be in several strata, so the counts of strata are never added up.
"""

from __future__ import annotations

from collections.abc import Sequence

from sixtyforty.accounting.arm_sums import declared_holdout
from sixtyforty.decisions import assignment
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.storage.bounded_cache import BoundedCache
from sixtyforty.storage.files import digest
from sixtyforty.storage.manifests import Entry, versions_by_partition
from sixtyforty.storage.sql import identifier, identifiers
from sixtyforty.value.share_test import OVERALL, DealtUnits
from sixtyforty.workspace import Workspace

HELD_OUT, NOT_HELD_OUT = "held out", "not held out"

_counted: BoundedCache[str, list[DealtUnits]] = BoundedCache(100)


def count_held_out(ws: Workspace, partitions: Sequence[str] | None = None) -> list[DealtUnits]:
    """Count held-out and other units with a known outcome, for each holdout share and month.

    partitions: the partitions to count; None counts all.
    """
    decisions = ws.lake.entries(decisions_dataset("live"), partitions)
    outcomes = ws.lake.entries("outcomes", list(decisions))
    decisions = {partition: decisions[partition] for partition in outcomes}
    if not decisions:
        return []
    versions = [versions_by_partition(entries) for entries in (decisions, outcomes)]
    key = digest([ws.use_case.name, str(ws.lake.root), declared_holdout(ws.use_case).model_dump(), versions])
    counted = _counted.get(key)
    if counted is None:
        counted = _strata(_count_assigned_units(ws, decisions, outcomes))
        _counted.put(key, counted)
    return counted


def _count_assigned_units(
    ws: Workspace, decisions: dict[str, Entry], outcomes: dict[str, Entry]
) -> list[tuple[str, str, bool, int]]:
    """Count the units, or clusters of units, that were assigned to the holdout or to the model, in each month.

    Return rows of (policy, month or OVERALL, whether held out, number of units or clusters). The text of the policy
    contains the holdout share.
    """
    key, select_rows = identifiers(ws.use_case.decision.key), ws.lake.select_rows
    taken = f"(select _partition, {key}, policy, decided_by from {select_rows(decisions.values())})"
    outcome = identifier(ws.use_case.kpi.outcome)
    known = f"(select _partition, {key} from {select_rows(outcomes.values())} where {outcome} is not null)"
    draw = ", ".join(assignment.draw_columns(ws.use_case).values())
    with ws.lake.open_session(ws.use_case.timezone) as db:
        rows: list[tuple[str, str, bool, int]] = db.execute(
            f"""with drawn as (
                select *, decided_by = 'holdout' as held_out, left(_partition, 7) as _month
                from {assignment.add_draw_columns(ws, taken, list(decisions))}
                join {known} using (_partition, {key}) where policy like '%holdout=%')
            select policy, coalesce(_month, '{OVERALL}'), held_out, count(distinct ({draw})) from drawn
            group by grouping sets ((policy, held_out), (policy, _month, held_out)) order by _month nulls first"""
        ).fetchall()
    return rows


def _strata(rows: Sequence[tuple[str, str, bool, int]]) -> list[DealtUnits]:
    """Return the counted units of each holdout share and month, for shares between 0 and 1.

    If there are several shares, the name of each stratum includes the share.
    """
    counts: dict[tuple[float, str], dict[str, int]] = {}
    for policy, month, held_out, units in rows:
        share = assignment.parse_share(policy)
        if 0 < share < 1:
            arms = counts.setdefault((share, month), {})
            arm = HELD_OUT if held_out else NOT_HELD_OUT
            arms[arm] = arms.get(arm, 0) + units
    several = len({share for share, _ in counts}) > 1
    return [
        DealtUnits(
            f"{month} at a share of {share:g}" if several else month,
            {HELD_OUT: share, NOT_HELD_OUT: 1 - share},
            arms,
        )
        for (share, month), arms in counts.items()
    ]
