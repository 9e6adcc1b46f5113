"""Describe in words what may be written in each field of a declaration, for errors and for the reference page."""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sixtyforty.spec.base import NAME, VARIABLE

KEY = "[key]"  # pydantic adds this element to the path of an error in a mapping's key, not in a mapping's value
PATTERNS = {
    NAME: "a name of lower case letters, digits and _ that starts with a letter",
    VARIABLE: "the name of an environment variable, such as OWNER_MAIL",
}
TYPES: dict[Any, str] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    date: "a date such as 2013-06-30",
    Path: "a path",
    Any: "anything",
}
BOUNDS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}


def describe_type(kind: Any, constraints: Sequence[Any] = ()) -> str:
    """Return in words what a user may write in a field of this type, such as 'a number, at least 0'."""
    kind, annotated = unwrap(kind)
    constraints = [*annotated, *constraints]
    bounds = [
        f"{word} {getattr(constraint, name):g}"
        for constraint in constraints
        for name, word in BOUNDS.items()
        if hasattr(constraint, name)
    ]
    pattern = next((c.pattern for c in constraints if getattr(c, "pattern", None)), None)
    if pattern:
        return ", ".join([PATTERNS.get(pattern, f"text that matches {pattern}"), *bounds])
    minimum = next((f", of {c.min_length} or more" for c in constraints if hasattr(c, "min_length")), "")
    return ", ".join([_describe_plain(kind, minimum), *bounds])


def _describe_plain(kind: Any, minimum: str) -> str:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments)) if len(arguments) > 1 else str(arguments[0])
    if origin in (Union, types.UnionType):
        return _join_alternatives([describe_type(part) for part in arguments if part is not type(None)])
    if origin is list:
        return f"a list{minimum}, each {_describe_item(arguments[0])}"
    if origin is dict:
        return f"a mapping of names{minimum}, each to {_describe_item(arguments[1])}"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return f"a mapping with the fields {', '.join(field_names(kind))}"
    return TYPES[kind]


def _join_alternatives(texts: list[str]) -> str:
    separator = ", or " if any("," in text for text in texts) else " or "
    return separator.join(texts)


def _describe_item(kind: Any) -> str:
    model = model_of(kind)
    return f"a mapping ({', '.join(field_names(model))})" if model else describe_type(kind)


def unwrap(kind: Any) -> tuple[Any, list[Any]]:
    """Return a type without `Annotated` and `| None`, and the list of constraints from its `Annotated`."""
    constraints: list[Any] = []
    while True:
        if get_origin(kind) is Annotated:
            kind, *extra = get_args(kind)
            constraints += [c for e in extra for c in (e.metadata if isinstance(e, FieldInfo) else [e])]
        elif get_origin(kind) in (Union, types.UnionType) and type(None) in get_args(kind):
            rest = [part for part in get_args(kind) if part is not type(None)]
            if len(rest) > 1:
                return kind, constraints
            kind = rest[0]
        else:
            return kind, constraints


def model_of(kind: Any) -> type[BaseModel] | None:
    """Return the pydantic model class inside a type such as `Model | None`; None if the type contains no model."""
    kind = unwrap(kind)[0]
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def field_names(model: type[BaseModel]) -> list[str]:
    """Return the names of a pydantic model's fields that can be written in a declaration."""
    return [name for name, field in model.model_fields.items() if not field.exclude]


def type_below(kind: Any, step: Any) -> Any:
    """Return the type of a field, of a mapping's values or of a list's items; None if there is no such field or item.

    kind: the type of the pydantic model, mapping or list. step: the field's name, the mapping's key, or the position in
    the list.
    """
    kind = unwrap(kind)[0]
    if model := model_of(kind):
        field = model.model_fields.get(str(step))
        return Annotated[field.annotation, *field.metadata] if field and field.metadata else field and field.annotation
    if get_origin(kind) is dict and step != KEY:
        return get_args(kind)[1]
    if get_origin(kind) is list and isinstance(step, int):
        return get_args(kind)[0]
    if get_origin(kind) in (Union, types.UnionType):
        return next((below for part in get_args(kind) if (below := type_below(part, step)) is not None), None)
    return None


def types_along(model: type[BaseModel], path: Sequence[Any]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield each prefix of a field path with the type of the field that it leads to, shortest prefix first.

    It stops at the first element of the path that doesn't exist in the model. Paths in pydantic's errors have such
    elements: they also name members of unions and mark the keys of mappings.
    """
    kind: Any = model
    yield (), kind
    for length, step in enumerate(path, 1):
        kind = type_below(kind, step)
        if kind is None:
            return
        yield tuple(path[:length]), kind


def deepest_type(model: type[BaseModel], path: Sequence[Any]) -> tuple[tuple[Any, ...], Any]:
    """Return the longest prefix of a field path that exists in a pydantic model, and the type of the field there."""
    *_, deepest = types_along(model, path)
    return deepest
