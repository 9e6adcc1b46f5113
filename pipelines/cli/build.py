"""Commands that start a use case: demo, new and land-demo-data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pipelines.cli.answer import Answer, show_progress
from pipelines.cli.commands import BUILD, command
from pipelines.cli.options import OptionalFirstDay, OptionalLastDay, OptionalUseCase, UseCaseName
from sixtyforty.spec.wording import format_plural

if TYPE_CHECKING:
    from sixtyforty.spec.draft import Draft


@dataclass(frozen=True, kw_only=True)
class DemoAnswer(Answer):
    """Answer of `sixtyforty demo`: the gain of the decisions of the demo's use cases."""

    use_cases: Annotated[Mapping[str, Any], "For each use case, the answer of `sixtyforty impact`."]


@command(BUILD, "demo", "", "{demo}")
def demo(use_case: OptionalUseCase = None) -> DemoAnswer:
    """Run the chain on a year of demo data. Then show the gain of the decisions, and which pages to open."""
    from pipelines.cli.impact import impact
    from pipelines.demo.registry import DEMOS
    from pipelines.demo.year import run_portfolio_report, run_year

    names = [use_case] if use_case else list(DEMOS)
    answers, texts, pages = {}, [], []
    for name in names:
        year = run_year(name, show_progress)
        answers[name] = impact(name)
        texts.append(f"{year.title}\n{answers[name].text}")
        pages.append(f"  {year.report}: the gain of the decisions")
        if year.simulated_responses:
            pages[-1] += f" (people's responses are simulated: {year.simulated_responses:,})"
    pages.append(f"  {run_portfolio_report()}: all use cases side by side")
    return DemoAnswer(
        use_cases={name: answer.payload() for name, answer in answers.items()},
        text="\n\n".join([*texts, "\n".join(["Open next:", *pages, *_next_commands(names[-1])])]),
    )


def _next_commands(use_case: str) -> list[str]:
    return [
        "Run next:",
        "  make desk: the pages of the people who decide. It prints the address and the accounts.",
        "  make ui: the chains in Dagster, at http://127.0.0.1:3000",
        f"  .venv/bin/sixtyforty champion {use_case} --history: which model decided when, and why",
    ]


@dataclass(frozen=True, kw_only=True)
class NewAnswer(Answer):
    """Answer of `sixtyforty new`: the new use case, its files, and the fields that are still TODO."""

    use_case: Annotated[str, "Name of the new use case."]
    files: Annotated[Sequence[Path], "The files that were written."]
    blank: Annotated[
        Sequence[Mapping[str, Any]], "One object for each field that is still TODO: what (its name), why, file, line."
    ]


@command(
    BUILD,
    "new",
    "market_tents --from data/extracts",
    "loaves --from data/till --shape amount",
    "late_orders --query 'select * from orders' --database ORDERS_URL",
    "cafe --from 'orders_*.csv' --like market_tents",
)
def new(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of the new use case: lower case letters, digits and _.")
    ],
    extracts: Annotated[
        str | None,
        typer.Option("--from", metavar="PATH", help="Extracts to draft from: a file, a folder, or a glob in quotes."),
    ] = None,
    like: Annotated[
        str | None, typer.Option(metavar="USE_CASE", help="Copy the declaration of this use case as a start.")
    ] = None,
    shape: Annotated[
        Literal["binary", "ranked", "amount", "experiment"] | None,
        typer.Option(
            metavar="SHAPE",
            help="What is decided: `binary` (an action), `ranked` (an action for a limited number of units), `amount`"
            " (a number) or `experiment` (an action once given at random). Default: `binary`. Not with --like.",
        ),
    ] = None,
    query: Annotated[
        str | None, typer.Option(metavar="SQL", help="Draft a source from the rows of this query. Needs --database.")
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(metavar="VARIABLE", help="Environment variable with the SQLAlchemy URL that --query reads from."),
    ] = None,
) -> NewAnswer:
    """Create a use case: its declaration, SQL and suites, drafted from its extracts or from a database query."""
    from pipelines.authoring.feeds import Query
    from pipelines.authoring.scaffold import create_use_case
    from pipelines.cli.errors import CommandError

    if (query is None) != (database is None):
        raise CommandError("--query and --database need each other. Give both, or none of them.")
    if like and shape:
        raise CommandError("--like and --shape exclude each other: a copy has the shape of the original. Give one.")
    rows = Query(query, database) if query and database else None
    draft, files = create_use_case(name, extracts, like, shape=shape or "binary", query=rows)
    blanks = [
        {"what": blank.path, "why": blank.purpose, "file": str(blank.file), "line": blank.line}
        for blank in draft.blanks
    ]
    return NewAnswer(use_case=name, files=files, blank=blanks, text="\n".join(_new_lines(name, draft, files)))


def _new_lines(name: str, draft: Draft, files: Sequence[Path]) -> list[str]:
    sources = [
        f"  {source}: {declared.files or 'a query'}; key {', '.join(declared.key)}; "
        f"{f'partitioned by {declared.partition}' if declared.partition else 'not partitioned'}"
        for source, declared in draft.sources.items()
    ]
    return [
        f"Created the draft {name}. Its sources:",
        *sources,
        "Fill in these fields, which are marked TODO:",
        *(f"  {blank}" for blank in draft.blanks),
        "Check the guesses that are marked CHECK. Files written:",
        *(f"  {file}" for file in files),
    ]


@dataclass(frozen=True, kw_only=True)
class LandedAnswer(Answer):
    """Answer of `sixtyforty land-demo-data`: the demo extracts that have landed."""

    folder: Annotated[str, "The landing zone into which the extracts were written."]
    files: Annotated[Sequence[str], "Names of the extracts, in order of landing."]


@command(BUILD, "land-demo-data", "{demo}", "{demo} --from 2013-06-01 --to 2013-06-02 --hourly")
def land_demo_data(
    use_case: UseCaseName,
    first: OptionalFirstDay = None,
    last: OptionalLastDay = None,
    hourly: Annotated[
        bool,
        typer.Option("--hourly", help="Land one extract per hour, as a live system does. Default: one per month."),
    ] = False,
) -> LandedAnswer:
    """Write the demo's extracts for a range of days into the landing zone of a use case."""
    from pipelines.authoring import catalog
    from pipelines.demo.landing import land_into
    from pipelines.demo.registry import demo_data_of

    demo_data = demo_data_of(use_case)
    folder = catalog.open_workspace(use_case).landing.folder
    files = land_into(folder, lambda target: demo_data.land(target, first, last, hourly))
    text = f"Landed {format_plural(len(files), 'extract')} in {folder}"
    return LandedAnswer(folder=str(folder), files=[file.name for file in files], text=text)
