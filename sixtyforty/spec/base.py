"""What all declared things have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

VARIABLE = r"^[A-Z][A-Z0-9_]*$"  # what environment variables are called
NAME = r"^[a-z][a-z0-9_]*$"
Name = Annotated[str, Field(pattern=NAME)]


class DeclaredModel(BaseModel):
    """Base of every declared thing: unknown fields are errors, values don't change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FieldError(ValueError):
    """One thing wrong with a declared field: `field` is its path with dots, `said` goes on from its name.

    `allowed`: what could have been written in place of `given`.
    """

    def __init__(self, field: str, said: str, given: Any = None, allowed: Iterable[Any] | None = None) -> None:
        self.field, self.message, self.written = field, said, given
        self.allowed = None if allowed is None else sorted(map(str, allowed))
        super().__init__(f"{field} {said}".strip() + (f": {self.allowed}" if self.allowed is not None else ""))


class ConflictingFields(ValueError):
    """All that is wrong with how the parts of a declaration go together."""

    def __init__(self, wrongs: Sequence[FieldError]) -> None:
        self.errors = wrongs
        super().__init__("; ".join(map(str, wrongs)))
