"""Compare the declared shares or propensities of a past experiment with the actions that its units received."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.bounded_cache import BoundedCache
from sixtyforty.storage.files import digest
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.manifests import versions_by_partition
from sixtyforty.storage.sql import identifier, identifiers
from sixtyforty.value.propensity_test import ActionWeights, WeighedUnits, describe_uncalibrated
from sixtyforty.value.share_test import OVERALL, DealtUnits, describe_mismatches, find_mismatches

if TYPE_CHECKING:
    import duckdb

_counted: BoundedCache[str, list[DealtUnits]] = BoundedCache(100)
_weighed: BoundedCache[str, tuple[list[WeighedUnits], str | None]] = BoundedCache(100)


def describe_share_mismatch(use_case: DecisionChain, lake: Lake, partitions: Iterable[str] | None = None) -> str | None:
    """Return a text on how the received actions of a past experiment differ from the declared shares or propensities.

    Units without a valid propensity are a difference, too, because leaving them out would select units. Return None if
    the actions agree, or if no past experiment is declared. partitions: the partitions to count; None counts all.
    """
    treatment = use_case.kpi.treatment
    if treatment is None:
        return None
    if treatment.propensity is None:
        mismatches = find_mismatches(count_received(use_case, lake, partitions))
        return describe_mismatches(mismatches, "kpi.treatment.shares") if mismatches else None
    strata, without_propensity = weigh_received(use_case, lake, partitions)
    return without_propensity or describe_uncalibrated(strata, treatment.propensity)


def weigh_received(
    use_case: DecisionChain, lake: Lake, partitions: Iterable[str] | None = None
) -> tuple[list[WeighedUnits], str | None]:
    """Add up 1 / propensity over the units with a known outcome, by the action that they received.

    The strata are those of `count_received`. A unit that received the same action in several partitions counts once
    there, with its first propensity. The second result is a text on the units without a valid propensity; None if all
    have one. A treatment with a propensity must be declared.
    """
    outcomes, treatment = lake.entries("outcomes", partitions), use_case.kpi.treatment
    assert treatment and treatment.propensity
    if not outcomes:
        return [], None
    cache_key = digest([use_case.name, str(lake.root), treatment.model_dump(), versions_by_partition(outcomes)])
    weighed = _weighed.get(cache_key)
    if weighed is None:
        weighed = _weigh_rows(use_case, lake, lake.select_rows(outcomes.values()), treatment.column)
        _weighed.put(cache_key, weighed)
    return weighed


def count_received(use_case: DecisionChain, lake: Lake, partitions: Iterable[str] | None = None) -> list[DealtUnits]:
    """Count the units with a known outcome by the action that they received.

    One stratum covers the whole period. In addition, each month is a stratum.

    A unit may occur in several partitions. If no unit ever received two different actions, each unit was assigned a
    single action, and counts once in a stratum. Otherwise a unit was assigned an action in each partition, and counts
    each time.
    """
    outcomes = lake.entries("outcomes", partitions)
    treatment = use_case.kpi.treatment
    if not outcomes or treatment is None or treatment.shares is None:
        return []
    cache_key = digest([use_case.name, str(lake.root), treatment.model_dump(), versions_by_partition(outcomes)])
    counted = _counted.get(cache_key)
    if counted is None:
        strata = _count_rows(use_case, lake, lake.select_rows(outcomes.values()), identifier(treatment.column))
        counted = [DealtUnits(stratum, treatment.shares, seen) for stratum, seen in strata.items()]
        _counted.put(cache_key, counted)
    return counted


def _count_rows(use_case: DecisionChain, lake: Lake, outcomes: str, received: str) -> dict[str, dict[str, int]]:
    """Return the number of units by the action that they received: OVERALL first, then in each month."""
    key = identifiers(use_case.decision.key)
    with lake.open_session(use_case.timezone) as db:
        _create_units(db, use_case, outcomes, received, "1.0")
        count = f"count(distinct ({key}))" if _was_assigned_once(db, key) else "count(*)"
        rows = db.execute(
            f"""select coalesce(_month, '{OVERALL}') as stratum, _action, {count} from unit
            group by grouping sets ((_action), (_month, _action)) order by _month nulls first, _action"""
        ).fetchall()
    strata: dict[str, dict[str, int]] = {}
    for stratum, action, units in rows:
        strata.setdefault(stratum, {})[action] = units
    return strata


def _weigh_rows(
    use_case: DecisionChain, lake: Lake, outcomes: str, column: str
) -> tuple[list[WeighedUnits], str | None]:
    """Return the results of `weigh_received`. outcomes: SQL of the outcomes. column: the received action."""
    treatment, key = use_case.kpi.treatment, identifiers(use_case.decision.key)
    assert treatment and treatment.propensity
    with lake.open_session(use_case.timezone) as db:
        _create_units(db, use_case, outcomes, identifier(column), identifier(treatment.propensity))
        invalid = db.execute(
            f"""select _partition, concat_ws(', ', {key}), count(*) over () from unit where _propensity is null
            order by _partition, {key} limit 1"""
        ).fetchone()
        overall = by_month = ""
        if _was_assigned_once(db, key):
            overall = f"qualify row_number() over (partition by {key} order by _partition) = 1"
            by_month = f"qualify row_number() over (partition by _month, {key} order by _partition) = 1"
        rows = db.execute(
            f"""with counted as (
                select '{OVERALL}' as stratum, _action, _propensity from unit {overall}
                union all select _month, _action, _propensity from unit {by_month})
            select stratum, _action, count(*), sum(1 / _propensity), sum(1 / _propensity ** 2) from counted
            where _propensity is not null group by all"""
        ).fetchall()
    strata: dict[str, dict[str, ActionWeights]] = {}
    for stratum, action, received, total, squares in sorted(rows, key=lambda row: (row[0] != OVERALL, *row[:2])):
        strata.setdefault(stratum, {})[action] = ActionWeights(received, total, squares)
    weighed = [WeighedUnits(s, sum(a.received for a in actions.values()), actions) for s, actions in strata.items()]
    return weighed, _describe_invalid(treatment.propensity, *invalid) if invalid else None


def _create_units(
    db: duckdb.DuckDBPyConnection, use_case: DecisionChain, outcomes: str, received: str, propensity: str
) -> None:
    """Create the table `unit` of the units in a past experiment with a known outcome. propensity: SQL of a number."""
    db.execute(
        f"""create temp table unit as select _partition, {identifiers(use_case.decision.key)},
            {received}::varchar as _action, {propensity} as _propensity, left(_partition, 7) as _month from {outcomes}
        where {received} is not null and {identifier(use_case.kpi.outcome)} is not null"""
    )


def _was_assigned_once(db: duckdb.DuckDBPyConnection, key: str) -> bool:
    """Return whether no unit ever received two different actions."""
    most = db.execute(f"select max(n) from (select count(distinct _action) as n from unit group by {key})").fetchone()
    return bool(most and most[0] == 1)


def _describe_invalid(column: str, partition: str, unit: str, count: int) -> str:
    """Return a text on the units without a valid propensity. partition, unit: those of the first one."""
    units = format_plural(count, "unit")
    return (
        f"{units} of the experiment {'has' if count == 1 else 'have'} no valid propensity in '{column}'"
        f" (kpi.treatment.propensity). The first is the unit {unit} in the partition {partition}. Return a number above"
        " 0 and at most 1 for each unit that received an action, or null as the action of units outside the experiment."
    )
