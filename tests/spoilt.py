"""A full declaration, wrong in every way its fields' types allow, and how each is told."""

from __future__ import annotations

import copy
import types
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import pytest
from pydantic import BaseModel

from pipelines.authoring import loader
from sixtyforty.spec.errors import DeclarationProblem, DeclarationError
from sixtyforty.spec.fields import bare, inner, model_of, spelt
from sixtyforty.spec.use_case import UseCase
from tests.declared import FULL

At = tuple[Any, ...]
Case = tuple[str, At, Any]  # the way it is wrong, where, and the value put there; GONE: nothing is
GONE = object()


def models(kind: Any, data: Any, at: At = ()) -> Iterator[tuple[At, type[BaseModel], dict[str, Any]]]:
    """Every model within a declaration, with where it is."""
    model = model_of(kind)
    if model:
        yield at, model, data
    steps = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, value in steps:
        below = inner(kind, step)
        if below is not None:
            yield from models(below, value, (*at, step))


def misfitting(kind: Any) -> Any:
    """A value that is none of the type's."""
    kind = bare(kind)[0]
    if get_origin(kind) is Literal:
        return "zzz"
    if kind is str or get_origin(kind) in (Union, types.UnionType):
        return {"a": "mapping"}
    if kind in (int, float, bool, date):
        return "christmas"
    return "text" if kind is not Any else None


def ways(kind: Any, data: Any) -> Iterator[Case]:
    """Each field of each model wrong in each way its type allows."""
    for at, model, here in models(kind, data):
        yield "unknown", (*at, "colour"), "blue"
        for name in spelt(model):
            field, path = model.model_fields[name], (*at, name)
            plain, extra = bare(field.annotation)
            metadata = [*field.metadata, *extra]
            wrong = misfitting(field.annotation)
            if wrong is not None:
                yield "type", path, wrong
            if field.is_required() and bare(field.annotation)[0] is field.annotation:
                yield "empty", path, None
            if field.is_required():
                yield "missing", path, GONE
            if name in here:
                yield "misspelt", (*at, name + name[-1]), here[name]
            if get_origin(plain) is Literal and isinstance(get_args(plain)[0], str):
                yield "nearly", path, get_args(plain)[0][:-1] + "x"
            for m in metadata:
                for bound, off in (("ge", -1), ("gt", 0), ("le", 1), ("lt", 0)):
                    if hasattr(m, bound):
                        yield "range", path, getattr(m, bound) + off
                if getattr(m, "pattern", None):
                    yield "pattern", path, "Not A-Name!"
                if hasattr(m, "min_length"):
                    yield "empty", path, get_origin(plain)()


def spoilt(data: dict[str, Any], at: At, value: Any, way: str) -> dict[str, Any]:
    """A copy with something else at a path."""
    found = copy.deepcopy(data)
    here: Any = found
    for step in at[:-1]:
        here = here[step]
    if way == "misspelt":
        del here[at[-1][:-1]]
    if value is GONE:
        del here[at[-1]]
    else:
        here[at[-1]] = value
    return found


def refused(place: Path, rules: Path, sql: bool = False) -> list[DeclarationProblem]:
    with pytest.raises(DeclarationError) as told:
        loader.load(place, rules, sql)
    assert "Traceback" not in str(told.value) and "pydantic" not in str(told.value)
    assert str(told.value).count("\n") == len(told.value.problems), "a line each"
    return told.value.problems


def at_its_line(m: DeclarationProblem, at: At) -> bool:
    """Whether the line told is that of the field, or of what it should stand in."""
    line = m.file.read_text().splitlines()[m.line - 1].strip().lstrip("- ")
    steps = [step for step in at[-2:] if isinstance(step, str)]
    return any(line.startswith((f"{s}:", f"'{s}':")) for s in steps) or len(at) == 1 or isinstance(at[-2], int)


DECLARATION_WAYS = list(ways(UseCase, FULL))


def named(case: Case) -> str:
    return f"{case[0]} {'.'.join(map(str, case[1]))}"
