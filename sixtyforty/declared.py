"""What all declared things have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

VARIABLE = r"^[A-Z][A-Z0-9_]*$"  # what environment variables are called
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Declared(BaseModel):
    """Base of every declared thing: unknown fields are errors, values don't change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)
