"""A complete declaration, made invalid in every way that the types of its fields allow."""

from __future__ import annotations

import copy
import types
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import pytest
from pydantic import BaseModel

from pipelines.authoring import loader
from sixtyforty.spec.errors import DeclarationError, DeclarationProblem
from sixtyforty.spec.fields import field_names, model_of, type_below, unwrap
from sixtyforty.spec.use_case import UseCase
from tests.full_declaration import FULL

FieldPath = tuple[Any, ...]
REMOVED = object()  # stands for a field that is left out


@dataclass(frozen=True)
class Mutation:
    """One way to make a declaration invalid: the kind of error, where it is, and the text to put there."""

    kind: str
    path: FieldPath
    replacement: Any

    def __str__(self) -> str:
        return f"{self.kind} {'.'.join(map(str, self.path))}"


def models_in(kind: Any, content: Any, path: FieldPath = ()) -> Iterator[tuple[FieldPath, type[BaseModel], Any]]:
    """Yield every model of a declaration, with its path and its content."""
    model = model_of(kind)
    if model:
        yield path, model, content
    steps = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for step, inner in steps:
        inner_kind = type_below(kind, step)
        if inner_kind is not None:
            yield from models_in(inner_kind, inner, (*path, step))


def value_of_another_type(kind: Any) -> Any:
    """Return a value that the type refuses; None if it accepts every value."""
    kind = unwrap(kind)[0]
    if get_origin(kind) is Literal:
        return "zzz"
    is_union = get_origin(kind) in (Union, types.UnionType)
    if is_union and any(map(model_of, get_args(kind))):
        return "text"
    if kind is str or is_union:
        return {"a": "mapping"}
    if kind in (int, float, bool, date):
        return "christmas"
    return "text" if kind is not Any else None


def mutations(kind: Any, content: Any) -> Iterator[Mutation]:
    """Yield each field of each model, made invalid in each way that its type allows."""
    for path, model, written in models_in(kind, content):
        yield Mutation("unknown", (*path, "colour"), "blue")
        for name in field_names(model):
            yield from _field_mutations(model, name, (*path, name))
            if name in written:
                yield Mutation("misspelt", (*path, name + name[-1]), written[name])


def _field_mutations(model: type[BaseModel], name: str, path: FieldPath) -> Iterator[Mutation]:
    field = model.model_fields[name]
    plain, constraints = unwrap(field.annotation)
    other = value_of_another_type(field.annotation)
    if other is not None:
        yield Mutation("type", path, other)
    if field.is_required():
        yield Mutation("missing", path, REMOVED)
        if plain is field.annotation:
            yield Mutation("empty", path, None)
    if get_origin(plain) is Literal and isinstance(get_args(plain)[0], str) and len(get_args(plain)[0]) > 1:
        yield Mutation("nearly", path, get_args(plain)[0][:-1] + "x")
    for constraint in [*field.metadata, *constraints]:
        for bound, offset in (("ge", -1), ("gt", 0), ("le", 1), ("lt", 0)):
            if hasattr(constraint, bound):
                yield Mutation("range", path, getattr(constraint, bound) + offset)
        if getattr(constraint, "pattern", None):
            yield Mutation("pattern", path, "Not A-Name!")
        if hasattr(constraint, "min_length"):
            yield Mutation("empty", path, get_origin(plain)())


def replaced(declared: dict[str, Any], path: FieldPath, replacement: Any, kind: str = "") -> dict[str, Any]:
    """Return a copy of a declaration with something else at a path."""
    changed = copy.deepcopy(declared)
    parent: Any = changed
    for step in path[:-1]:
        parent = parent[step]
    if kind == "misspelt":
        del parent[path[-1][:-1]]
    if replacement is REMOVED:
        del parent[path[-1]]
    else:
        parent[path[-1]] = replacement
    return changed


def load_problems(folder: Path, rules: Path, sql: bool = False) -> list[DeclarationProblem]:
    """Load an invalid declaration and return its problems. The error shows one line for each, and no traceback."""
    with pytest.raises(DeclarationError) as error:
        loader.load_declaration(folder, rules, sql)
    message = str(error.value)
    assert "Traceback" not in message and "pydantic" not in message
    assert message.count("\n") == len(error.value.problems)
    return error.value.problems


def is_on_its_line(problem: DeclarationProblem, path: FieldPath) -> bool:
    """Return whether a problem names the line of its field, or of the field that encloses it."""
    line = problem.file.read_text().splitlines()[problem.line - 1].strip().lstrip("- ")
    steps = [step for step in path[-2:] if isinstance(step, str)]
    is_named = any(line.startswith((f"{step}:", f"'{step}':")) for step in steps)
    return is_named or len(path) == 1 or isinstance(path[-2], int)


DECLARATION_MUTATIONS = list(mutations(UseCase, FULL))
