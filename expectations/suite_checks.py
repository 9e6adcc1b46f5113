"""Check the declaration of a suite: find rule types, arguments and columns that don't exist or don't fit together."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from expectations.argument_checks import argument_type_errors
from expectations.argument_forms import argument_form_errors
from expectations.column_checks import column_errors
from expectations.condition_literals import literal_problems
from expectations.row_conditions import CONDITION, ConditionError, condition_columns, list_comparisons
from expectations.rule_catalog import RULES, TYPE_RULES, list_arguments
from expectations.rules import Rule, Suite
from sixtyforty.spec.contract_types import parse_type
from sixtyforty.spec.errors import FieldError

EXACT_DIGITS = 15  # pandas compares floating-point numbers, which hold all numbers of this many digits apart
COLUMN_ARGUMENTS = ("column", "column_A", "column_B", "column_list")


def suite_errors(
    suite: Suite, columns: Mapping[str, str] | None, source_columns: Mapping[str, Collection[str]]
) -> Iterator[FieldError]:
    """Yield an error for each unknown rule type, argument or column of a suite, and for each missing required argument.

    An argument that can't be compared with its column is an error, too, such as a text for a column of numbers.

    columns: the columns of the rows that the suite checks, with their DuckDB types; a type that isn't known is empty.
    None if the columns are unknown. source_columns: the columns of each source.
    """
    for number, rule in enumerate(suite.rows):
        yield from _rule_errors(f"rows.{number}", rule, "column", columns, source_columns)
    metrics = dict.fromkeys(suite.partition.metrics, "")
    for number, rule in enumerate(suite.partition.rules):
        yield from _rule_errors(f"partition.rules.{number}", rule, "metric", metrics, source_columns)


def _rule_errors(
    field: str,
    rule: Rule,
    kind: str,
    columns: Mapping[str, str] | None,
    source_columns: Mapping[str, Collection[str]],
) -> Iterator[FieldError]:
    """Yield the errors in the declaration of one rule. kind: the word for its columns in errors: column or metric."""
    if rule.type in TYPE_RULES:
        yield FieldError(f"{field}.type", "the data contract declares the type of each column; remove this rule")
        return
    if rule.type not in RULES:
        yield FieldError(f"{field}.type", f"there is no row-wise rule '{rule.type}'", rule.type, RULES)
        return
    malformed = [*_argument_errors(field, rule), *argument_form_errors(f"{field}.kwargs", rule)]
    if malformed:
        yield from malformed
        return
    for argument in COLUMN_ARGUMENTS:
        for column in _as_list(rule.kwargs.get(argument)):
            if columns is not None and column not in columns:
                message = f"there is no {kind} '{column}'"
                yield FieldError(f"{field}.kwargs.{argument}", message, column, columns)
    yield from _value_set_errors(f"{field}.kwargs.value_set", rule.kwargs.get("value_set"), source_columns)
    yield from _condition_errors(f"{field}.kwargs.{CONDITION}", rule, kind, columns)
    yield from column_errors(f"{field}.kwargs", rule, columns or {})
    yield from argument_type_errors(f"{field}.kwargs", rule, (columns or {}).get(rule.kwargs.get("column", ""), ""))


def _condition_errors(field: str, rule: Rule, kind: str, columns: Mapping[str, str] | None) -> Iterator[FieldError]:
    """Yield the errors in a rule's `row_condition`. kind: see `_rule_errors`."""
    try:
        named = condition_columns(rule.kwargs)
    except ConditionError as error:
        yield FieldError(field, str(error))
        return
    for column in named:
        if columns is not None and column not in columns:
            yield FieldError(field, f"there is no {kind} '{column}'", column, columns)
    for problem in literal_problems(rule.kwargs, columns or {}):
        yield FieldError(field, problem)
    for compared, numbers in list_comparisons(rule.kwargs):
        for column, decimals in _decimals_of(compared, columns or {}).items():
            rounded = [number for number in numbers if number.is_finite() and _digits(number, decimals) > EXACT_DIGITS]
            if rounded:
                message = (
                    f"the comparison of '{column}' with {rounded[0]} isn't exact, because it needs more than"
                    f" {EXACT_DIGITS} digits at {decimals} decimals; compare with a smaller number"
                )
                yield FieldError(field, message)


def _decimals_of(names: Collection[str], columns: Mapping[str, str]) -> dict[str, int]:
    """Return the number of decimals of each of some columns that is a DECIMAL."""
    kinds = {name: parse_type(columns.get(name, "")) for name in names}
    return {name: kind.decimals for name, kind in kinds.items() if kind is not None and kind.kind == "decimal"}


def _digits(number: Decimal, decimals: int) -> int:
    """Return how many digits a number has, if it is written with this many decimals."""
    return max(number.adjusted() + 1 + decimals, 0) if number else 0


def _argument_errors(field: str, rule: Rule) -> Iterator[FieldError]:
    required, allowed = list_arguments(rule.type)
    for name in rule.kwargs:
        if name not in allowed:
            yield FieldError(f"{field}.kwargs.{name}", f"{rule.type} has no argument '{name}'", name, allowed)
    for name in required:
        # The loop above has already reported a misspelt argument, so the argument doesn't count as missing.
        if name not in rule.kwargs and not get_close_matches(name, rule.kwargs.keys() - set(allowed)):
            yield FieldError(f"{field}.kwargs", f"{rule.type} needs the argument {name}", None, required)


def _as_list(argument: Any) -> list[Any]:
    if argument is None:
        return []
    return argument if isinstance(argument, list) else [argument]


def _value_set_errors(
    field: str, value_set: Any, source_columns: Mapping[str, Collection[str]]
) -> Iterator[FieldError]:
    """Yield the errors in a rule's `value_set` that names a column of a source instead of listing values."""
    if not isinstance(value_set, dict):
        return
    source, column = str(value_set.get("source")), str(value_set.get("column"))
    if source not in source_columns:
        yield FieldError(field, f"there is no source '{source}'", source, source_columns)
    elif column not in source_columns[source]:
        yield FieldError(field, f"source {source} has no column '{column}'", column, source_columns[source])
