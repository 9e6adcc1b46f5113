"""A check of the installation, and its result. `doctor` runs the checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sixtyforty.spec.errors import DeclarationError, SixtyfortyError


class NotAvailableError(SixtyfortyError):
    """Something that the chain needs is not available. The message says what is missing."""


@dataclass(frozen=True)
class Check:
    """A check of the installation. `look` describes the state of `thing`, or raises an error for a problem."""

    thing: str
    needed: bool  # Whether the chain cannot run if this check fails.
    look: Callable[[], str]
    cure: str


@dataclass(frozen=True)
class Examination:
    """The result of a check. `found` describes the state of the thing checked. `cure` is None if the check passed."""

    thing: str
    ok: bool
    needed: bool
    found: str
    cure: str | None


def examine_check(check: Check) -> Examination:
    """Run a check. An error of any kind is its result."""
    try:
        return Examination(check.thing, True, check.needed, check.look(), None)
    except Exception as error:  # Any error is a result to report, and must not stop the other checks.
        return Examination(check.thing, False, check.needed, _summary(error), check.cure)


def _summary(error: Exception) -> str:
    """Return the first line of an error message, or all lines of a DeclarationError, which lists fields."""
    lines = str(error).splitlines() or [type(error).__name__]
    return str(error) if isinstance(error, DeclarationError) else lines[0]
