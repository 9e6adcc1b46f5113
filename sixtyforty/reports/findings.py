"""Findings: what a person learned about a use case and the next one should know. Kept for ever, none is changed.

A ledger of its own beside the champions': each row chained to the one before.
"""

from __future__ import annotations

from pydantic import Field

from sixtyforty.storage.champion_ledger import Chain, Chained
from sixtyforty.workspace import Workspace


class FindingError(ValueError):
    """What was said can't be kept, and why."""


class Finding(Chained):
    """What somebody found, in their own words; `by` is who."""

    title: str = Field(description="What it is about, in a line.")
    text: str = Field(description="What was found.")


class Findings(Chain[Finding]):
    """`findings.jsonl` of one use case."""

    kind = Finding


def findings(ws: Workspace) -> Findings:
    """Those of a use case."""
    return Findings(ws.ledger.path.with_name("findings.jsonl"))


def add(ws: Workspace, by: str, text: str, title: str = "") -> Finding:
    """Keeps a finding; without a title its first line is one. The same words of the same person are kept once."""
    said, who = text.strip(), by.strip()
    if not said or not who:
        raise FindingError("a finding needs a text, and a name to ask back")
    heading = " ".join(title.split()) or said.splitlines()[0][:80]
    fields = {"by": who, "title": heading, "text": said}
    return findings(ws).add(
        fields, lambda rows: next((r for r in rows if (r.by, r.title, r.text) == (who, heading, said)), None)
    )
