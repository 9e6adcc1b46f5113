"""Define the trace of a decision: its features, verdicts, input files, champion, policy, delivery and outcome.

`provenance.py` collects the traces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sixtyforty.decisions.answers_in_force import JudgedAnswer
from sixtyforty.decisions.decision_table import StoredDecision
from sixtyforty.decisions.delivery_table import DeliveredDecision
from sixtyforty.spec.actions import Action

NO_MANIFEST = "the manifest of the version that the decision used is no longer stored"
FEATURES_RESTATED = "the features were restated after the decision; those that it used are no longer stored"


@dataclass(frozen=True)
class TracedVerdict:
    """Governance's verdict on a decision's features, or on a validated partition from which the features were built.

    `rows`: the number of accepted rows. `quarantined`: the number of quarantined rows. `failed_rules`: a text for each
    rule that failed.
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
    """Stands for the verdict on a decision's features if the manifest with the verdict is no longer stored."""

    dataset: str
    accepted: None = None
    note: str = NO_MANIFEST


@dataclass(frozen=True)
class TracedFile:
    """An input file of a decision. `partitions`: the partitions of the file's rows.

    `refused`: why the file was refused; None for an accepted file.
    """

    file: str
    sha256: str
    source: str
    partitions: Sequence[str]
    refused: str | None


@dataclass(frozen=True)
class UnknownFiles:
    """Stands for the input files of a validated partition whose manifest is no longer stored."""

    dataset: str
    partition: str
    note: str = NO_MANIFEST


@dataclass(frozen=True)
class TracedChampion:
    """The champion in force at a decision.

    `as_of`: the local day at whose start the model was trained, in ISO format. `effective_from`: the UTC time from
    which the model decides. `ledger_row`: the number of the champion's row in the champion ledger. `why`: the reasons
    in that row. `training_days`: the first and the last partition of the training set. `files`: SHA-256 by file name.
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
    """The policy of a decision: its version, and the declared actions from which it chose."""

    version: str
    actions: Mapping[str, Action]

    def to_dict(self) -> dict[str, Any]:
        """Return the policy for JSON."""
        actions = {name: action.model_dump() for name, action in self.actions.items()}
        return {"version": self.version, "actions": actions}


@dataclass(frozen=True)
class TracedOutcome:
    """The outcome of a decision's unit, and the values of the decided action and of the current process's action.

    `name`: the column of the outcome. `known_at`: UTC time; None if the outcome isn't known yet. The values are in the
    currency `unit`. `value_done` is the value of the action that a person took instead; None without an override in
    force. A value that can't be known for a single decision is None.
    """

    name: str
    outcome: float | None = None
    known_at: datetime | None = None
    value: float | None = None
    value_current_process: float | None = None
    value_done: float | None = None
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
            **({} if self.value_done is None else {"value_done": self.value_done}),
            "unit": self.unit,
        }


@dataclass(frozen=True)
class DecisionTrace:
    """A decision with everything from which it was made, its delivery and its outcome.

    `answer`: the last answer of a person that counts, with its effect, and the action in force; None without an answer.
    `features`: the features on which the decision was taken; None if these features are no longer stored.
    `verdicts`: governance's verdicts on the features, and on each validated partition from which they were built.
    `inputs`: the input files. `champion`: None if no champion was in force. `delivery`: None if the decision wasn't
    delivered. `outcome`: None until the outcomes of the partition are built.
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
    answer: JudgedAnswer | None

    def to_dict(self) -> dict[str, Any]:
        """Return the trace of the decision for JSON."""
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
            "answer": asdict(self.answer) if self.answer else None,
        }
