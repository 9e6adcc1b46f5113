"""Commands that rename or remove a use case: rename and remove."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.answer import Answer
from pipelines.cli.commands import BUILD, command
from pipelines.cli.options import By, OptionalWhy, UseCaseName, current_user

if TYPE_CHECKING:
    from pipelines.operations.rename import RenamedUseCase


@dataclass(frozen=True, kw_only=True)
class RenamedAnswer(Answer):
    """Answer of `sixtyforty rename`: the use case under its new name, and what to change elsewhere."""

    old: Annotated[str, "The name before."]
    new: Annotated[str, "The name after."]
    tables: Annotated[Sequence[str], "The SQL tables with decisions and responses, under their new names."]
    sensors: Annotated[Sequence[str], "Sensors and schedules that were on, and still are, under their new names."]
    mentions: Annotated[Sequence[str], "Places in the project that still contain the old name, as file:line."]


@command(BUILD, "rename", "{demo} late_flights --why 'trains join in May'")
def rename(
    use_case: UseCaseName,
    new: Annotated[str, typer.Argument(metavar="NEW", help="The new name: lower case letters, digits and _.")],
    why: OptionalWhy = "",
    by: By = "",
) -> RenamedAnswer:
    """Rename a use case with its data, ledgers and findings. If the command was killed, run it again."""
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
    yield f"Dagster lists earlier runs under {old}. Nothing is stale: {new} continues where {old} was."
    if renamed.sensors:
        yield f"Still on, under their new names: {', '.join(renamed.sensors)}"
    if renamed.mentions:
        yield "Text that still contains the old name, left as it is:"
        yield from (f"  {place}" for place in renamed.mentions)
    yield "Next: commit the renamed folders, restart the desk, then sixtyforty doctor."
