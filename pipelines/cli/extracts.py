"""Commands about the rows of sources: check, compare-rows and quarantine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.answer import Answer
from pipelines.cli.commands import BUILD, OPERATE, command
from pipelines.cli.errors import CommandError
from pipelines.cli.options import UseCaseName
from sixtyforty.spec.wording import format_plural

if TYPE_CHECKING:
    from pipelines.operations.extract_check import FileJudgement
    from sixtyforty.ingest.quarantine import QuarantineAccount

SHOWN_REASONS = 20
SHOWN_DIFFERENCES = 20
DIFFERENCES_CURE = (
    "If the database has fewer rows than the lake, rows were deleted from the database but stay in the lake. If the"
    " database has more rows, some rows are newer than the last read, or cursor_overlap is too small for late rows."
)


@dataclass(frozen=True, kw_only=True)
class CheckAnswer(Answer):
    """Answer of `sixtyforty check`: what would happen to the file if it landed."""

    accepted: Annotated[bool, "Whether the file would be imported and all of its rows accepted."]
    judgement: Annotated[
        Mapping[str, Any],
        {
            "name_problem": "Why a file of this name would not be imported. Null: it matches `files` of the source.",
            "problem": "Why the whole file would be refused. Null: the file would be imported.",
            "drift": "Columns that are new, missing, optional (and missing), renamed or retyped.",
            "rows": "Numbers of rows: landed, accepted, quarantined, duplicates, superseded.",
            "refused": "Rows that would be quarantined, by reason: reason, rows, lines (the first line numbers)."
            " `problem` says whether the extract would be refused.",
            "warnings": "Rules of severity warning that fail, with the number of rows.",
            "partitions": "Number of rows by partition.",
            "rejected": "Partitions that would be rejected, with the reasons, such as too many quarantined rows."
            " Partition rules are not checked.",
        },
    ]

    @property
    def succeeded(self) -> bool:
        """Whether the file would be imported and all of its rows accepted."""
        return self.accepted


@command(BUILD, "check", "orders_2024-03-05.csv --source {demo}/weather")
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to check. It stays where it is.")],
    source: Annotated[
        str, typer.Option("--source", metavar="USE_CASE/SOURCE", help="The source in which the file would land.")
    ],
) -> CheckAnswer:
    """Judge a file before it lands: its columns, its values and the rules of its suite."""
    from pipelines.authoring import catalog
    from pipelines.operations.extract_check import check_extract

    use_case, name = _split_source(source, "--source")
    judgement = check_extract(catalog.open_workspace(use_case), name, file)
    counts = ("landed", "accepted", "quarantined", "duplicates", "superseded")
    shown = {
        "name_problem": judgement.name_problem,
        "problem": judgement.problem,
        "drift": asdict(judgement.drift),
        "rows": {count: getattr(judgement, count) for count in counts},
        "refused": [asdict(rows) for rows in judgement.refused],
        "warnings": judgement.warnings,
        "partitions": judgement.partitions,
        "rejected": judgement.rejected,
    }
    text = "\n".join(_judgement_lines(file, source, judgement))
    return CheckAnswer(accepted=judgement.is_accepted, judgement=shown, text=text)


def _split_source(source: str, argument: str) -> tuple[str, str]:
    """Return the use case and the source that an argument names. Raises CommandError if it doesn't name both."""
    use_case, separator, name = source.partition("/")
    if not separator:
        raise CommandError(f"{argument} is '{source}', expected USE_CASE/SOURCE, such as second_baker/guests.")
    return use_case, name


@dataclass(frozen=True, kw_only=True)
class CompareRowsAnswer(Answer):
    """Answer of `sixtyforty compare-rows`: partitions with other numbers of rows in the database than in the lake."""

    partitions: Annotated[int, "Number of partitions with rows in the database."]
    differences: Annotated[
        Sequence[Mapping[str, Any]],
        "One object for each partition that differs: partition, database_rows, lake_rows (validated or quarantined).",
    ]

    @property
    def succeeded(self) -> bool:
        """Whether each partition has as many rows in the database as in the lake."""
        return not self.differences


@command(OPERATE, "compare-rows", "{demo}/responses")
def compare_rows(
    source: Annotated[str, typer.Argument(metavar="USE_CASE/SOURCE", help="A source that queries a database.")],
) -> CompareRowsAnswer:
    """Compare the number of rows of each partition in a source's database and in the lake."""
    from pipelines.authoring import catalog
    from sixtyforty.ingest.database_counts import count_database_rows, find_differences

    use_case, name = _split_source(source, "The argument")
    ws = catalog.open_workspace(use_case)
    queries = [each for each, contract in ws.use_case.sources.items() if contract.query]
    if name not in queries:
        raise CommandError(
            f"{use_case} has no source '{name}' with a query. Sources with a query: {', '.join(queries) or 'none'}."
        )
    rows = count_database_rows(ws.landing, name)
    differences = find_differences(ws.landing, name, rows)
    lines = [
        f"{source}: {format_plural(rows.total(), 'row')} in the database, in {format_plural(len(rows), 'partition')}"
    ]
    lines += map(str, differences[:SHOWN_DIFFERENCES])
    if len(differences) > SHOWN_DIFFERENCES:
        lines.append(
            f"and {format_plural(len(differences) - SHOWN_DIFFERENCES, 'more difference')}. Add --json to see all."
        )
    if differences:
        lines.append(DIFFERENCES_CURE)
    return CompareRowsAnswer(
        partitions=len(rows), differences=[asdict(each) for each in differences], text="\n".join(lines)
    )


