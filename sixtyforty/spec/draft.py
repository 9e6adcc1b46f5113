"""A draft: a use case whose declaration still has blank fields. Its extracts can be imported, checked and profiled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.sources import Source
from sixtyforty.spec.use_case import UseCase

NO_OWNER = "team:nobody_yet"  # Dagster requires an owner in this form


@dataclass(frozen=True)
class Blank:
    """A field or a SQL file that is still to be filled in.

    path: the field's path with dots, or the name of the SQL file.
    purpose: what the field or the SQL file is for.
    file, line: where the author must write the field or the SQL.
    """

    path: str
    purpose: str
    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.path} ({self.file.name}:{self.line}): {self.purpose}"


class BlankFieldError(SixtyfortyError):
    """A field or a SQL file of the declaration is needed, but still blank."""


class PartialUseCase(UseCase, defer_build=True):  # never validated, so pydantic need not build its validator
    """A use case with only some of its top-level fields. Create it with `model_construct`.

    Code must look up a field in `filled_in` before it reads the field.
    """

    @property
    def filled_in(self) -> set[str]:
        """The names of the declaration's top-level fields that are filled in and valid."""
        return self.model_fields_set - {"folder"}


class Draft(UseCase):
    """A use case with blank fields. Reading a field that has a blank raises BlankFieldError, which names the blank."""

    blanks: tuple[Blank, ...] = ()

    @classmethod
    def from_partial(cls, partial: PartialUseCase, blanks: Sequence[Blank]) -> Draft:
        """Return a draft with the fields of a partial use case, which must have `name` and `sources`.

        The source of people's responses is left out, because it needs decisions.
        blanks: the fields and SQL files that are still to be filled in.
        """
        responses = partial.people.responses if "people" in partial.filled_in else None
        sources = {name: source for name, source in partial.sources.items() if name != responses}
        defaults = {"title": partial.name, "owner": NO_OWNER, "stage": "poc"}
        filled_in = {name: getattr(partial, name) for name in partial.model_fields_set}
        return cls.model_construct(**defaults | filled_in | {"sources": sources, "blanks": tuple(blanks)})

    @property
    def inputs(self) -> dict[str, Source]:
        """All sources of the draft, by name."""
        return self.sources

    if not TYPE_CHECKING:  # otherwise mypy accepts any attribute name

        def __getattr__(self, name: str) -> Any:
            if name not in type(self).model_fields:
                return super().__getattr__(name)
            blanks = [blank for blank in self.blanks if blank.path.split(".")[0] == name]
            missing = "; ".join(map(str, blanks)) or name
            raise BlankFieldError(f"The use case {self.name} is a draft. Fill in {missing}")
