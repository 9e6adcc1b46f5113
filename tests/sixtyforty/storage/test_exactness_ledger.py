"""The exactness ledger: a refutation stands until a person clears it or the declaration changes."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

from sixtyforty.storage.exactness_ledger import ExactnessEvent, ExactnessLedger, describe_standing


def event(kind: Literal["refuted", "cleared"], declaration: str = "a", day: int = 1) -> ExactnessEvent:
    return ExactnessEvent(
        event=kind, declaration=declaration, by="ann", why=f"{kind}.", effective_from=f"2013-05-{day:02}T00:00:00"
    )


def test_a_refutation_stands_until_it_is_cleared(tmp_path: Path) -> None:
    ledger = ExactnessLedger(tmp_path / "exactness.jsonl")
    assert (ledger.refutation("a"), ledger.cleared_at("a"), describe_standing(ledger, "a", "calls")) == (None,) * 3
    row = ledger.record(event("refuted"))
    assert ledger.record(event("refuted", day=2)) == row == ledger.refutation("a")
    text = describe_standing(ledger, "a", "calls")
    assert text is not None and text.startswith("refuted. This was recorded on 2013-05-01")
    assert "sixtyforty exactness calls --clear" in text
    assert ledger.refutation("b") is None, "another declaration"
    ledger.record(event("cleared", day=3))
    assert (ledger.refutation("a"), ledger.cleared_at("a")) == (None, datetime(2013, 5, 3))
    assert ledger.record(event("refuted", day=4)).seq == 3
    assert ledger.refutation("a") is not None
