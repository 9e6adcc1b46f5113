"""Turn a DuckDB error into a problem with its location: a declared field, or a line of a SQL file."""

from __future__ import annotations

import re
from dataclasses import dataclass

QUOTED_NAME = re.compile(r'"([^"]+)"')


@dataclass(frozen=True)
class SqlProblem:
    """A problem in the SQL of a use case.

    `message` says what is wrong. The location is either `field`, a declared field, or `stage` and `line`, a line of
    `<stage>.sql`. `written` is the unknown name in the SQL. `allowed` lists the names that exist.
    """

    message: str
    field: str = ""
    stage: str = ""
    line: int = 1
    written: str = ""
    allowed: tuple[str, ...] = ()


def problem_of_error(error: Exception, field: str = "", stage: str = "", last_line: int = 1) -> SqlProblem:
    """Convert a DuckDB error into a problem: the error's first line, the names that DuckDB suggests, the line number.

    field, stage: the location of the SQL. last_line: the number of lines in the SQL file; no higher line is reported.
    """
    first_line, _, details = str(error).partition("\n")
    message = first_line.partition(": ")[2] or first_line
    suggestions = re.findall(r"^(?:Candidate bindings:|Did you mean).*", details, re.M)
    allowed = QUOTED_NAME.findall("".join(suggestions))
    named = QUOTED_NAME.search(message)
    written = named[1] if named else ""
    if "Did you mean" in details and allowed:
        written = allowed[0]
    line = re.search(r"^LINE (\d+):", details, re.M)
    number = min(int(line[1]), last_line) if line else 1
    return SqlProblem(f"the SQL can't run: {message}", field, stage, number, written, tuple(allowed))
