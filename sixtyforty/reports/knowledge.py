"""The knowledge base of all use cases: findings, model records, user research, and failed attempts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sixtyforty.reports.model_record import RecordHit, search_records, split_words
from sixtyforty.reports.page_templates import format_stage
from sixtyforty.reports.removed_use_cases import RemovedUseCase
from sixtyforty.workspace import Workspace

OUTCOMES = {"REJECT": "rejected", "HOLD": "held back, because its gain is not larger by enough"}  # verdicts of the gate


@dataclass(frozen=True)
class KnowledgeHit:
    """A passage of text about a use case. `where`: its origin, such as a finding or a model record."""

    use_case: str
    use_case_title: str
    where: str
    title: str
    text: str


def search_knowledge(workspaces: Sequence[Workspace], words: str) -> list[KnowledgeHit]:
    """Return the passages of all use cases that contain all the words, in any letter case.

    The passages are ordered by use case. Within a use case, findings come first, then records, then user research.

    workspaces: of all use cases, including removed ones. words: separated by spaces. Raises SearchError if `words`
    contains no word.
    """
    hits: list[KnowledgeHit] = []
    for ws in workspaces:
        name, title = ws.use_case.name, ws.use_case.title
        removal = _describe_removal(ws)
        hits += [
            KnowledgeHit(name, title, f"{_where(hit)}{removal}", hit.title, hit.text)
            for hit in search_records(ws, words)
        ]
        hits += _search_research(ws, split_words(words))
    return hits


def _describe_removal(ws: Workspace) -> str:
    """Return a remark on when and why the use case was removed; an empty text if it wasn't removed."""
    removed = ws.use_case if isinstance(ws.use_case, RemovedUseCase) else None
    return f" (removed on {removed.at[:10]}: {removed.why})" if removed else ""


def _where(hit: RecordHit) -> str:
    if hit.kind == "finding":
        return f"finding {hit.number} of {(hit.at or '')[:10]}"
    return f"record of {'live' if hit.track == 'live' else 'replayed'} decisions, version {hit.number}"


def _search_research(ws: Workspace, words: Sequence[str]) -> Iterator[KnowledgeHit]:
    people = ws.use_case.people
    remark = ", illustrative for the demonstration" if people.illustrative else ""
    for research in people.research:
        text = f"{research.participants} {research.finding}".casefold()
        if all(word in text for word in words):
            where = f"user research of {research.day}{remark}{_describe_removal(ws)}"
            yield KnowledgeHit(ws.use_case.name, ws.use_case.title, where, research.participants, research.finding)


def failed_attempts(workspaces: Sequence[Workspace]) -> list[KnowledgeHit]:
    """Return a passage for each use case that a stage gate stopped, and for each model that the gate did not promote.

    The passages are ordered by use case. Within a use case, stages come before models, and newer ones before older.
    """
    hits: list[KnowledgeHit] = []
    for ws in workspaces:
        name, title, removal = ws.use_case.name, ws.use_case.title, _describe_removal(ws)
        hits += [
            KnowledgeHit(
                name,
                title,
                f"{row.effective_from[:10]}{removal}",
                f"The stage gate stopped the {format_stage(row.stage)}",
                row.why,
            )
            for row in reversed(ws.stage_ledger.rows())
            if row.event == "stop"
        ]
        hits += [
            KnowledgeHit(
                name,
                title,
                f"{row.track} {row.as_of}{removal}",
                f"{row.version} was {OUTCOMES[row.verdict]}",
                "; ".join(row.reasons),
            )
            for row in reversed(ws.champion_ledger.rows())
            if row.verdict in OUTCOMES
        ]
    return hits
