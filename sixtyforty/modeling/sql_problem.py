"""Turn a DuckDB error into a problem with a place: a declared field, or a line of a SQL file."""

from __future__ import annotations

import re
from dataclasses import dataclass

QUOTED_NAME = re.compile(r'"([^"]+)"')


@dataclass(frozen=True)
class SqlProblem:
    """SQL that can't run.

    `message`: what is wrong. `field`: the declared field, or `stage` and `line`: the line of `<stage>.sql`. `written`:
    the name that was not found. `allowed`: the names that exist.
    """

    message: str
    field: str = ""
    stage: str = ""
    line: int = 1
    written: str = ""
    allowed: tuple[str, ...] = ()


def problem_of_error(error: Exception, field: str = "", stage: str = "", last_line: int = 1) -> SqlProblem:
    """Describe a DuckDB error: its first line, the names that DuckDB suggests, and the line that it points at."""
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
