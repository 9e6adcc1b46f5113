"""The commands `sixtyforty rename` and `sixtyforty remove`, which rename or remove a use case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.answer import Answer
from pipelines.cli.commands import BUILD, command
from pipelines.cli.options import By, OptionalWhy, UseCaseName, Why, current_user

if TYPE_CHECKING:
    from pipelines.operations.remove import RemovedAnswer
    from pipelines.operations.rename import RenamedUseCase


@dataclass(frozen=True, kw_only=True)
class RenamedAnswer(Answer):
    """Answer of `sixtyforty rename`: the old and the new name, and where the old name still occurs."""

    old: Annotated[str, "The old name of the use case."]
    new: Annotated[str, "The new name of the use case."]
    tables: Annotated[Sequence[str], "The SQL tables with decisions and responses, under their new names."]
    sensors: Annotated[Sequence[str], "The use case's sensors and schedules that are switched on, by their new names."]
    mentions: Annotated[Sequence[str], "Places in the project that still contain the old name, as file:line."]


@command(BUILD, "rename", "{demo} late_departures --why 'trains join in May'")
def rename(
    use_case: UseCaseName,
    new: Annotated[str, typer.Argument(metavar="NEW", help="The new name: lower case letters, digits and _.")],
    why: OptionalWhy = "",
    by: By = "",
) -> RenamedAnswer:
    """Rename a use case with its data, ledgers and findings. If the command is killed, run it again to finish."""
    from pipelines.operations.rename import rename_use_case

    renamed = rename_use_case(use_case, new, by or current_user(), why)
    return RenamedAnswer(**vars(renamed), text="\n".join(_renamed_lines(renamed)))


def _renamed_lines(renamed: RenamedUseCase) -> Iterator[str]:
    old, new = renamed.old, renamed.new
    yield f"Renamed {old} to {new}: its declaration, suites, data, ledgers, findings and reports. No decision changed."
    yield "Change what uses the old name outside of sixtyforty:"
    for table in renamed.tables:
        yield f"  queries and BI reports on the table {old}{table.removeprefix(new)}: it is now {table}"
    yield f"  readers of the files in deliveries/{old}/: they are now in deliveries/{new}/"
    yield f"  senders of extracts to landing/{old}/: the landing zone is now landing/{new}/"
    yield f"  scripts, bookmarks and links that name {old}, such as ?use_case={old}"
    yield f"Dagster lists earlier runs under {old}. The rename made no partition stale."
    if renamed.sensors:
        yield f"These sensors and schedules have new names and are still on: {', '.join(renamed.sensors)}"
    if renamed.mentions:
        yield f"These lines of the project still contain the old name {old}. The command didn't change them:"
        yield from (f"  {place}" for place in renamed.mentions)
    yield "Next: commit the renamed folders, restart the desk, and run `sixtyforty doctor`."


@dataclass(frozen=True, kw_only=True)
class RemovedUseCaseAnswer(Answer):
    """Answer of `sixtyforty remove`: the archive of the removed use case, and where its name still occurs."""

    use_case: Annotated[str, "Name of the removed use case."]
    archive: Annotated[Path, "The folder with all files that were kept: at least ledgers, findings and declaration."]
    deleted: Annotated[bool, "Whether the data were deleted."]
    tables: Annotated[Mapping[str, int], "Number of rows of each archived or deleted SQL table, by table name."]
    findings: Annotated[int, "Number of findings, which `sixtyforty knowledge` still shows."]
    mentions: Annotated[Sequence[str], "Places in the project that still name the use case, as file:line."]


@command(BUILD, "remove", "{demo} --why 'the route was closed'", "{demo} --why 'the trial has ended' --delete-data")
def remove(
    use_case: UseCaseName,
    why: Why,
    delete_data: Annotated[
        bool, typer.Option("--delete-data", help="Delete the data. Ledgers, findings and model records are kept.")
    ] = False,
    by: By = "",
) -> RemovedUseCaseAnswer:
    """Remove a use case, and archive its data and findings. If the command is killed, run it again to finish.

    `sixtyforty knowledge` still shows the findings.
    """
    from pipelines.operations.remove import remove_use_case

    removed = remove_use_case(use_case, by or current_user(), why, delete_data)
    return RemovedUseCaseAnswer(**vars(removed), text="\n".join(_removed_lines(removed)))


def _removed_lines(removed: RemovedAnswer) -> Iterator[str]:
    from sixtyforty.spec.wording import format_plural

    yield f"Removed {removed.use_case}. Kept in {removed.archive}:"
    if removed.deleted:
        yield "  the declaration, ledgers, findings, model cards and model records"
    else:
        yield "  the declaration, extracts, lake, models, ledgers, deliveries, reports, and the tables as Parquet files"
    verb = "Deleted with its rows" if removed.deleted else "Archived and dropped"
    for table, rows in removed.tables.items():
        yield f"{verb}: the table {table} ({format_plural(rows, 'row')}). Change the queries that read it."
    if removed.deleted:
        yield "Deleted: extracts, lake with all decisions, models, deliveries. The DVC remote still has its copies."
    yield f"`sixtyforty knowledge` still shows {format_plural(removed.findings, 'finding')} of {removed.use_case}."
    if removed.mentions:
        yield f"These lines of the project still contain the name {removed.use_case}:"
        yield from (f"  {place}" for place in removed.mentions)
    yield "Next: commit the removed folders, and restart the desk."
