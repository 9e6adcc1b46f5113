"""The fields of declared things in words: what may be written where, for error messages and the reference page."""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sixtyforty.spec.base import NAME, VARIABLE

PATTERNS = {
    NAME: "a name in lower case letters, digits and _ that begins with a letter",
    VARIABLE: "the name of an environment variable, such as OWNER_MAIL",
}
PLAIN: dict[Any, str] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    date: "a date such as 2013-06-30",
    Path: "a path",
    Any: "anything",
}
BOUNDS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}


def allowed(kind: Any, metadata: Sequence[Any] = ()) -> str:
    """What may be written for a type with pydantic's constraints: 'a number, at least 0'."""
    kind, extra = bare(kind)
    metadata = [*extra, *metadata]
    origin, parts = get_origin(kind), get_args(kind)
    bounds = [f"{word} {getattr(m, name):g}" for m in metadata for name, word in BOUNDS.items() if hasattr(m, name)]
    least = next((f", of {m.min_length} or more" for m in metadata if hasattr(m, "min_length")), "")
    if pattern := next((m.pattern for m in metadata if getattr(m, "pattern", None)), None):
        said = PATTERNS.get(pattern, f"text that matches {pattern}")
    elif origin is Literal:
        said = "one of " + ", ".join(map(str, parts)) if len(parts) > 1 else str(parts[0])
    elif origin in (Union, types.UnionType):
        said = " or ".join(allowed(p) for p in parts if p is not type(None))
    elif origin is list:
        said = f"a list{least}, each {_each(parts[0])}"
    elif origin is dict:
        said = f"a mapping of names{least}, each to {_each(parts[1])}"
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        said = f"a mapping with the fields {', '.join(spelt(kind))}"
    else:
        said = PLAIN[kind]
    return ", ".join([said, *bounds])


def _each(kind: Any) -> str:
    model = model_of(kind)
    return f"a mapping ({', '.join(spelt(model))})" if model else allowed(kind)


def bare(kind: Any) -> tuple[Any, list[Any]]:
    """A type without what annotates it, and that; of `X | None`, X."""
    metadata: list[Any] = []
    while True:
        if get_origin(kind) is Annotated:
            kind, *extra = get_args(kind)
            metadata += [m for e in extra for m in (e.metadata if isinstance(e, FieldInfo) else [e])]
        elif get_origin(kind) in (Union, types.UnionType) and type(None) in get_args(kind):
            rest = [p for p in get_args(kind) if p is not type(None)]
            if len(rest) > 1:
                return kind, metadata
            kind = rest[0]
        else:
            return kind, metadata


def model_of(kind: Any) -> type[BaseModel] | None:
    """The model a type is, if it is one."""
    kind = bare(kind)[0]
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def spelt(model: type[BaseModel]) -> list[str]:
    """The fields of a model that can be written."""
    return [name for name, field in model.model_fields.items() if not field.exclude]


def inner(kind: Any, step: Any) -> Any:
    """The type below a type: of a model's field, a mapping's value or a list's item; None where there is none."""
    kind = bare(kind)[0]
    if model := model_of(kind):
        field = model.model_fields.get(str(step))
        return Annotated[field.annotation, *field.metadata] if field and field.metadata else field and field.annotation
    if get_origin(kind) is dict and step != "[key]":
        return get_args(kind)[1]
    if get_origin(kind) is list and isinstance(step, int):
        return get_args(kind)[0]
    if get_origin(kind) in (Union, types.UnionType):
        return next((found for p in get_args(kind) if (found := inner(p, step)) is not None), None)
    return None


def follow(model: type[BaseModel], path: Sequence[Any]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Each prefix of a path with the type there, as far as the path leads: pydantic's goes on into unions and keys."""
    kind: Any = model
    yield (), kind
    for n, step in enumerate(path, 1):
        kind = inner(kind, step)
        if kind is None:
            return
        yield tuple(path[:n]), kind
