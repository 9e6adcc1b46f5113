"""Turn pydantic's validation errors into messages with file, line and field, what is allowed, and a suggestion.

For a misspelled field, the message lists the fields that exist and suggests the most similar one. For a field name that
an earlier version used, the message gives the new name.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Sequence
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from sixtyforty.spec.errors import DeclarationProblem, FieldError, closest_match
from sixtyforty.spec.fields import KEY, deepest_type, describe_type, field_names, model_of, types_along, unwrap
from sixtyforty.spec.renamed_fields import renamed_field, renamed_value
from sixtyforty.spec.yaml_positions import FieldPath, ParsedYaml

PydanticError = Any  # one entry of ValidationError.errors(): a dict with type, loc, input and ctx


def validation_problems(parsed: ParsedYaml, model: type[BaseModel], error: ValidationError) -> list[DeclarationProblem]:
    """Return the problems that a pydantic error reports, at most one per field path.

    parsed: the YAML that pydantic validated. model: the pydantic model that refused it. Errors about fields that are
    still blank are left out.
    """
    entries = [located for entry in error.errors() if (located := _locate(model, entry))]
    missing: set[FieldPath] = {entry["loc"] for entry in entries if entry["type"] == "missing"}
    problems: dict[FieldPath, DeclarationProblem] = {}
    for entry in entries:
        if entry["type"] == "extra_forbidden":
            problem, meant = _unknown_field(parsed, model, entry["loc"], missing)
            problems[entry["loc"]] = problem
            missing.discard((*entry["loc"][:-1], meant))
    for entry in entries:
        for path, problem in _wrong_value(parsed, model, entry, missing):
            problems.setdefault(path, problem)
    return list(problems.values())


def _locate(model: type[BaseModel], entry: PydanticError) -> PydanticError | None:
    """Return a pydantic error without the members of unions in its path; None if another member says more.

    Where a number or a mapping is allowed, pydantic reports why a value is neither. A mapping is then meant as one.
    """
    path: FieldPath = entry["loc"]
    for above, kind in types_along(model, path):
        members = {member.__name__: member for member in map(model_of, get_args(unwrap(kind)[0])) if member}
        if not members or len(above) == len(path) or get_origin(unwrap(kind)[0]) not in (Union, types.UnionType):
            continue
        if path[len(above)] in members:
            return entry | {"loc": (*above, *path[len(above) + 1 :])}
        if isinstance(entry["input"], dict):
            return None
    return entry


def field_problem(parsed: ParsedYaml, error: FieldError, above: FieldPath = ()) -> DeclarationProblem:
    """Return a FieldError as a problem with file, line and suggestion.

    parsed: the YAML that contains the field.
    above: the YAML keys that lead to the section in which the error's `field` is.
    """
    path = parsed.resolve(error.field.split(".") if error.field else [], above)
    if error.allowed is None:
        return parsed.problem(path, error.message)
    allowed = ", ".join(error.allowed) or "none is declared yet"
    return parsed.problem(path, error.message, allowed, closest_match(error.written, error.allowed))


def _unknown_field(
    parsed: ParsedYaml, model: type[BaseModel], path: FieldPath, missing: set[FieldPath]
) -> tuple[DeclarationProblem, str]:
    """Return the problem of an unknown field, and the field name that was probably meant; "" if no name is similar.

    missing: the paths of required fields that are absent. Their names are suggested first.
    """
    owner = _owner(model, path)
    fields = field_names(owner) if owner else []
    new_name = renamed_field(owner.__name__ if owner else "", str(path[-1]))
    if new_name:
        return parsed.problem(path, f"{path[-1]} was renamed to {new_name}"), new_name
    missing_here = [str(m[-1]) for m in missing if m[:-1] == path[:-1]]
    meant = closest_match(path[-1], missing_here) or closest_match(path[-1], fields)
    return parsed.problem(path, f"there is no field '{path[-1]}'", ", ".join(fields), meant), meant


def _owner(model: type[BaseModel], path: FieldPath) -> type[BaseModel] | None:
    """Return the model that declares the field at `path`, also if a number is allowed in its place."""
    kind = unwrap(deepest_type(model, path[:-1])[1])[0]
    return model_of(kind) or next(filter(None, map(model_of, get_args(kind))), None)


def _wrong_value(
    parsed: ParsedYaml, model: type[BaseModel], entry: PydanticError, missing: set[FieldPath]
) -> Iterator[tuple[FieldPath, DeclarationProblem]]:
    location: FieldPath = entry["loc"]
    if entry["type"] == "extra_forbidden" or (entry["type"] == "missing" and location not in missing):
        return
    path, kind = deepest_type(model, location)
    if any(blank[: len(path)] == path[: len(blank)] for blank in parsed.blanks):
        return  # the field, or a field within it, is still blank
    if entry["type"] == "value_error":
        yield _validator_problem(parsed, path, kind, entry["ctx"]["error"])
    elif entry["type"] == "missing":
        yield path, parsed.problem(path, "the field is missing", describe_type(kind))
    elif location[-1] == KEY:
        name = location[-2]
        keys = get_args(unwrap(deepest_type(model, location[:-2])[1])[0])[0]
        message = f"'{name}' is not a valid name"
        yield (*path, KEY), parsed.problem(path, message, describe_type(keys), _as_name(name))
    else:
        yield path, _type_problem(parsed, model, path, kind, entry)


def _type_problem(
    parsed: ParsedYaml, model: type[BaseModel], path: FieldPath, kind: Any, entry: PydanticError
) -> DeclarationProblem:
    written = entry["input"]
    owner = _owner(model, path) if path else None
    new_value = renamed_value(owner.__name__ if owner else "", str(path[-1]) if path else "", written)
    if new_value:
        return parsed.problem(path, f"'{written}' was renamed to {new_value}")
    return parsed.problem(
        path, _refusal(str(path[-1]) if path else "", written), describe_type(kind), _suggest_value(kind, entry)
    )


def _refusal(name: str, written: Any) -> str:
    if written is None and name.count(")") > name.count("("):
        return "a type with a comma needs quotes within braces, such as {price: 'DECIMAL(12,2)'}"
    if written is None:
        return "the field is empty; write TODO to fill it in later"
    if isinstance(written, dict):
        return "a mapping is not valid here"
    if isinstance(written, list):
        return "a list is not valid here"
    return f"'{str(written)[:60]}' is not valid here"


def _suggest_value(kind: Any, entry: PydanticError) -> str:
    written, (plain, _) = entry["input"], unwrap(kind)
    choices = [choice for choice in get_args(plain) if isinstance(choice, str)]
    if choices and isinstance(written, str):
        return closest_match(written.lower(), choices)
    if entry["type"] == "list_type" and isinstance(written, str | int | float):
        return f"[{written}]"
    if entry["type"] == "string_pattern_mismatch":
        return _as_name(written, upper="A-Z" in entry["ctx"]["pattern"])
    if entry["type"] == "int_from_float":
        return f"{written:.0f}"
    if entry["type"] in ("int_parsing", "float_parsing"):
        number = re.search(r"-?\d+(?:\.\d+)?", written)
        return number[0] if number else ""
    return ""


def _as_name(text: Any, upper: bool = False) -> str:
    """Return a text as a valid name, such as `late_orders` for 'Late Orders'."""
    words = re.sub(r"\W+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(text))).strip("_0123456789")
    return words.upper() if upper else words.lower()


def _validator_problem(
    parsed: ParsedYaml, path: FieldPath, kind: Any, error: Exception
) -> tuple[FieldPath, DeclarationProblem]:
    """Return the path of a field whose content a validator of this project refused, and what is wrong with it.

    The error is a FieldError, or a ValueError whose message names a field.
    """
    if isinstance(error, FieldError):
        return (*path, error.field), field_problem(parsed, error, path)
    field_path = parsed.resolve(_named_field(parsed, path, kind, str(error)), path)
    return (*field_path, str(error)), parsed.problem(field_path, str(error))


def _named_field(parsed: ParsedYaml, path: FieldPath, kind: Any, message: str) -> Sequence[str]:
    model = model_of(kind)
    fields = model.model_fields if model else {}
    words = [word.strip(".").split(".") for word in re.findall(r"[\w.]+", message)]
    return next((word for word in words if word[0] in fields and (*path, word[0]) in parsed.lines), [])
