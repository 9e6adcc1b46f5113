"""Count who took the decisions of a track: the model, or the current process, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sixtyforty.decisions.decision_draft import NO_CHAMPION_REASON
from sixtyforty.decisions.decision_facts import DecisionFacts
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.spec.track import Track
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.manifests import Entry
from sixtyforty.workspace import Workspace

HELD_OUT_REASONS = {
    "holdout": "held out for comparison",
    "shadow": "shadow: the model's decision isn't used",
    "review": "deferred to a reviewer",
}
WITH_REASONS = {"fallback": "fallback: ", "current_process": ""}  # by decider: the prefix of the reason
COMMON_ENDING = ": the current process decides"
NO_MODEL_YET = "no model had been promoted yet"  # how a count of the past words it
SHOWN_REASONS = 5


@dataclass(frozen=True)
class DeciderCounts:
    """The number of decisions of the model, and those of the current process by reason, the most common first."""

    model: int
    current_process: Mapping[str, int]

    @property
    def unscored(self) -> int:
        """Number of decisions that the current process took although there was a model, and not for a comparison."""
        planned = (NO_MODEL_YET, *HELD_OUT_REASONS.values())
        return sum(count for reason, count in self.current_process.items() if reason not in planned)

    @property
    def decisions(self) -> int:
        """Number of all decisions."""
        return self.model + sum(self.current_process.values())

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers of decisions by decider, and by the current process's reasons, for JSON."""
        return {
            "decisions": self.decisions,
            "model": self.model,
            "current_process": sum(self.current_process.values()),
            "reasons": dict(self.current_process),
        }

    def describe(self) -> str:
        """Return one or two sentences that say how many decisions the model and the current process took."""
        if not self.decisions:
            return "No decision has been taken yet."
        taken = f"The model took {self.model:,} of {format_plural(self.decisions, 'decision')}."
        if not self.current_process:
            return taken
        taken += f" The current process took {self.decisions - self.model:,}"
        reasons = list(self.current_process.items())
        if len(reasons) == 1:
            return f"{taken} ({reasons[0][0]})."
        listed = [f"{count:,} ({reason})" for reason, count in reasons[:SHOWN_REASONS]]
        if others := sum(count for _, count in reasons[SHOWN_REASONS:]):
            listed.append(f"{others:,} (other reasons)")
        return f"{taken}: {', '.join(listed)}."


def count_deciders(ws: Workspace, track: Track, until: str | None = None) -> DeciderCounts:
    """Count the decisions of a track by who took them. Decisions without a known outcome count too.

    until: the last partition to count; None counts all. The counts come from manifests. Rows are read only in
    partitions with fallbacks or without a champion, because the reasons are in the rows.
    """
    entries = ws.lake.entries(decisions_dataset(track))
    entries = {partition: entry for partition, entry in entries.items() if until is None or partition <= until}
    facts_by_partition = {partition: DecisionFacts.from_entry(entry) for partition, entry in entries.items()}
    counts: Counter[str] = Counter()
    for facts in facts_by_partition.values():
        counts.update({reason: getattr(facts, kind) for kind, reason in HELD_OUT_REASONS.items()})
    unexplained = {p: entries[p] for p, facts in facts_by_partition.items() if facts.fallback or facts.current_process}
    counts.update(_count_reasons(ws, unexplained))
    in_order = sorted(((reason, count) for reason, count in counts.items() if count), key=lambda p: (-p[1], p[0]))
    return DeciderCounts(sum(facts.model for facts in facts_by_partition.values()), dict(in_order))


def _count_reasons(ws: Workspace, entries: Mapping[str, Entry]) -> Counter[str]:
    if not entries:
        return Counter()
    with ws.lake.open_session(ws.use_case.timezone) as db:
        rows = db.execute(
            f"""select decided_by, reason, count(*) from {ws.lake.select_rows(entries.values())}
            where decided_by in ('fallback', 'current_process') group by all"""
        ).fetchall()
    counts: Counter[str] = Counter()
    for decided_by, reason, count in rows:
        cause = NO_MODEL_YET if reason == NO_CHAMPION_REASON else str(reason).removesuffix(COMMON_ENDING)
        counts[WITH_REASONS[decided_by] + cause] += count
    return counts
