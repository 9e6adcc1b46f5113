"""Compare the declared share of a live holdout with the units that were held out.

A unit or cluster is drawn once, so it counts once, however often it returns. The strata are the shares in force and, of
each, the segments. A unit that was decided under two shares counts in both, so that no stratum is added to another.
"""

from __future__ import annotations

from collections.abc import Sequence

from sixtyforty.accounting.experiment_ledger import declared_holdout
from sixtyforty.decisions import assignment
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.storage.bounded_cache import BoundedCache
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.files import digest
from sixtyforty.storage.manifests import Entry, versions_by_partition
from sixtyforty.storage.sql import identifier, identifiers
from sixtyforty.value.segments import NOT_RECORDED
from sixtyforty.value.share_test import OVERALL, DealtUnits
from sixtyforty.workspace import Workspace

HELD_OUT, BY_MODEL = "held out", "not held out"

_counted: BoundedCache[str, list[DealtUnits]] = BoundedCache(100)


def count_held_out(ws: Workspace, partitions: Sequence[str] | None = None) -> list[DealtUnits]:
    """Return the drawn units with a known outcome by arm: for each share in force, overall and for each segment."""
    decisions = ws.lake.entries(decisions_dataset("live"), partitions)
    outcomes = ws.lake.entries("outcomes", list(decisions))
    decisions = {partition: decisions[partition] for partition in outcomes}
    if not decisions:
        return []
    holdout, segments = declared_holdout(ws.use_case), ws.use_case.kpi.segments
    features = ws.lake.entries("features", list(decisions)) if segments else {}
    versions = [versions_by_partition(entries) for entries in (decisions, outcomes, features)]
    key = digest([ws.use_case.name, str(ws.lake.root), holdout.model_dump(), segments, versions])
    counted = _counted.get(key)
    if counted is None:
        counted = _count_draws(ws, decisions, outcomes, features)
        _counted.put(key, counted)
    return counted


def _count_draws(
    ws: Workspace, decisions: dict[str, Entry], outcomes: dict[str, Entry], features: dict[str, Entry]
) -> list[DealtUnits]:
    kpi, key = ws.use_case.kpi, identifiers(ws.use_case.decision.key)
    select_rows = ws.lake.select_rows
    taken = f"(select _partition, {key}, policy, decided_by from {select_rows(decisions.values())})"
    outside_key = [column for column in kpi.segments if column not in ws.use_case.decision.key]
    join = ""
    if features and outside_key:
        columns = f"_partition, {key}, {identifiers(outside_key)}"
        join = f"left join (select {columns} from {select_rows(features.values())}) using (_partition, {key})"
    texts = "".join(
        f", coalesce({identifier(column)}::varchar, '{NOT_RECORDED}') as _segment{i}"
        for i, column in enumerate(kpi.segments)
    )
    names = [f"_segment{i}" for i in range(len(kpi.segments))]
    sets = ", ".join(["(policy, held_out)", *(f"(policy, held_out, {name})" for name in names)])
    drawn = ", ".join(f"drawn.{name}" for name in assignment.draw_columns(ws.use_case).values())
    known = (
        f"(select _partition, {key} from {select_rows(outcomes.values())} where {identifier(kpi.outcome)} is not null)"
    )
    with connect(ws.use_case.timezone) as db:
        rows = db.execute(
            f"""with drawn as (
                select *, decided_by = 'holdout' as held_out{texts}
                from {assignment.add_draw_columns(ws, taken, list(decisions))}
                join {known} using (_partition, {key}) {join} where policy like '%holdout=%')
            select count(distinct ({drawn})), policy, held_out{"".join(f", {name}" for name in names)}
            from drawn group by grouping sets ({sets})"""
        ).fetchall()
    return _strata(kpi.segments, rows)


def _strata(segments: Sequence[str], rows: Sequence[tuple[object, ...]]) -> list[DealtUnits]:
    """Return the strata of the shares between 0 and 1: with the share in the name where there are several."""
    counts: dict[tuple[float, str], dict[str, int]] = {}
    for units, policy, held_out, *values in rows:
        share = assignment.parse_share(str(policy))
        named = [f"{column} {value}" for column, value in zip(segments, values, strict=True) if value is not None]
        if 0 < share < 1:
            arms = counts.setdefault((share, named[0] if named else OVERALL), {})
            arm = HELD_OUT if held_out else BY_MODEL
            arms[arm] = arms.get(arm, 0) + int(str(units))
    several = len({share for share, _ in counts}) > 1
    return [
        DealtUnits(
            f"{stratum} at a share of {share:g}" if several else stratum, {HELD_OUT: share, BY_MODEL: 1 - share}, arms
        )
        for (share, stratum), arms in sorted(counts.items())
    ]
