"""The field `constants` of a declaration: since when the constants typed into features.sql are known."""

from __future__ import annotations

from datetime import date
from typing import Any

from pydantic import Field

from sixtyforty.spec.base import DeclaredModel


class TypedConstant(DeclaredModel):
    """A constant in features.sql that could hold knowledge about outcomes, and since when it is known.

    A constant that isn't declared counts as known since the first run that built features with it.
    """

    value: Any = Field(
        description="The constant, written as in the error message that asks to declare it: a text, a number, a date,"
        " a list such as `[UA, AA]`, or a mapping such as `{UA: 0.2317, AA: 0.31}`."
    )
    known_since: date = Field(
        description="The local day from whose start the constant was known. Features of units that were decided earlier"
        " are tainted."
    )
    why: str = Field(description="Where the constant comes from, and why it was known on that day.")
