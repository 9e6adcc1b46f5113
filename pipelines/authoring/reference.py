"""docs/REFERENCE.md: every field of a declaration, from the models that check it. `make reference` writes it."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from expectations.rule_catalog import RULES, arguments
from expectations.suites import Suite
from pipelines.authoring.loader import SQL
from pipelines.settings import ROOT
from sixtyforty.spec.fields import allowed, bare, model_of
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.lake import write_atomic

FILE = ROOT / "docs" / "REFERENCE.md"
HEAD = """# Every field of a declaration

Written by `make reference` from the models that check it: change a field's description there, not here.

A use case is a folder in `pipelines/use_cases/`: `defs.yaml`, below `attributes`, says what follows; SQL beside it says
the rest. Its suites are in `expectations/<use case>/`. What isn't known yet is `TODO`, no quotes: that makes it
a draft, whose extracts are taken in, checked and profiled, no more. Only {first} can't
wait.
In SQL, `local(moment)` is a UTC moment on the use case's own clock, and `utc(time)` the moment of a time on that clock.
"""


def text() -> str:
    """The page."""
    from pipelines.authoring.loader import FIRST

    parts = [HEAD.format(first=", ".join(f"`{f}`" for f in FIRST[:-1]))]
    for path, model in _models(UseCase, ""):
        parts += [f"## {path or 'The use case'}\n", f"{_said(model)}\n", _table(model)]
    parts += ["## SQL\n", "| file | gives |\n|---|---|"]
    parts[-1] += "".join(f"\n| `{stage}.sql` | {_cell(what)} |" for stage, what in SQL.items()) + "\n"
    parts += [
        "# Every field of a suite\n",
        "One for each source, and `features.yaml` for what the model is about to see.\n",
    ]
    for path, model in _models(Suite, ""):
        parts += [f"## {path or 'The suite'}\n", f"{_said(model)}\n", _table(model)]
    parts += ["## Rules\n", "Of `partition.rules` the columns are the names in `metrics`.\n", _rules()]
    return "\n".join(parts)


def _models(model: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """A model and those within it, each with where it is written; `*` stands for a name."""
    yield path, model
    for name, field in model.model_fields.items():
        for below, inner in _within(field.annotation, f"{path}.{name}".lstrip(".")):
            yield from _models(inner, below)


def _within(kind: Any, path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    kind = bare(kind)[0]
    if model := model_of(kind):
        yield path, model
    elif get_origin(kind) is dict:
        yield from _within(get_args(kind)[1], f"{path}.*")
    elif get_origin(kind) is list:
        yield from _within(get_args(kind)[0], f"{path}[]")


def _said(model: type[BaseModel]) -> str:
    return inspect.getdoc(model) or ""


def _table(model: type[BaseModel]) -> str:
    lines = ["| field | what may be written | if left out | what it is for |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        if not field.exclude:
            cells = [f"`{name}`", _cell(_kind(field)), _default(field), _cell(field.description or "")]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _kind(field: FieldInfo) -> str:
    """As errors say it; what has a section of its own only by what it is."""
    kind = bare(field.annotation)[0]
    if model_of(kind):
        return "a mapping"
    if not list(_within(kind, "")):
        return allowed(field.annotation, field.metadata)
    return "a list of mappings" if get_origin(kind) is list else "a mapping of names to mappings"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True)
    if value is None or value == "" or value == math.inf:
        return "–"
    if isinstance(value, BaseModel):
        return "its defaults"
    if value in ({}, []):
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _rules() -> str:
    lines = ["| type | arguments |", "|---|---|"]
    for rule in RULES:
        needed, taken = arguments(rule)
        lines.append(f"| `{rule}` | {', '.join(f'**{a}**' if a in needed else a for a in taken)} |")
    return "\n".join(lines) + "\n"


def _cell(said: str) -> str:
    return " ".join(said.split()).replace("|", "\\|")


if __name__ == "__main__":
    write_atomic(FILE, text().encode())
