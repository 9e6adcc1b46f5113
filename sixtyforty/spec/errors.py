"""The errors that people can cause or cure. `SixtyfortyError` is the base of all of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class SixtyfortyError(Exception):
    """Base of every error that a user can cause or cure. Its text names what happened, where, and what to do next."""


class FieldError(ValueError):
    """One wrong field of a declaration. Validators raise it, so pydantic needs it to be a ValueError.

    `field` is the path of the field, with dots. `written` is the wrong text, and `allowed` lists what may stand in its
    place: the message suggests the closest of them.
    """

    def __init__(self, field: str, message: str, written: Any = None, allowed: Iterable[Any] | None = None) -> None:
        self.field, self.message, self.written = field, message, written
        self.allowed = None if allowed is None else sorted(map(str, allowed))
        listed = "" if self.allowed is None else f" (allowed: {', '.join(self.allowed) or 'none'})"
        super().__init__((f"{field}: " if field else "") + message + listed)


class ConflictingFields(SixtyfortyError):
    """The fields of a declaration that contradict each other."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = errors
        super().__init__("; ".join(map(str, errors)))


@dataclass(frozen=True)
class DeclarationProblem:
    """One problem to fix in a declaration: file, line, field and message.

    `field` is a path with dots; it is empty when the problem is the file itself. `message` is a clause without a full
    stop. `allowed` says what may be written, `suggestion` what was probably meant.
    """

    file: Path
    line: int
    field: str
    message: str
    allowed: str = ""
    suggestion: str = ""

    def __str__(self) -> str:
        parts = [f"{_relative(self.file)}:{self.line}: " + (f"{self.field}: " if self.field else "") + self.message]
        if self.suggestion:
            parts.append(f"Did you mean '{self.suggestion}'?")
        if self.allowed:
            parts.append(f"Allowed: {self.allowed}")
        return " ".join(part if part.endswith(("?", ".")) else f"{part}." for part in parts)


class DeclarationError(SixtyfortyError):
    """All problems of a declaration, one per line, in the order of files and lines."""

    def __init__(self, name: str, problems: Iterable[DeclarationProblem]) -> None:
        self.problems = sorted(set(problems), key=lambda p: (str(p.file), p.line, p.field, p.message))
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__("\n  ".join([f"The declaration of {name} has {count}:", *map(str, self.problems)]))


def closest_match(written: Any, choices: Iterable[Any]) -> str:
    """Return the choice that was probably meant, or an empty text when none is close."""
    matches = difflib.get_close_matches(str(written), [str(choice) for choice in choices], n=1, cutoff=0.6)
    return matches[0] if matches else ""


def _relative(file: Path) -> str:
    try:
        return str(file.relative_to(Path.cwd()))
    except ValueError:
        return str(file)
