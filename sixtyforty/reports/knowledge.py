"""What is known across use cases: findings, records and user research, and what was tried and failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sixtyforty.reports import model_record
from sixtyforty.workspace import Workspace

FAILED = ("REJECT", "HOLD")


@dataclass(frozen=True)
class Known:
    """Something that was looked for, and in which use case it is. `where`: which finding, record or talk it is of."""

    use_case: str
    use_case_title: str
    where: str
    title: str
    text: str


def search(workspaces: Sequence[Workspace], words: str) -> list[Known]:
    """What holds all the words, a use case after the other: findings, records, then what users said.

    Raises ValueError without a word.
    """
    found, wanted = [], words.casefold().split()
    for ws in workspaces:
        case = ws.use_case
        for hit in model_record.search(ws, words):
            past = "live" if hit.track == "live" else "past"
            record_of = f"record of {past} decisions, version {hit.number}"
            where = record_of if hit.kind == "record" else f"finding {hit.number} of {(hit.at or '')[:10]}"
            found.append(Known(case.name, case.title, where, hit.title, hit.text))
        made_up = ", made up for a demonstration" if case.people.illustrative else ""
        for said in case.people.research:
            if all(w in f"{said.participants} {said.finding}".casefold() for w in wanted):
                where = f"user research of {said.day}{made_up}"
                found.append(Known(case.name, case.title, where, said.participants, said.finding))
    return found


def failed(workspaces: Sequence[Workspace]) -> list[Known]:
    """What was tried and failed, the newest first of each use case: stages stopped, and models not put in charge."""
    found = []
    for ws in workspaces:
        name, title = ws.use_case.name, ws.use_case.title
        stopped = [r for r in ws.progress.rows() if r.said == "stop"]
        found += [Known(name, title, r.effective_from[:10], f"The {r.stage} was stopped", r.why) for r in stopped[::-1]]
        refused = [r for r in ws.ledger.rows() if r.verdict in FAILED]
        found += [
            Known(name, title, f"{r.track} {r.as_of}", f"{r.version} was {_told(r.verdict)}", "; ".join(r.reasons))
            for r in refused[::-1]
        ]
    return found


def _told(verdict: str) -> str:
    return "refused" if verdict == "REJECT" else "not better by enough"
