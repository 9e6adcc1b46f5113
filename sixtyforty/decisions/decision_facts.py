"""The facts of a manifest of decisions: the counts by decider, and the versions that took the decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sixtyforty.storage.manifests import Entry

UNKNOWN = "unknown"  # the version of a declaration that a manifest doesn't name
OCCASIONAL = ("review", "holdout", "shadow")  # a manifest counts these deciders only if they took a decision


@dataclass(frozen=True)
class DecisionFacts:
    """The number of a partition's decisions by `decided_by` (see `decision_table`), and who took them.

    - declared_versions: the versions of the declarations that they were taken by, sorted.
    - champions: the versions of the champions in their rows, sorted.
    """

    model: int = 0
    current_process: int = 0
    fallback: int = 0
    review: int = 0
    holdout: int = 0
    shadow: int = 0
    declared_versions: Sequence[str] = (UNKNOWN,)
    champions: Sequence[str] = ()

    @classmethod
    def from_entry(cls, entry: Entry) -> DecisionFacts:
        """Read the facts from a manifest."""
        return cls(**entry.facts)

    def to_facts(self) -> dict[str, Any]:
        """Return the facts as a manifest stores them."""
        return {name: fact for name, fact in asdict(self).items() if fact or name not in OCCASIONAL}

    @property
    def held_out(self) -> int:
        """The number of decisions in the holdout or in shadow."""
        return self.holdout + self.shadow
