"""The trace of a decision: everything that it was made from, and what followed. `provenance.py` collects it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sixtyforty.decisions.decision_table import StoredDecision
from sixtyforty.decisions.delivery_table import DeliveredDecision
from sixtyforty.spec.actions import Action

NO_MANIFEST = "the manifest of that version no longer exists"
FEATURES_RESTATED = "the features were restated after the decision; that version's rows are no longer stored"


@dataclass(frozen=True)
class TracedVerdict:
    """Governance's verdict on the features, or on a validated partition that they were built from.

    `rows` and `quarantined`: numbers of rows. `failed_rules`: each failed rule in words.
    """

    id: str
    dataset: str
    partition: str
    accepted: bool
    rows: int
    quarantined: int
    failed_rules: Sequence[str]


@dataclass(frozen=True)
class UnknownVerdict:
    """A verdict on the features that can't be read, because their manifest is no longer stored."""

    dataset: str
    accepted: None = None
    note: str = NO_MANIFEST


@dataclass(frozen=True)
class TracedFile:
    """An input file. `partitions`: those of its rows. `refused`: why it was refused; None if it wasn't."""

    file: str
    sha256: str
    source: str
    partitions: Sequence[str]
    refused: str | None


@dataclass(frozen=True)
class UnknownFiles:
    """A validated partition whose files can't be read, because its manifest is no longer stored."""

    dataset: str
    partition: str
    note: str = NO_MANIFEST


@dataclass(frozen=True)
class TracedChampion:
    """The model in force at the decision.

    `as_of`: the local day at whose start it was trained, in ISO format. `effective_from`: the UTC time from which it
    decides. `why`: the reasons in the row `ledger_row` of the champion ledger. `training_days`: the first and the last.
    `files`: SHA-256 by name.
    """

    version: str
    as_of: str
    effective_from: str
    why: Sequence[str]
    ledger_row: int
    training_data_version: str
    training_rows: int
    training_days: Sequence[str]
    files: Mapping[str, str]


@dataclass(frozen=True)
class TracedPolicy:
    """The version of the policy, and the actions that it chose from."""

    version: str
    actions: Mapping[str, Action]

    def to_dict(self) -> dict[str, Any]:
        """Return the policy for JSON."""
        actions = {name: action.model_dump() for name, action in self.actions.items()}
        return {"version": self.version, "actions": actions}


@dataclass(frozen=True)
class TracedOutcome:
    """The outcome of a decision's unit, and the values of both actions in the KPI's unit.

    `name`: the column of the outcome. `known_at`: UTC time; None if the outcome isn't known yet. A value that can't be
    known of a single decision is None.
    """

    name: str
    outcome: float | None = None
    known_at: datetime | None = None
    value: float | None = None
    value_current_process: float | None = None
    unit: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome for JSON."""
        if self.known_at is None:
            return {self.name: None, "known_at": None}
        return {
            self.name: self.outcome,
            "known_at": self.known_at,
            "value": self.value,
            "value_current_process": self.value_current_process,
            "unit": self.unit,
        }


@dataclass(frozen=True)
class DecisionTrace:
    """A decision and everything that it was made from.

    `features`: the values that the model saw; None if the features were restated and those rows are no longer stored.
    `verdicts`: governance's verdicts on the features, and on each validated partition that they were built from.
    `outcome`: None before the outcomes of the partition are built.
    """

    decision: StoredDecision
    features: Mapping[str, object] | None
    verdicts: Sequence[TracedVerdict | UnknownVerdict]
    inputs: Sequence[TracedFile | UnknownFiles]
    champion: TracedChampion | None
    policy: TracedPolicy
    code_version: str
    delivery: DeliveredDecision | None
    outcome: TracedOutcome | None

    def to_dict(self) -> dict[str, Any]:
        """Return the trace for JSON."""
        return {
            "decision": self.decision.to_dict(),
            "features": {"note": FEATURES_RESTATED} if self.features is None else dict(self.features),
            "verdicts": [asdict(verdict) for verdict in self.verdicts],
            "inputs": [asdict(file) for file in self.inputs],
            "champion": asdict(self.champion) if self.champion else None,
            "policy": self.policy.to_dict(),
            "code_version": self.code_version,
            "delivery": self.delivery.to_dict() if self.delivery else None,
            "outcome": self.outcome.to_dict() if self.outcome else None,
        }