def _judgement_lines(file: Path, source: str, judgement: FileJudgement) -> Iterator[str]:
    verdict = "accepted" if judgement.is_accepted else "NOT accepted as it is"
    yield f"{file} for {source}: {verdict}"
    if judgement.name_problem:
        yield f"Name: {judgement.name_problem}"
    for line in judgement.drift.describe():
        yield f"Columns: {line}"
    if judgement.problem:
        yield f"Refused: {judgement.problem}"
        return
    yield (
        f"Rows: {judgement.landed:,} landed = {judgement.accepted:,} accepted + {judgement.quarantined:,} quarantined"
        f" + {format_plural(judgement.duplicates, 'duplicate')} + {judgement.superseded:,} superseded"
    )
    for refused in judgement.refused[:SHOWN_REASONS]:
        noun, numbers = "line" if len(refused.lines) == 1 else "lines", ", ".join(map(str, refused.lines))
        yield f"  {format_plural(refused.rows, 'row')}: {refused.reason} ({noun} {numbers})"
    if len(judgement.refused) > SHOWN_REASONS:
        yield f"  and {format_plural(len(judgement.refused) - SHOWN_REASONS, 'more reason')}. Add --json to see all."
    for partition, reasons in judgement.rejected.items():
        yield f"Rejected: {partition}: {'; '.join(reasons)}"
    for warning in judgement.warnings:
        yield f"Warning: {warning}"


@dataclass(frozen=True, kw_only=True)
class QuarantineAnswer(Answer):
    """Answer of `sixtyforty quarantine`: numbers of quarantined rows by source, and the file with exported rows."""

    sources: Annotated[
        Sequence[Mapping[str, Any]],
        "One object for each source: source, and numbers of rows: quarantined, exported, resubmitted, open.",
    ]
    file: Annotated[Path | None, "The exported file. Null: nothing was exported."]
    rows: Annotated[int, "Number of exported rows."]


@command(OPERATE, "quarantine", "{demo}", "{demo} --source weather --export weather_corrections.csv")
def quarantine(
    use_case: UseCaseName,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="Source whose quarantined rows to show or export. Default: show all sources. --export needs this"
            " option if several sources have quarantined rows.",
        ),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the quarantined rows and reasons to this new file. Its name must match `files` of the source.",
        ),
    ] = None,
) -> QuarantineAnswer:
    """Show how many rows of each source are in quarantine. With --export, write these rows to a file for correction."""
    from pipelines.authoring import catalog
    from sixtyforty.ingest.quarantine import account_for, export_quarantine

    ws = catalog.open_workspace(use_case)
    if source is not None and source not in ws.use_case.sources:
        raise CommandError(f"{use_case} has no source '{source}'. Its sources: {', '.join(ws.use_case.sources)}.")
    rows = 0
    if export:
        name = source or _only_source([account_for(ws.landing, name) for name in ws.use_case.sources])
        if export.exists():
            raise CommandError(f"{export} exists already and may hold corrected rows. Name a new file with --export.")
        rows = export_quarantine(ws.landing, name, export.resolve(), ws.code_version)
    names = [source] if source else list(ws.use_case.sources)
    accounts = [account_for(ws.landing, name) for name in names]
    text = "\n".join(_account_lines(accounts, export, rows))
    objects = [asdict(account) | {"open": account.open} for account in accounts]
    return QuarantineAnswer(sources=objects, file=export, rows=rows, text=text)


def _only_source(accounts: Sequence[QuarantineAccount]) -> str:
    """Return the only source with quarantined rows. Raises CommandError if there is none, or more than one."""
    names = [account.source for account in accounts if account.quarantined]
    if len(names) == 1:
        return names[0]
    if names:
        raise CommandError(
            f"Several sources have quarantined rows. Name one of them with --source: {', '.join(names)}."
        )
    raise CommandError("No source has quarantined rows, so there is nothing to export.")


def _account_lines(accounts: Sequence[QuarantineAccount], export: Path | None, rows: int) -> Iterator[str]:
    for account in accounts:
        yield (
            f"{account.source}: {format_plural(account.quarantined, 'row')} in quarantine,"
            f" {account.exported:,} exported, {account.resubmitted:,} resubmitted, {account.open:,} open"
        )
    if export:
        yield f"Wrote {format_plural(rows, 'row')} to {export}."
        yield "Correct the rows in the file, then move it to where the extracts of the source land."
