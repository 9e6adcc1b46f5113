"""Governance's verdict on one partition: what it saw, what it kept, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sixtyforty.storage.lake import digest


@dataclass(frozen=True)
class RuleResult:
    """One rule on one partition. `failed` of `of` rows (or the one observed figure) broke it."""

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
    """`landed` = `accepted_rows` + `quarantined` + `duplicates` + `superseded`, always."""

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
    closed: bool = True  # judged as complete; else as far as it had come

    @property
    def id(self) -> str:
        """Hash of all it says."""
        return digest(self.to_dict())

    @property
    def conserved(self) -> bool:
        """Nothing vanished."""
        return self.landed == self.accepted_rows + self.quarantined + self.duplicates + self.superseded

    @property
    def warnings(self) -> list[RuleResult]:
        """The rules that failed without stopping anything."""
        return [r for r in self.rules if not r.passed and r.severity == "warning"]

    def to_dict(self) -> dict[str, Any]:
        """As kept in the manifest."""
        return {**self.__dict__, "rules": [dict(r.__dict__) for r in self.rules]}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Verdict:
        """The inverse of `to_dict`."""
        return cls(**{**data, "rules": [RuleResult(**r) for r in data["rules"]]})
