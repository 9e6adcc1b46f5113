"""Account for every unit of a partition, from its accepted row to its line in the accounts.

| count | where | must equal |
|---|---|---|
| accepted units | rows of `validated/<unit source>` | units with features |
| features | rows of `features` | units with an outcome, known or unknown |
| due | units whose decision time has passed, in the scope of the stage | units with a decision |
| decisions | rows of the track's decisions | lines in the accounts: known, unknown and held back |

A decision is never taken back. So a decision whose unit was corrected away stays, and its outcome is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import get_args

from sixtyforty.accounting.experiment_ledger import ExperimentAccount
from sixtyforty.accounting.kpi_ledger import kpi_dataset, read_account
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.due_decisions import count_due, first_due_partition, live_since, partitions_to_decide
from sixtyforty.spec.track import Track
from sixtyforty.spec.wording import format_plural, join_first
from sixtyforty.storage.manifests import Entry
from sixtyforty.workspace import Workspace

SHOWN = 3  # a text names at most this many differences


@dataclass(frozen=True)
class UnitAccount:
    """The number of one partition's units at each chain stage; None if the stage has no rows of this partition.

    - accepted: accepted rows of the unit source; None if the units are not the rows of a partitioned source.
    - features, outcomes, decisions: rows of these datasets.
    - undecided: units that are due and have no decision.
    - lines: decisions in the accounts.
    """

    partition: str
    accepted: int | None
    features: int | None
    outcomes: int | None
    decisions: int | None
    undecided: int
    lines: int | None

    @property
    def differences(self) -> list[str]:
        """One text for each pair of counts that should be equal but differ; empty if every unit is accounted for."""
        texts = []
        if self.accepted is not None and self.accepted != (self.features or 0):
            with_features = format_plural(self.features or 0, "unit")
            texts.append(f"{format_plural(self.accepted, 'accepted unit')}, but features of {with_features}")
        if self.features is not None and self.features != (self.outcomes or 0):
            with_outcome = format_plural(self.outcomes or 0, "unit")
            texts.append(f"features of {format_plural(self.features, 'unit')}, but outcomes of {with_outcome}")
        if self.undecided:
            texts.append(f"no decision on {format_plural(self.undecided, 'unit')} whose decision time has passed")
        if self.decisions is not None and self.decisions != (self.lines or 0):
            lines = format_plural(self.lines or 0, "line")
            texts.append(f"{format_plural(self.decisions, 'decision')}, but {lines} in the accounts")
        return [f"{self.partition}: {text}" for text in texts]


def account_units(ws: Workspace, track: Track, partitions: Sequence[str], now: datetime) -> list[UnitAccount]:
    """Count the units of each partition at each chain stage, in the order of the partitions. now: UTC, naive.

    Partitions without units are left out.
    """
    use_case, lake = ws.use_case, ws.lake
    with_units = use_case.partitions_with_units(partitions)
    unit_source = use_case.decision.unit_source
    accepted: Mapping[str, Entry] = {}
    if unit_source in use_case.partitioned:
        accepted = lake.entries(f"validated/{unit_source}", with_units)
    names = ("features", "outcomes", decisions_dataset(track), kpi_dataset(track))
    features, outcomes, decisions, accounts = (lake.entries(name, with_units) for name in names)
    undecided = count_due(ws, partitions_to_decide(ws, track, with_units), track, now)
    return [
        UnitAccount(
            partition=p,
            accepted=accepted[p].rows if p in accepted else None,
            features=_rows(features.get(p)),
            outcomes=_rows(outcomes.get(p)),
            decisions=_rows(decisions.get(p)),
            undecided=undecided.get(p, 0),
            lines=count_lines(accounts[p]) if p in accounts else None,
        )
        for p in with_units
        if p in accepted or p in features or p in decisions
    ]


def describe_differences(ws: Workspace, now: datetime) -> str:
    """Describe the first units of both tracks that are missing at a chain stage; empty if there are none.

    A text about live decisions starts with `live`. now: UTC, naive.
    """
    differences = [
        f"live {text}" if track == "live" else text
        for track in get_args(Track)
        for account in account_units(ws, track, _list_accountable(ws, track), now)
        for text in account.differences
    ]
    return join_first(differences, SHOWN)


def _list_accountable(ws: Workspace, track: Track) -> list[str]:
    """Return the sorted partitions in which every due unit should have a decision, whether it has one or not.

    These are the partitions with decisions. On the live track, they are also those with units since its start. In a
    replay, they are also those with units between its first and its last decisions.
    """
    decided = ws.lake.partitions(decisions_dataset(track))
    start = live_since(ws, track)
    if start is None or (track == "replay" and not decided):
        return decided
    use_case = ws.use_case
    unit_source = use_case.decision.unit_source
    with_units = {*ws.lake.partitions("features")}
    if unit_source in use_case.partitioned:
        with_units.update(ws.lake.partitions(f"validated/{unit_source}"))
    first = first_due_partition(use_case, start) if track == "live" else decided[0]
    accountable = {p for p in with_units if p >= first and (track == "live" or p <= decided[-1])}
    return sorted(accountable.union(decided))


def count_lines(account: Entry) -> int:
    """Return how many decisions an account covers, including decisions in shadow, held out or without an outcome."""
    counts = read_account(account)
    others = counts.outside_experiment if isinstance(counts, ExperimentAccount) else counts.held_back
    return counts.decisions + counts.unknown + others


def _rows(entry: Entry | None) -> int | None:
    return entry.rows if entry else None
