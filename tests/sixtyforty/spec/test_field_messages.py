"""Refused fields become problems that name what is allowed and what was probably meant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError, model_validator

from sixtyforty.spec.base import VARIABLE, DeclaredModel, Name
from sixtyforty.spec.errors import DeclarationProblem, FieldError
from sixtyforty.spec.field_messages import field_problem, validation_problems
from sixtyforty.spec.yaml_positions import parse_yaml


class Sale(DeclaredModel):
    """A number of days, and the weekday on which it starts."""

    days: int
    starts: Literal["monday", "friday"]


class Shop(DeclaredModel):
    """A model with one field of each kind."""

    size: int = 1
    price: float = 1.0
    colour: Literal["red", "green"] = "red"
    tags: list[str] = Field(default_factory=list)
    prices: dict[Name, float] = Field(default_factory=dict)
    columns: dict[str, str] = Field(default_factory=dict)
    mail: Annotated[str, Field(pattern=VARIABLE)] = "MAIL"
    sale: Annotated[int, Field(gt=0)] | Sale | None = None

    @model_validator(mode="after")
    def _check_size(self) -> Shop:
        if self.size > 100:
            raise FieldError("size", "the shop is too large", self.size, [1, 100])
        if self.price < 0:
            raise ValueError("price must not be negative")
        return self


def problems_of(text: str, folder: Path) -> list[DeclarationProblem]:
    """Return the problems of a shop that is declared in YAML."""
    file = folder / "defs.yaml"
    file.write_text(text)
    parsed = parse_yaml(file)
    with pytest.raises(ValidationError) as error:
        Shop.model_validate(parsed.data)
    return validation_problems(parsed, Shop, error.value)


@pytest.mark.parametrize(
    ("text", "field", "message", "suggestion"),
    [
        ("colur: red", "colur", "there is no field 'colur'", "colour"),
        ("colour: grene", "colour", "'grene' is not valid here", "green"),
        ("colour: {a: 1}", "colour", "a mapping is not valid here", ""),
        ("colour:", "colour", "the field is empty; write TODO to fill it in later", ""),
        (
            "columns: {price: DECIMAL(12,2)}",
            "columns.2)",
            "a type with a comma needs quotes within braces, such as {price: 'DECIMAL(12,2)'}",
            "",
        ),
        ("size: 3 kg", "size", "'3 kg' is not valid here", "3"),
        ("size: 3.7", "size", "'3.7' is not valid here", "4"),
        ("tags: new", "tags", "'new' is not valid here", "[new]"),
        ("prices: {Late Orders: 1}", "prices.Late Orders", "'Late Orders' is not a valid name", "late_orders"),
        ("mail: owner mail", "mail", "'owner mail' is not valid here", "OWNER_MAIL"),
        ("size: 200", "size", "the shop is too large", "100"),
        ("sale: soon", "sale", "'soon' is not valid here", ""),
        ("sale: 0", "sale", "'0' is not valid here", ""),
        ("sale: {days: 3, starts: fryday}", "sale.starts", "'fryday' is not valid here", "friday"),
        ("sale: {days: 3}", "sale.starts", "the field is missing", ""),
        ("sale: {days: 3, starts: monday, day: 3}", "sale.day", "there is no field 'day'", "days"),
        ("price: -1", "price", "price must not be negative", ""),
    ],
)
def test_a_refused_field_says_what_was_meant(
    text: str, field: str, message: str, suggestion: str, tmp_path: Path
) -> None:
    (problem,) = problems_of(text, tmp_path)
    assert (problem.field, problem.message, problem.suggestion) == (field, message, suggestion)
    assert problem.line == 1


def test_an_error_that_only_comes_from_a_blank_is_left_out(tmp_path: Path) -> None:
    problems = problems_of("tags: [TODO]\nprices: {a: TODO}\nsize: x", tmp_path)
    assert [p.field for p in problems] == ["size"]


def test_a_field_error_without_choices_says_that_none_is_declared(tmp_path: Path) -> None:
    file = tmp_path / "defs.yaml"
    file.write_text("size: 1")
    assert field_problem(parse_yaml(file), FieldError("size", "wrong", 1, [])).allowed == "none is declared yet"
