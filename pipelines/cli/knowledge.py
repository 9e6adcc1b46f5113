"""Commands that show what people learned about the use cases: model-record and knowledge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines.cli.answer import Answer
from pipelines.cli.commands import SEE, command
from pipelines.cli.options import TrackName, UseCaseName


@dataclass(frozen=True, kw_only=True)
class ModelRecordAnswer(Answer):
    """Answer of `sixtyforty model-record`: the model record, or what a search found in model records and findings."""

    record: Annotated[str | None, "The record as Markdown. Null with --search."]
    versions: Annotated[Sequence[Path], "All versions of the record that were written."]
    hits: Annotated[Sequence[Any], "With --search: the findings and sections that contain all words."]


@command(SEE, "model-record", "{demo}", "{demo} --search 'typing errors'")
def model_record(
    use_case: UseCaseName,
    search: Annotated[
        str | None,
        typer.Option(
            metavar="WORDS",
            help="Show findings and sections of all versions of the model record that contain all these words.",
        ),
    ] = None,
    track: TrackName = "replay",
) -> ModelRecordAnswer:
    """Show the model record: what was tried, found and decided for a model. Or search the record."""
    from pipelines.authoring import catalog
    from sixtyforty.reports import model_record as records

    ws = catalog.open_workspace(use_case)
    versions = records.record_versions(ws, track)
    if search is None:
        text = records.render_record(ws, track)
        return ModelRecordAnswer(record=text, versions=versions, hits=[], text=text)
    hits = records.search_records(ws, search)
    sections = [
        f"{f'{hit.track} record' if hit.track else 'finding'} {hit.number}, {hit.title}:\n{hit.text}" for hit in hits
    ]
    return ModelRecordAnswer(
        record=None, versions=versions, hits=hits, text="\n\n".join(sections) or f"Nothing contains '{search}'."
    )


@dataclass(frozen=True, kw_only=True)
class KnowledgeAnswer(Answer):
    """Answer of `sixtyforty knowledge`: findings, parts of model records, and user research of all use cases."""

    hits: Annotated[
        Sequence[Any], "One object for each finding, record section or research note: use_case, where, title, text."
    ]


@command(SEE, "knowledge", "", "crew standby")
def knowledge(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="WORDS",
            help="Words to search for; a passage must contain all of them. Default: list failed attempts.",
        ),
    ] = None,
) -> KnowledgeAnswer:
    """Search the findings, model records and user research of all use cases. Without words, list failed attempts.

    The search includes removed use cases.
    """
    from pipelines.authoring import catalog
    from pipelines.settings import load_settings
    from sixtyforty.reports.knowledge import failed_attempts, search_knowledge
    from sixtyforty.reports.removed_use_cases import list_removed

    settings = load_settings()
    removed = list_removed(settings.home, settings.lake)
    workspaces = [*catalog.load_workspaces().complete.values(), *removed]
    query = " ".join(words or [])
    hits = search_knowledge(workspaces, query) if query else failed_attempts(workspaces)
    nothing = f"Nothing contains '{query}'." if query else "Nothing has failed yet."
    sections = [f"{hit.use_case}, {hit.where}: {hit.title}\n{hit.text}" for hit in hits]
    return KnowledgeAnswer(hits=hits, text="\n\n".join(sections) or nothing)
