"""The verdict of validation on one partition: whether the partition is accepted, its row counts, and rule results."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sixtyforty.storage.files import digest
from sixtyforty.storage.manifests import Entry


@dataclass(frozen=True)
class RuleResult:
    """The result of one rule on one partition.

    - failed: the number of rows that broke the rule.
    - of: the number of rows that were checked.
    - observed: the figure that was checked, for a rule about the whole partition. Such a rule has no row counts.
    - expected: what the rule requires, in words.
    - sample_rows: the row numbers of the first rows that broke the rule.
    """

    rule: str
    column: str
    severity: str
    passed: bool
    failed: int = 0
    of: int = 0
    observed: Any = None
    expected: str = ""
    sample_rows: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Verdict:
    """The verdict of validation on one partition.

    Each landed row is in one of four counts: `accepted_rows`, `quarantined`, `duplicates` and `superseded`. Their sum
    must equal `landed`.
    """

    source: str
    partition: str
    accepted: bool
    landed: int
    accepted_rows: int
    quarantined: int
    duplicates: int
    superseded: int
    reasons: list[str]
    rules: list[RuleResult]
    closed: bool = True  # whether the partition was complete when it was validated

    @property
    def id(self) -> str:
        """The hash of all fields of the verdict."""
        return digest(self.to_dict())

    @property
    def conserved(self) -> bool:
        """Whether no row was lost: accepted, quarantined, duplicate and superseded rows add up to the landed rows."""
        return self.landed == self.accepted_rows + self.quarantined + self.duplicates + self.superseded

    @property
    def warnings(self) -> list[RuleResult]:
        """The results of the rules that failed and have the severity `warning`."""
        return [rule for rule in self.rules if not rule.passed and rule.severity == "warning"]

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as a dict of JSON types. The manifest stores it in this form."""
        return {**self.__dict__, "rules": [dict(rule.__dict__) for rule in self.rules]}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Verdict:
        """Create a verdict from the dict that `to_dict` returned."""
        return cls(**{**content, "rules": [RuleResult(**rule) for rule in content["rules"]]})


def verdict_facts(verdict: Verdict) -> dict[str, Any]:
    """Return the facts about a verdict that a partition's manifest stores: the verdict as a dict, and its id."""
    return {"verdict": verdict.to_dict(), "verdict_id": verdict.id}


def read_verdict(entry: Entry) -> Verdict:
    """Return the verdict in a partition's manifest. If only its acceptance matters, use the faster `is_accepted`."""
    return Verdict.from_dict(entry.facts["verdict"])


def verdict_id(entry: Entry) -> str:
    """Return the id of the verdict in a partition's manifest."""
    return str(entry.facts["verdict_id"])


def is_accepted(entry: Entry) -> bool:
    """Return whether a partition is accepted, according to the verdict in its manifest."""
    return bool(entry.facts["verdict"]["accepted"])


def was_complete(entry: Entry) -> bool:
    """Return whether a partition was complete when it was validated, according to the verdict in its manifest."""
    return bool(entry.facts["verdict"].get("closed", True))
