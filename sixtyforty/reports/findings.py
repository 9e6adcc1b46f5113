"""Findings: what a person learned about a use case, recorded for the people who work on it later.

The findings of a use case are rows of its hash-chained ledger `findings.jsonl`. No finding is ever changed or removed.
"""

from __future__ import annotations

from pydantic import Field

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.hash_chain import ChainedRow, HashChain
from sixtyforty.workspace import Workspace

MAX_TITLE = 80  # characters; a longer first line is cut when it becomes the title


class FindingError(SixtyfortyError):
    """A finding can't be recorded."""


class Finding(ChainedRow):
    """A row of the findings ledger. `by`: the person who recorded the finding."""

    title: str = Field(description="What the finding is about, in one line.")
    text: str = Field(description="What the person learned.")


class Findings(HashChain[Finding]):
    """The ledger `findings.jsonl` of one use case: what people learned about it."""

    row_type = Finding


def open_findings(ws: Workspace) -> Findings:
    """Return the ledger of a use case's findings."""
    return ws.open_ledger(Findings, "findings.jsonl")


def add_finding(ws: Workspace, by: str, text: str, title: str = "") -> Finding:
    """Record a finding and return it. Without a title, the first line of the text becomes the title.

    by: the name of the person. If this person has already recorded the same text and title, nothing is recorded, and
    the function returns the earlier finding. Raises FindingError if the text or the name is empty.
    """
    body, author = text.strip(), by.strip()
    if not body:
        raise FindingError("The finding has no text. Write what you learned with --text.")
    if not author:
        raise FindingError("The finding has no author. With --by, name a person who can answer questions about it.")
    heading = " ".join(title.split()) or body.splitlines()[0][:MAX_TITLE]
    content = (author, heading, body)

    def find_repeated(rows: list[Finding]) -> Finding | None:
        return next((row for row in rows if (row.by, row.title, row.text) == content), None)

    return open_findings(ws).append_row(Finding(by=author, title=heading, text=body), find_repeated)
