"""Count the decisions that the current process took as fallback, by hour and reason, for the log of a run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.stored_tables import Rows, portions

DECIDES = ": the current process decides"


@dataclass(frozen=True)
class FallbackBatch:
    """Decisions of one hour that the current process took for one reason. `hour`: its start (UTC, naive)."""

    hour: datetime
    reason: str
    decisions: int

    @property
    def text(self) -> str:
        """The batch as the end of a log line."""
        count = format_plural(self.decisions, "decision")
        return f"{count} due in the hour from {self.hour:%Y-%m-%d %H:%M} UTC, because {self.reason}"


def count_fallback(decisions: Rows) -> list[FallbackBatch]:
    """Return the batches of fallback decisions, sorted by hour. decisions: a table of decisions."""
    counts = Counter[tuple[datetime, str]]()
    for portion in portions(decisions):
        for time, decider, reason in zip(
            *(portion[name].to_pylist() for name in ("decided_at", "decided_by", "reason")), strict=True
        ):
            if decider == "fallback":
                counts[time.replace(minute=0, second=0, microsecond=0), reason.removesuffix(DECIDES)] += 1
    return [FallbackBatch(hour, reason, count) for (hour, reason), count in sorted(counts.items())]
