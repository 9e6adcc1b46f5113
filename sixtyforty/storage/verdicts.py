"""The verdict of the data rules on one partition: its rows, its rules, and the reasons."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sixtyforty.storage.files import digest


@dataclass(frozen=True)
class RuleResult:
    """The outcome of one rule on one partition.

    `failed` of `of` rows broke the rule. A rule about the whole partition has `observed` instead.
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
    """What validation decided about one partition. Always `landed` = `accepted_rows` + `quarantined` + `duplicates`
    + `superseded`.
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
        """Hash of the whole verdict."""
        return digest(self.to_dict())

    @property
    def conserved(self) -> bool:
        """Whether every landed row is accounted for."""
        return self.landed == self.accepted_rows + self.quarantined + self.duplicates + self.superseded

    @property
    def warnings(self) -> list[RuleResult]:
        """The rules of severity `warning` that failed."""
        return [rule for rule in self.rules if not rule.passed and rule.severity == "warning"]

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as the manifest holds it."""
        return {**self.__dict__, "rules": [dict(rule.__dict__) for rule in self.rules]}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Verdict:
        """Create a verdict from `to_dict`."""
        return cls(**{**content, "rules": [RuleResult(**rule) for rule in content["rules"]]})
