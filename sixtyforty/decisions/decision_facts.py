"""Define the facts in a manifest of decisions: counts by decider, and the declarations and champions that decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sixtyforty.storage.manifests import Entry

UNKNOWN = "unknown"  # stands for the version of the declaration if a manifest of decisions names none
OCCASIONAL = ("review", "holdout", "shadow", "unscored")  # facts that a manifest may lack


@dataclass(frozen=True)
class UnscoredDecisions:
    """Decisions of a partition that the champion in force couldn't take, and why.

    `is_newest`: whether the newest decisions of the partition are among them.
    """

    champion: str
    reason: str
    decisions: int
    is_newest: bool


@dataclass(frozen=True)
class DecisionFacts:
    """The facts in the manifest of a partition's decisions.

    Six fields count the decisions by `decided_by` (see `decision_table`). The other fields are:

    - declared_versions: the versions of the declarations under which the decisions were taken, sorted.
    - champions: the versions of the champions that are named in the decisions, sorted.
    - unscored: the decisions that a champion couldn't take; they are among those of `fallback`.
    """

    model: int = 0
    current_process: int = 0
    fallback: int = 0
    review: int = 0
    holdout: int = 0
    shadow: int = 0
    declared_versions: Sequence[str] = (UNKNOWN,)
    champions: Sequence[str] = ()
    unscored: Sequence[UnscoredDecisions] = ()

    @classmethod
    def from_entry(cls, entry: Entry) -> DecisionFacts:
        """Read the facts from a manifest of decisions."""
        facts = cls(**entry.facts)
        unscored = tuple(UnscoredDecisions(**fields) for fields in entry.facts.get("unscored", ()))
        return replace(facts, unscored=unscored)

    def to_facts(self) -> dict[str, Any]:
        """Return the facts as a manifest of decisions stores them."""
        return {name: fact for name, fact in asdict(self).items() if fact or name not in OCCASIONAL}

    @property
    def held_out(self) -> int:
        """The number of decisions in the holdout or in shadow."""
        return self.holdout + self.shadow
