"""The exactness ledger: when a holdout refuted that figures are exact, and who cleared a refutation, and why."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from sixtyforty.storage.hash_chain import EffectiveRow, HashChain


class ExactnessEvent(EffectiveRow):
    """One row of the exactness ledger: a refutation, or a person's decision to clear it."""

    event: Literal["refuted", "cleared"] = Field(
        description="refuted: a holdout showed that the action changes the outcome. cleared: a person set the"
        " refutation aside. Only decisions from `effective_from` on are tested then."
    )
    declaration: str = Field(description="Hash of the declared outcome and actions that the event is about.")
    why: str = Field(description="What the holdout showed, or the person's reason.")


class ExactnessLedger(HashChain[ExactnessEvent]):
    """The ledger `exactness.jsonl` of one use case."""

    row_type = ExactnessEvent

    def newest(self, declaration: str) -> ExactnessEvent | None:
        """Return the newest event about a declaration; None if there is none."""
        return next((row for row in reversed(self.rows()) if row.declaration == declaration), None)

    def refutation(self, declaration: str) -> ExactnessEvent | None:
        """Return the refutation of a declaration that stands: no person has cleared it. None if there is none."""
        newest = self.newest(declaration)
        return newest if newest and newest.event == "refuted" else None

    def cleared_at(self, declaration: str) -> datetime | None:
        """Return when a person last cleared a refutation of a declaration (UTC, naive); None if nobody has."""
        cleared = [row for row in self.rows() if row.declaration == declaration and row.event == "cleared"]
        return datetime.fromisoformat(cleared[-1].effective_from) if cleared else None

    def record(self, event: ExactnessEvent) -> ExactnessEvent:
        """Append an event, unless the newest event about its declaration is of the same kind. Return the row."""

        def find_repeated(rows: list[ExactnessEvent]) -> ExactnessEvent | None:
            about = [row for row in rows if row.declaration == event.declaration]
            return about[-1] if about and about[-1].event == event.event else None

        return self.append_row(event, find_repeated)


def describe_standing(ledger: ExactnessLedger, declaration: str, use_case: str) -> str | None:
    """Return in sentences why figures aren't exact, if a refutation stands; None if none does."""
    row = ledger.refutation(declaration)
    if row is None:
        return None
    return (
        f"{row.why} This was recorded on {row.effective_from[:10]}, and stands until the declared outcome or actions"
        f" change, or a person clears it: sixtyforty exactness {use_case} --clear --why '…'."
    )
