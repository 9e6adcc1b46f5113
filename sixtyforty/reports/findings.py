"""Findings: what a person learned about a use case and the next person should know.

They are rows of a ledger of their own (`findings.jsonl`), a hash chain. No finding is ever changed or removed.
"""

from __future__ import annotations

from pydantic import Field

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.hash_chain import ChainedRow, HashChain
from sixtyforty.workspace import Workspace

MAX_TITLE = 80  # characters taken from the text where no title is given


class FindingError(SixtyfortyError):
    """A finding can't be recorded."""


class Finding(ChainedRow):
    """One finding; `by` is the person who recorded it."""

    title: str = Field(description="What the finding is about, in one line.")
    text: str = Field(description="What the person learned.")


class Findings(HashChain[Finding]):
    """The findings of one use case."""

    row_type = Finding


def open_findings(ws: Workspace) -> Findings:
    """Return the findings of a use case."""
    return Findings(ws.champion_ledger.path.with_name("findings.jsonl"))


def add_finding(ws: Workspace, by: str, text: str, title: str = "") -> Finding:
    """Record a finding and return it. Without a title, its first line becomes the title.

    The same text from the same person is recorded once. Raises FindingError without a text or a name.
    """
    body, author = text.strip(), by.strip()
    if not body:
        raise FindingError("The finding has no text. Write what you learned with --text.")
    if not author:
        raise FindingError("The finding has no author. Give a name that others can ask, with --by.")
    heading = " ".join(title.split()) or body.splitlines()[0][:MAX_TITLE]
    content = (author, heading, body)

    def find_repeated(rows: list[Finding]) -> Finding | None:
        return next((row for row in rows if (row.by, row.title, row.text) == content), None)

    return open_findings(ws).append_row({"by": author, "title": heading, "text": body}, find_repeated)
