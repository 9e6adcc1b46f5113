"""The errors that a user can cause or fix. `SixtyfortyError` is their base class."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sixtyforty.spec.shown_url import hide_passwords


class SixtyfortyError(Exception):
    """Base of every error that a user can cause or fix. Its message says what happened, where, and what to do next.

    The message shows no password of a URL.
    """

    def __str__(self) -> str:
        return hide_passwords(super().__str__())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class InterruptedRunError(SixtyfortyError):
    """A signal ended a run, such as Ctrl-C. signal: its number."""

    def __init__(self, message: str, signal: int) -> None:
        self.signal = signal
        super().__init__(message)


class FieldError(ValueError):
    """One wrong field of a declaration. It is a ValueError, because pydantic's validators must raise a ValueError.

    field: the path of the field, with dots. In a validator, the path is relative to the validated model; "" is the
    model itself.
    message: what is wrong, as a clause without a full stop.
    written: the wrong text.
    allowed: the texts that are valid instead. The message suggests the text that is closest to `written`.
    """

    def __init__(self, field: str, message: str, written: Any = None, allowed: Iterable[Any] | None = None) -> None:
        self.field, self.message, self.written = field, message, written
        self.allowed = None if allowed is None else sorted(map(str, allowed))
        listed = "" if self.allowed is None else f" (allowed: {', '.join(self.allowed) or 'none'})"
        super().__init__((f"{field}: " if field else "") + message + listed)


class ConflictingFields(SixtyfortyError):
    """Some fields of a declaration contradict each other. `errors` holds one FieldError for each contradiction."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = errors
        super().__init__("; ".join(map(str, errors)))


@dataclass(frozen=True)
class DeclarationProblem:
    """One problem to fix in a declaration: file, line, field and message.

    field: a path with dots; empty if the problem concerns the whole file.
    message: a clause without a full stop.
    allowed: what the user may write instead, in words.
    suggestion: the text that the user probably meant.
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
    """A declaration has problems. The message lists one problem per line, sorted by file and line."""

    def __init__(self, name: str, problems: Iterable[DeclarationProblem]) -> None:
        self.problems = sorted(set(problems), key=lambda p: (str(p.file), p.line, p.field, p.message))
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__("\n  ".join([f"The declaration of {name} has {count}:", *map(str, self.problems)]))


def closest_match(written: Any, choices: Iterable[Any]) -> str:
    """Return the choice that is most similar to a text that a user wrote; empty if none is similar."""
    matches = difflib.get_close_matches(str(written), [str(choice) for choice in choices], n=1, cutoff=0.6)
    return matches[0] if matches else ""


def _relative(file: Path) -> str:
    try:
        return str(file.relative_to(Path.cwd()))
    except ValueError:
        return str(file)
