"""Compare the declared shares of a past experiment with the actions that its units received."""

from __future__ import annotations

from collections.abc import Iterable

from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.storage.bounded_cache import BoundedCache
from sixtyforty.storage.files import digest
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.manifests import versions_by_partition
from sixtyforty.storage.sql import identifier, identifiers
from sixtyforty.value.share_test import OVERALL, DealtUnits, describe_mismatches, find_mismatches

_counted: BoundedCache[str, list[DealtUnits]] = BoundedCache(100)


def describe_share_mismatch(use_case: DecisionChain, lake: Lake, partitions: Iterable[str] | None = None) -> str | None:
    """Return a text on how the received actions of a past experiment differ from the declared shares.

    Return None if the actions agree with the shares, or if no past experiment is declared. partitions: the partitions
    to count; None counts all.
    """
    if use_case.kpi.treatment is None:
        return None
    mismatches = find_mismatches(count_received(use_case, lake, partitions))
    return describe_mismatches(mismatches, "kpi.treatment.shares") if mismatches else None


def count_received(use_case: DecisionChain, lake: Lake, partitions: Iterable[str] | None = None) -> list[DealtUnits]:
    """Count the units with a known outcome by the action that they received.

    One stratum covers the whole period. In addition, each month is a stratum.

    A unit may occur in several partitions. If no unit ever received two different actions, each unit was assigned a
    single action, and counts once in a stratum. Otherwise a unit was assigned an action in each partition, and counts
    each time.
    """
    outcomes = lake.entries("outcomes", partitions)
    treatment = use_case.kpi.treatment
    if not outcomes or treatment is None:
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
        db.execute(
            f"""create temp table unit as
            select {key}, {received}::varchar as _action, left(_partition, 7) as _month from {outcomes}
            where {received} is not null and {identifier(use_case.kpi.outcome)} is not null"""
        )
        actions_of_unit = f"select count(distinct _action) as actions from unit group by {key}"
        most = db.execute(f"select max(actions) from ({actions_of_unit})").fetchone()
        count = f"count(distinct ({key}))" if most and most[0] == 1 else "count(*)"
        rows = db.execute(
            f"""select coalesce(_month, '{OVERALL}') as stratum, _action, {count} from unit
            group by grouping sets ((_action), (_month, _action)) order by _month nulls first, _action"""
        ).fetchall()
    strata: dict[str, dict[str, int]] = {}
    for stratum, action, units in rows:
        strata.setdefault(stratum, {})[action] = units
    return strata
