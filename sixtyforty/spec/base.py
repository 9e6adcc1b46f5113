"""The base class of all pydantic models of a declaration, and the patterns that names in a declaration must match."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

VARIABLE = r"^[A-Z][A-Z0-9_]*$"  # names of environment variables
NAME = r"^[a-z][a-z0-9_]*$"
Name = Annotated[str, Field(pattern=NAME)]


class DeclaredModel(BaseModel):
    """Base of every pydantic model of a declaration. Unknown fields are errors, and instances are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)
