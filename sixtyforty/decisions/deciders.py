"""Count who took the decisions of a track: the model, or the current process, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.decisions_index import HELD_OUT_REASONS, NO_MODEL_YET, decisions_index
from sixtyforty.spec.track import Track
from sixtyforty.spec.wording import format_plural
from sixtyforty.workspace import Workspace

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

    until: the last partition to count; None counts all. The counts come from an index, which reads the rows of a
    partition once.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = decisions_index(ws, decisions_dataset(track)).table()
    if until is not None:
        rows = rows.filter(pc.less_equal(rows["_partition"], until))
    reasons, numbers = (rows[name].combine_chunks().flatten() for name in ("reasons", "reason_counts"))
    sums = pa.table({"reason": reasons, "number": numbers}).group_by("reason").aggregate([("number", "sum")])
    in_order = sorted(zip(*(column.to_pylist() for column in sums.columns), strict=True), key=lambda p: (-p[1], p[0]))
    return DeciderCounts(pc.sum(rows["model"]).as_py() or 0, dict(in_order))
