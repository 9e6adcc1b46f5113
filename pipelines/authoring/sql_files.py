"""Find the SQL files of a use case, and report those that are missing, empty or invalid."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from sixtyforty.spec.draft import Blank, PartialUseCase
from sixtyforty.spec.errors import DeclarationProblem, closest_match
from sixtyforty.spec.renamed_fields import RENAMED_FILES, RENAMED_SQL
from sixtyforty.spec.use_case import UseCase
from sixtyforty.spec.yaml_positions import ParsedYaml

if TYPE_CHECKING:
    from sixtyforty.modeling.sql_problem import SqlProblem

SQL_FILES = {
    "features": "SQL that returns one row per unit: the unit's key, and what the model may know at decided_at",
    "outcomes": "SQL that returns one row per unit: the unit's key, its outcome, and known_at",
    "current_process": "SQL that returns one row per unit: the unit's key, and `action`, which the current process"
    " takes. The gain is measured against this action",
    "units": "SQL that returns one row per partition and unit: _partition and the unit's key",
}
BLANK_MARK = "-- TODO"  # a line with this start marks an SQL file that is still to be written


def find_sql_files(partial: PartialUseCase) -> tuple[dict[str, Blank | None], list[DeclarationProblem]]:
    """Find the SQL files of a use case, and the problems of missing or empty SQL files.

    The first item maps the name of each SQL file that isn't empty, such as `features`, to a Blank or to None. A Blank
    is a part of the declaration that is still to be written: the file has a TODO line. None: the file is complete.
    """
    files: dict[str, Blank | None] = {}
    problems = []
    for stage in _needed_stages(partial):
        file = partial.folder / f"{stage}.sql"
        if not file.exists():
            problems.append(_missing_file(file))
            continue
        lines = [line.strip() for line in file.read_text().splitlines()]
        mark = next((number for number, line in enumerate(lines, 1) if line.startswith(BLANK_MARK)), None)
        if mark is None and not any(line and not line.startswith("--") for line in lines):
            message = f"the file is empty; write `{BLANK_MARK}` to fill it in later"
            problems.append(DeclarationProblem(file, 1, "", message, SQL_FILES[stage]))
            continue
        files[stage] = Blank(file.name, SQL_FILES[stage], file, mark) if mark else None
    return files, problems


def _needed_stages(partial: PartialUseCase) -> list[str]:
    needs_units = "decision" in partial.filled_in and partial.decision.unit_source is None
    return [stage for stage in SQL_FILES if stage != "units" or needs_units]


def _missing_file(file: Path) -> DeclarationProblem:
    others = [path.name for path in file.parent.glob("*.sql") if path.stem not in SQL_FILES]
    for old_name, new_name in RENAMED_FILES.items():
        if new_name == file.name and old_name in others:
            return DeclarationProblem(file, 1, "", f"the file is missing; {old_name} was renamed to {new_name}")
    return DeclarationProblem(
        file, 1, "", "the file is missing", SQL_FILES[file.stem], closest_match(file.name, others)
    )


def sql_problems(
    parsed: ParsedYaml, use_case: UseCase, parts: Collection[str], stages: Collection[str]
) -> tuple[list[DeclarationProblem], list[str] | None]:
    """Return the problems of a use case's SQL, and the columns of features.sql, or None if they are unknown.

    `parts`: the declared fields whose SQL is checked. `stages`: the SQL files that are checked. DuckDB binds the SQL to
    empty tables, which takes about a second.
    """
    from pipelines.authoring.purposes import purpose_of
    from sixtyforty.modeling.sql_check import check_sql

    problems = []
    sql_errors, columns = check_sql(use_case, parts, stages)
    for error in sql_errors:
        old_name = _renamed_name(error)
        message = f"{old_name} was renamed to {RENAMED_SQL[old_name]}" if old_name else error.message
        meant = closest_match(error.written, error.allowed) if error.written and not old_name else ""
        allowed = ", ".join(error.allowed)
        if error.stage:
            file = use_case.folder / f"{error.stage}.sql"
            allowed = allowed or SQL_FILES[error.stage]
            problems.append(DeclarationProblem(file, error.line, "", message, allowed, meant))
        else:
            path = parsed.resolve(error.field.split("."))
            problems.append(parsed.problem(path, message, allowed or purpose_of(path).rstrip("."), meant))
    return problems, columns or None


def _renamed_name(error: SqlProblem) -> str:
    """Return the old name of a renamed view or column that the SQL still uses, or an empty text."""
    missing = re.search(r"[Nn]ame (\w+) does not exist", error.message)
    name = missing[1] if missing else error.written
    return name if name in RENAMED_SQL else ""
