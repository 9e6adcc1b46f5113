"""Compare the declared shares of a past experiment with the actions that its units received."""

from __future__ import annotations

from collections.abc import Iterable

from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.storage.bounded_cache import BoundedCache
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.files import digest
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.manifests import versions_by_partition
from sixtyforty.storage.sql import identifier, identifiers
from sixtyforty.value.segments import NOT_RECORDED
from sixtyforty.value.share_test import OVERALL, DealtUnits, describe_mismatches, find_mismatches

_counted: BoundedCache[str, list[DealtUnits]] = BoundedCache(100)


def describe_share_mismatch(use_case: DecisionChain, lake: Lake, partitions: Iterable[str] | None = None) -> str | None:
    """Return how the received actions differ from the declared shares, among some partitions or all.

    None: they agree, or no past experiment is declared.
    """
    if use_case.kpi.treatment is None:
        return None
    mismatches = find_mismatches(count_received(use_case, lake, partitions))
    return describe_mismatches(mismatches, "kpi.treatment.shares") if mismatches else None


def count_received(use_case: DecisionChain, lake: Lake, partitions: Iterable[str] | None = None) -> list[DealtUnits]:
    """Return the units with a known outcome by the action that they received: overall, and for each segment.

    A unit may return in several partitions. If no unit ever received two different actions, each was dealt once, and
    counts once. Otherwise it was dealt again each time, and counts each time.
    """
    outcomes = lake.entries("outcomes", partitions)
    segments = use_case.kpi.segments
    features = lake.entries("features", list(outcomes)) if segments else {}
    if not outcomes or use_case.kpi.treatment is None:
        return []
    versions = versions_by_partition(outcomes), versions_by_partition(features)
    cache_key = digest([use_case.name, str(lake.root), use_case.kpi.treatment.model_dump(), segments, versions])
    counted = _counted.get(cache_key)
    if counted is None:
        rows = lake.select_rows(outcomes.values())
        counted = _count_rows(use_case, rows, lake.select_rows(features.values()) if features else None)
        _counted.put(cache_key, counted)
    return counted


def _count_rows(use_case: DecisionChain, outcomes: str, features: str | None) -> list[DealtUnits]:
    kpi, key = use_case.kpi, use_case.decision.key
    assert kpi.treatment
    outside_key = [column for column in kpi.segments if column not in key]
    join = ""
    if features and outside_key:
        join = (
            f"left join (select _partition, {identifiers(key)}, {identifiers(outside_key)} from {features})"
            f" using (_partition, {identifiers(key)})"
        )
    texts = "".join(
        f", coalesce({identifier(column)}::varchar, '{NOT_RECORDED}') as _segment{i}"
        for i, column in enumerate(kpi.segments)
    )
    received = identifier(kpi.treatment.column)
    sets = ", ".join(["(action)", *(f"(action, _segment{i})" for i in range(len(kpi.segments)))])
    columns = "".join(f", _segment{i}" for i in range(len(kpi.segments)))
    unit = f"({', '.join(f'unit.{identifier(column)}' for column in key)})"
    with connect(use_case.timezone) as db:
        db.execute(
            f"""create temp table unit as select {identifiers(key)}, {received}::varchar as action{texts}
            from {outcomes} {join} where {received} is not null and {identifier(kpi.outcome)} is not null"""
        )
        times = db.execute(
            f"select max(n) from (select count(distinct action) as n from unit group by {identifiers(key)})"
        ).fetchone()
        count = f"count(distinct {unit})" if times and times[0] == 1 else "count(*)"
        groups = db.execute(f"select {count}, action{columns} from unit group by grouping sets ({sets})").fetchall()
    strata: dict[str, dict[str, int]] = {}
    for units, action, *names in groups:
        named = [f"{column} {name}" for column, name in zip(kpi.segments, names, strict=True) if name is not None]
        strata.setdefault(named[0] if named else OVERALL, {})[action] = units
    return [DealtUnits(stratum, kpi.treatment.shares, seen) for stratum, seen in sorted(strata.items())]
