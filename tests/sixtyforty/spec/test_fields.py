"""Types are described in words, and paths lead through models, mappings and lists."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from sixtyforty.spec.base import VARIABLE, DeclaredModel, Name
from sixtyforty.spec.fields import (
    KEY,
    deepest_type,
    describe_type,
    field_names,
    model_of,
    type_below,
    types_along,
    unwrap,
)
from sixtyforty.spec.use_case import UseCase


class Inner(DeclaredModel):
    """A model with a hidden field."""

    size: int
    hidden: int = Field(default=0, exclude=True)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (str, "text"),
        (bool, "true or false"),
        (date | None, "a date such as 2013-06-30"),
        (Annotated[float, Field(ge=0, lt=1)], "a number, at least 0, below 1"),
        (Literal["a", "b"], "one of a, b"),
        (Literal["a"], "a"),
        (int | str, "a whole number or text"),
        (Annotated[int, Field(ge=0)] | str, "a whole number, at least 0, or text"),
        (list[int], "a list, each a whole number"),
        (Annotated[list[str], Field(min_length=1)], "a list, of 1 or more, each text"),
        (dict[str, Inner], "a mapping of names, each to a mapping (size)"),
        (Inner, "a mapping with the fields size"),
        (Name, "a name of lower case letters, digits and _ that starts with a letter"),
        (Annotated[str, Field(pattern=VARIABLE)], "the name of an environment variable, such as OWNER_MAIL"),
        (Annotated[str, Field(pattern="x+")], "text that matches x+"),
        (Any, "anything"),
    ],
)
def test_a_type_is_described_in_words(kind: Any, text: str) -> None:
    assert describe_type(kind) == text


def test_excluded_fields_cannot_be_written() -> None:
    assert field_names(Inner) == ["size"] and model_of(Inner | None) is Inner and model_of(str) is None


def test_annotations_and_none_are_removed() -> None:
    kind, constraints = unwrap(Annotated[int, Field(gt=3)] | None)
    assert kind is int and [c.gt for c in constraints] == [3]


def test_a_path_leads_as_far_as_it_exists() -> None:
    path = ("kpi", "actions", "act", "cost", "float")
    assert [prefix for prefix, _ in types_along(UseCase, path)] == [path[:n] for n in range(5)]
    assert deepest_type(UseCase, path)[0] == path[:4]
    assert type_below(dict[str, int], "x") is int and type_below(dict[str, int], KEY) is None
    assert type_below(list[int], 0) is int and type_below(list[int], "x") is None
