"""Check that the arguments of a rule fit its column: dates for a column of dates, numbers for a column of numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from expectations.argument_forms import LENGTHS_BETWEEN, is_number
from expectations.rule_catalog import BETWEEN
from expectations.rule_times import BOUNDS, parse_clock_time, parse_day_time
from expectations.rules import Rule
from expectations.slow_patterns import is_slow
from sixtyforty.spec.contract_types import Kind, parse_type
from sixtyforty.spec.errors import FieldError

SET_RULES = ("expect_column_values_to_be_in_set", "expect_column_values_to_not_be_in_set")
REGEX_ARGUMENTS = ("regex", "regex_list")
SCHEMA = "json_schema"
FLOAT_DIGITS = 15  # a floating-point number keeps so many decimal digits


def argument_type_errors(field: str, rule: Rule, column_type: str) -> Iterator[FieldError]:
    """Yield an error for each argument of a rule that can't be compared with the rule's column.

    field: the path of the rule's arguments, which have their forms (see `argument_forms`). column_type: the DuckDB type
    of the column; empty if it isn't known.
    """
    yield from _regex_errors(field, rule)
    if SCHEMA in rule.kwargs:
        yield from _schema_errors(f"{field}.{SCHEMA}", rule.kwargs[SCHEMA])
    family = column_family(column_type)
    if rule.type in (BETWEEN, LENGTHS_BETWEEN) and all(rule.kwargs.get(name) is None for name in BOUNDS):
        yield FieldError(field, f"{rule.type} needs min_value, max_value or both")
    elif rule.type == BETWEEN:
        yield from _bound_errors(field, rule, family, column_type)
    if rule.type in SET_RULES and family and isinstance(rule.kwargs["value_set"], list):
        is_valid, example = _EXPECTED[family]
        for number, declared in enumerate(rule.kwargs["value_set"]):
            if declared is not None and not is_valid(declared):
                message = f"{declared!r} can't be a value of a column of type {column_type}; write {example}"
                yield FieldError(f"{field}.value_set.{number}", message)


def comparison_problem(declared: Any, column_type: str, exact: bool = False) -> str:
    """Return why a column can't be compared with a value, as a clause; an empty text if it can.

    column_type: the DuckDB type of the column; empty if it isn't known. exact: whether decimals are compared exactly,
    so that a text may declare one. pandas compares them as numbers.
    """
    family = column_family(column_type)
    if not family:
        return ""
    if declared is None:
        return f"None can't be compared with a column of type {column_type}; write .isnull() or .notnull()"
    is_valid, example = _EXPECTED["number" if family == "decimal" and not exact else family]
    if is_valid(declared) or (family == "boolean" and declared in (0, 1)):
        return ""
    return f"{declared!r} can't be compared with a column of type {column_type}; write {example}"


def _bound_errors(field: str, rule: Rule, family: str, column_type: str) -> Iterator[FieldError]:
    bounds = {name: rule.kwargs[name] for name in BOUNDS if rule.kwargs.get(name) is not None}
    if family in ("text", "boolean", "uuid"):
        message = f"the column is of type {column_type}, but {rule.type} compares only numbers, dates and times"
        yield FieldError(f"{field}.column", message)
        return
    wrong = False
    for name, declared in bounds.items():
        is_valid, example = _EXPECTED[family or "unknown"]
        if not is_valid(declared):
            wrong = True
            of_type = f" can't be compared with a column of type {column_type}" if family else " can't be compared"
            yield FieldError(f"{field}.{name}", f"{declared!r}{of_type}; write {example}")
    if len(bounds) == 2 and not wrong and _is_above(bounds["min_value"], bounds["max_value"]):
        yield FieldError(f"{field}.min_value", "min_value is above max_value; exchange the two")


def _is_above(lowest: Any, highest: Any) -> bool:
    parsers: tuple[Callable[[Any], Any], ...] = (_to_decimal, parse_day_time, parse_clock_time)
    for parse in parsers:
        try:
            return bool(parse(lowest) > parse(highest))
        except (InvalidOperation, TypeError, ValueError):
            continue
    return False


def _to_decimal(declared: Any) -> Decimal:
    return Decimal(str(declared))


def _regex_errors(field: str, rule: Rule) -> Iterator[FieldError]:
    for name in REGEX_ARGUMENTS:
        declared = rule.kwargs.get(name, [])
        for pattern in declared if isinstance(declared, list) else [declared]:
            try:
                re.compile(pattern)
            except re.error as error:
                yield FieldError(f"{field}.{name}", f"{pattern!r} is not a valid regular expression: {error}")
                continue
            if is_slow(pattern):
                message = f"{pattern!r} repeats a repetition, so it may take hours on a long text"
                cure = "remove one of the two, or put a separator between them"
                yield FieldError(f"{field}.{name}", f"{message}; {cure}")


def _schema_errors(field: str, schema: Mapping[str, Any]) -> Iterator[FieldError]:
    import jsonschema

    try:
        jsonschema.validators.validator_for(schema).check_schema(schema)
    except jsonschema.SchemaError as error:
        place = ".".join(map(str, error.absolute_path))
        yield FieldError(f"{field}.{place}" if place else field, f"it is not a valid JSON schema: {error.message}")


def _is_decimal(declared: Any) -> bool:
    """Return whether a declared value is an exact number. YAML rounds a number of more digits, unless it is a text."""
    if isinstance(declared, float):
        return is_number(declared) and len(Decimal(repr(declared)).normalize().as_tuple().digits) <= FLOAT_DIGITS
    try:
        return not isinstance(declared, bool) and Decimal(declared).is_finite()
    except (InvalidOperation, TypeError, ValueError):
        return False


def _is_uuid(declared: Any) -> bool:
    return _parses(UUID, declared) and str(UUID(declared)) == declared


def _is_day_time(declared: Any) -> bool:
    return _parses(parse_day_time, declared)


def _is_clock_time(declared: Any) -> bool:
    return _parses(parse_clock_time, declared)


def _parses(parse: Callable[[Any], Any], declared: Any) -> bool:
    try:
        parse(declared)
    except (AttributeError, TypeError, ValueError):
        return False
    return True


def _is_comparable(declared: Any) -> bool:
    return is_number(declared) or isinstance(declared, date) or _is_day_time(declared) or _is_clock_time(declared)


# For each family of DuckDB types: a function that returns whether a declared value fits, and what to write instead.
_EXPECTED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "number": (is_number, "a number without quotes, such as 7.5"),
    "decimal": (_is_decimal, f"a number, such as 7.5; put it in quotes if it has more than {FLOAT_DIGITS} digits"),
    "uuid": (_is_uuid, "a UUID in small letters, such as 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"),
    "text": (lambda declared: isinstance(declared, str), "a text in quotes, such as '7'"),
    "boolean": (lambda declared: isinstance(declared, bool), "true or false"),
    "day": (_is_day_time, "a date, such as 2024-03-10, or a date with time, such as '2024-03-10 14:00'"),
    "clock": (_is_clock_time, "a clock time in quotes, such as '08:30'"),
    "unknown": (_is_comparable, "a number, a date, or a time in quotes"),
}
_FAMILIES: dict[Kind, str] = {
    "whole": "number",
    "decimal": "decimal",
    "float": "number",
    "text": "text",
    "uuid": "uuid",
    "boolean": "boolean",
    "date": "day",
    "timestamp": "day",
    "zoned": "day",
    "time": "clock",
}


def column_family(column_type: str) -> str:
    """Return what a DuckDB type holds, such as `number` or `day`: a key of `_EXPECTED`. Empty for another type."""
    contract_type = parse_type(column_type)
    return _FAMILIES.get(contract_type.kind, "") if contract_type else ""
