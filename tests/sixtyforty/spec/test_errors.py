"""An error names what happened, where, and what to do next."""

from __future__ import annotations

from pathlib import Path

import pytest

from sixtyforty.spec.errors import (
    ConflictingFields,
    DeclarationError,
    DeclarationProblem,
    FieldError,
    SixtyfortyError,
    closest_match,
)

FILE = Path.cwd() / "defs.yaml"


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (DeclarationProblem(FILE, 3, "", "the file is empty"), "defs.yaml:3: the file is empty."),
        (DeclarationProblem(FILE, 3, "kpi", "is wrong"), "defs.yaml:3: kpi: is wrong."),
        (
            DeclarationProblem(FILE, 3, "kpi", "is wrong", allowed="a, b", suggestion="b"),
            "defs.yaml:3: kpi: is wrong. Did you mean 'b'? Allowed: a, b.",
        ),
        (DeclarationProblem(Path("/x/y.sql"), 1, "", "the file is missing"), "/x/y.sql:1: the file is missing."),
    ],
)
def test_a_problem_is_one_line_with_file_line_and_field(problem: DeclarationProblem, text: str) -> None:
    assert str(problem) == text


def test_a_declaration_error_lists_each_problem_once_in_the_order_of_lines() -> None:
    problems = [DeclarationProblem(FILE, line, "kpi", "is wrong") for line in (9, 2, 9)]
    error = DeclarationError("calls", problems)
    assert isinstance(error, SixtyfortyError)
    assert str(error).splitlines() == [
        "The declaration of calls has 2 problems:",
        "  defs.yaml:2: kpi: is wrong.",
        "  defs.yaml:9: kpi: is wrong.",
    ]
    assert str(DeclarationError("calls", problems[:1])).startswith("The declaration of calls has 1 problem:")


def test_a_field_error_lists_what_is_allowed() -> None:
    assert str(FieldError("kpi.target", "the number is missing")) == "kpi.target: the number is missing"
    assert str(FieldError("", "wrong", "x", ["b", "a"])) == "wrong (allowed: a, b)"
    assert str(FieldError("", "wrong", "x", [])) == "wrong (allowed: none)"


def test_conflicts_are_listed_together() -> None:
    assert str(ConflictingFields([FieldError("a", "x"), FieldError("b", "y")])) == "a: x; b: y"


@pytest.mark.parametrize(("written", "match"), [("exakt", "exact"), ("zzz", ""), (None, "")])
def test_the_closest_match_is_suggested(written: str | None, match: str) -> None:
    assert closest_match(written, ["exact", "randomized"]) == match
