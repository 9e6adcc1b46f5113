"""Write docs/reference/declaration.md: every field of a declaration, from the models that check declarations.

`make reference` runs this module.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from expectations.rule_catalog import RULES, list_arguments
from expectations.rules import Suite
from pipelines.authoring.loader import NEEDED_FIRST
from pipelines.authoring.sql_files import SQL_FILES
from pipelines.settings import ROOT
from sixtyforty.ingest.formats.registry import FORMATS
from sixtyforty.spec.fields import describe_type, model_of, unwrap
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.files import write_atomic

FILE = ROOT / "docs" / "reference" / "declaration.md"
INTRODUCTION = """# Declaration

`make reference` writes this page from the models that check a declaration. To change a description, change the model.

A use case is a folder in `pipelines/use_cases/`. Its `defs.yaml` holds the fields below, under `attributes`. SQL files
in the same folder hold the features, the outcomes and the current process. Its suites of rules are in
`expectations/<use case>/`.

A field that isn't known yet is `TODO`, without quotes. The use case is then a draft: its extracts are imported,
checked and profiled. Only {needed} can't be left blank.

SQL can call two functions. `local(time)` converts a UTC time to the use case's timezone. `utc(time)` converts back.

An old name of a field gives an error that names the new one. [Renamed](renamed.md) lists them.
"""
FORMATS_INTRODUCTION = """The content of an extract shows its format. If it doesn't, the ending of `files` decides.
Every format may be compressed with gzip.
"""
SUITE_INTRODUCTION = """# Suite

Each source has a suite of rules. `features.yaml` holds the rules for the features, before the model reads them.
"""
RULES_INTRODUCTION = (
    "The `type` of a rule is one of the names below. A bold argument is required. In `partition.rules`, the columns are"
    " the names of `metrics`.\n"
)


def reference_page() -> str:
    """Return the reference page of a declaration as Markdown."""
    needed = [f"`{name}`" for name in NEEDED_FIRST if UseCase.model_fields[name].is_required()]
    parts = [INTRODUCTION.format(needed=f"{', '.join(needed[:-1])} and {needed[-1]}")]
    parts += _sections(UseCase, "The use case")
    rows = [f"| `{stage}.sql` | {_cell(purpose)} |" for stage, purpose in SQL_FILES.items()]
    parts.append("\n".join(["## SQL files\n", "| file | content |", "|---|---|", *rows]) + "\n")
    formats = [f"- {extract_format.describe()}" for extract_format in FORMATS]
    parts.append("\n".join(["## File formats\n", FORMATS_INTRODUCTION, *formats]) + "\n")
    parts += [SUITE_INTRODUCTION, *_sections(Suite, "The suite")]
    parts += ["## Rules\n", RULES_INTRODUCTION, _rules_table()]
    return "\n".join(parts)


def _sections(root: type[BaseModel], title: str) -> Iterator[str]:
    """Yield one Markdown section for each pydantic model of a declaration.

    The title of a section lists the fields that hold its model. The section of `root` has the title `title` instead.
    """
    paths: dict[type[BaseModel], list[str]] = {}
    for path, model in list_models(root):
        paths.setdefault(model, []).append(path)
    for model, places in paths.items():
        yield f"## {', '.join(places) or title}\n"
        yield f"{inspect.getdoc(model) or ''}\n"
        yield _fields_table(model)


def list_models(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield a pydantic model and all models nested in it, each with its path in defs.yaml.

    In a path, `*` stands for any name and `[]` for any item.
    """
    yield path, model
    for name, field in model.model_fields.items():
        for inner_path, inner_model in _models_in(field.annotation, f"{path}.{name}".lstrip(".")):
            yield from list_models(inner_model, inner_path)


def _models_in(kind: Any, path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    kind = unwrap(kind)[0]
    if model := model_of(kind):
        yield path, model
    elif get_origin(kind) is dict:
        yield from _models_in(get_args(kind)[1], f"{path}.*")
    elif get_origin(kind) is list:
        yield from _models_in(get_args(kind)[0], f"{path}[]")


def _fields_table(model: type[BaseModel]) -> str:
    lines = ["| field | allowed | default | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        if not field.exclude:
            cells = [f"`{name}`", _cell(_allowed(field)), _default(field), _cell(field.description or "")]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _allowed(field: FieldInfo) -> str:
    """Return the text for the column `allowed` of a field, such as "a whole number" or "a mapping"."""
    kind = unwrap(field.annotation)[0]
    if model_of(kind):
        return "a mapping"
    if not list(_models_in(kind, "")):
        return describe_type(field.annotation, field.metadata)
    return "a list of mappings" if get_origin(kind) is list else "a mapping of names to mappings"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    if default is None or default == "" or default == math.inf:
        return "–"
    if isinstance(default, BaseModel):
        return "its defaults"
    if default in ({}, []):
        return "none"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _rules_table() -> str:
    lines = ["| type | arguments |", "|---|---|"]
    for rule in RULES:
        required, allowed = list_arguments(rule)
        cells = ", ".join(f"**{name}**" if name in required else name for name in allowed)
        lines.append(f"| `{rule}` | {cells} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    FILE.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(FILE, reference_page().encode())
