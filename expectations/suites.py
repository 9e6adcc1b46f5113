"""Read suites of rules from their YAML files, and report each problem in a suite with file, line and field."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from expectations.rules import Suite
from sixtyforty.spec.errors import DeclarationError, DeclarationProblem
from sixtyforty.spec.field_messages import validation_problems
from sixtyforty.spec.project_folders import suites_folder
from sixtyforty.spec.yaml_positions import parse_yaml

HERE = suites_folder()
PARSED_SUITES = 512  # number of parsed suites kept in memory


def load_suite(use_case: str, source: str) -> Suite:
    """Return the suite of a source of a use case.

    Raises FileNotFoundError if the suite has no file, and DeclarationError, with file and lines, if the file is wrong.
    """
    suite, problems = read_suite(HERE / use_case / f"{source}.yaml")
    if suite is None or problems:
        raise DeclarationError(use_case, problems)
    return suite


def read_suite(path: Path) -> tuple[Suite | None, tuple[DeclarationProblem, ...]]:
    """Return the suite in a YAML file, and the problems in the file. The suite is None if it can't be parsed."""
    status = path.stat()
    return _parse_suite(path, status.st_ino, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=PARSED_SUITES)
def _parse_suite(path: Path, *_stamp: int) -> tuple[Suite | None, tuple[DeclarationProblem, ...]]:
    """Parse the suite in a YAML file. Results are cached, because many callers read the same suite.

    _stamp: the file's inode, modification time and size. If the file is replaced, they change,
    and the new file is parsed.
    """
    parsed = parse_yaml(path)
    if parsed.problems:
        return None, tuple(parsed.problems)
    blanks = [
        parsed.problem(at, "a field of a rule can't be left blank; fill it in, or remove the whole rule", "text")
        for at in parsed.blanks
    ]
    try:
        return Suite.model_validate({} if parsed.data is None else parsed.data), tuple(blanks)
    except ValidationError as error:
        return None, (*blanks, *validation_problems(parsed, Suite, error))
