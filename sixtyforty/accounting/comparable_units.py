"""Select the units on which both the model and a vendor could decide, and value only these units.

Without a champion in force, the model couldn't decide on a unit. A unit without a champion would count with no gain for
the model, but with the full gain for a vendor. Decisions in shadow or held out are in no account (see `kpi_ledger`).
"""

from __future__ import annotations

from collections.abc import Sequence

from sixtyforty.accounting import experiment_ledger, kpi_ledger
from sixtyforty.decisions.decision_facts import DecisionFacts
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.spec.track import Track
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.workspace import Workspace


def read_comparable_values(ws: Workspace, track: Track) -> Sequence[DailyValue]:
    """Return the value of each partition, summed over the units on which the model could decide, sorted by partition.

    Only units with a known outcome count. A partition without such a unit is left out. If a champion was in force for
    all units of a partition, the partition's value is read from the KPI ledger. Otherwise the value is computed from
    the decisions.
    """
    daily_values = kpi_ledger.read_daily_values(ws, track)
    if ws.use_case.is_randomized(track):
        return daily_values
    decided = ws.lake.entries(decisions_dataset(track), [d.partition for d in daily_values])
    facts_by_partition = {partition: DecisionFacts.from_entry(entry) for partition, entry in decided.items()}
    without_champion = {p: facts for p, facts in facts_by_partition.items() if facts.current_process}
    mixed = [p for p, facts in without_champion.items() if facts.model + facts.review + facts.fallback]
    revalued = kpi_ledger.value_units_with_champion(ws, mixed, track)
    return [
        revalued.get(daily_value.partition, daily_value)
        for daily_value in daily_values
        if daily_value.partition not in without_champion or daily_value.partition in revalued
    ]


def count_units(ws: Workspace, track: Track) -> dict[str, int]:
    """Return the number of decided units with a known outcome in each partition, units in shadow or held out included.

    Partitions without such a unit are left out. The partitions are sorted.
    """
    counts: dict[str, int] = {}
    for partition, entry in sorted(ws.lake.entries(kpi_ledger.kpi_dataset(track)).items()):
        account = kpi_ledger.read_account(entry)
        if isinstance(account, experiment_ledger.ExperimentAccount):
            counts[partition] = account.decisions + account.outside_experiment
        else:
            counts[partition] = account.decisions + account.held_back
    return {partition: count for partition, count in counts.items() if count}
