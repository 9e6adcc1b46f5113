"""Define the facts in a manifest of decisions: counts by decider, and the declarations and champions that decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sixtyforty.storage.manifests import Entry

UNKNOWN = "unknown"  # replaces the declaration's version if a manifest of decisions names no version
OCCASIONAL = ("review", "holdout", "shadow")  # a manifest counts these values of `decided_by` only if they occur


@dataclass(frozen=True)
class DecisionFacts:
    """The facts in the manifest of a partition's decisions.

    Six fields count the decisions by `decided_by` (see `decision_table`). The other two fields are:

    - declared_versions: the versions of the declarations under which the decisions were taken, sorted.
    - champions: the versions of the champions that are named in the decisions, sorted.
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
        """Read the facts from a manifest of decisions."""
        return cls(**entry.facts)

    def to_facts(self) -> dict[str, Any]:
        """Return the facts as a manifest of decisions stores them."""
        return {name: fact for name, fact in asdict(self).items() if fact or name not in OCCASIONAL}

    @property
    def held_out(self) -> int:
        """The number of decisions in the holdout or in shadow."""
        return self.holdout + self.shadow
