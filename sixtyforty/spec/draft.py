"""A use case that is being written: what is still blank, why it matters, and what can be done without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sixtyforty.spec.use_case import UseCase

NOBODY = "team:nobody_yet"  # owns what has no owner yet: Dagster wants one that looks like it


@dataclass(frozen=True)
class Blank:
    """Something to fill in: a field, or a file of SQL; `why` says what it is for."""

    path: str
    purpose: str
    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.path} ({self.file.name}:{self.line}): {self.purpose}"


class BlankFieldError(ValueError):
    """What was asked needs a part of the declaration that isn't filled in yet."""


class Draft(UseCase):
    """A use case with blanks. Its sources are declared, so they can be taken in, checked and profiled; no more.

    A part with a blank in it isn't there: reading it raises BlankFieldError, which says what to fill in.
    """

    blanks: tuple[Blank, ...] = ()

    @classmethod
    def of(cls, parts: dict[str, Any], missing: Sequence[Blank], folder: Path) -> Draft:
        """From the parts that are filled in, checked already. Of the responses to decisions there are none."""
        people = parts.get("people")
        sources = {n: s for n, s in parts["sources"].items() if people is None or n != people.responses}
        shown = {"title": parts["name"], "owner": NOBODY, "stage": "poc"} | parts | {"sources": sources}
        return cls.model_construct(**shown, missing=tuple(missing), folder=folder)

    @property
    def inputs(self) -> dict[str, Any]:
        """All its sources."""
        return self.sources

    if not TYPE_CHECKING:  # else any name would be an attribute to mypy

        def __getattr__(self, name: str) -> Any:
            if name not in type(self).model_fields:
                return super().__getattr__(name)
            mine = [b for b in self.blanks if b.what.split(".")[0] == name]
            said = "; ".join(map(str, mine)) or f"{name} isn't filled in"
            raise BlankFieldError(f"{self.name} is a draft: fill in {said}")
