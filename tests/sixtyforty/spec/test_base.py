"""Declared models refuse unknown fields and changes; names are lower case."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sixtyforty.spec.base import DeclaredModel, Name


class Shop(DeclaredModel):
    """A model with one field."""

    name: Name


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="colour"):
        Shop.model_validate({"name": "corner_shop", "colour": "blue"})


def test_a_model_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Shop(name="corner_shop").name = "other"  # type: ignore[misc]


@pytest.mark.parametrize("name", ["Corner", "1shop", "corner-shop", ""])
def test_a_name_has_lower_case_letters_digits_and_underscores(name: str) -> None:
    with pytest.raises(ValidationError, match="name"):
        Shop(name=name)
