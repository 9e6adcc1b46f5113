"""Check that a rule suits the types of its columns, and that pairs of values suit the types of two columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from expectations.argument_checks import column_family, comparison_problem
from expectations.rule_times import PAIR_COLUMNS, PAIR_SET
from expectations.rules import Rule
from sixtyforty.spec.errors import FieldError

NUMBERS = {"number"}
# The families of types that rules suit. A DECIMAL is a number.
SUITABLE = {
    "expect_column_value_z_scores_to_be_less_than": NUMBERS,
    "expect_column_values_to_not_be_outliers": NUMBERS,
    "expect_column_values_to_be_decreasing": {"number", "day", "clock"},
    "expect_column_values_to_be_increasing": {"number", "day", "clock"},
    "expect_multicolumn_sum_to_equal": NUMBERS,
}
# Rules that compare the values of columns with each other.
COMPARING = {
    "expect_column_pair_values_a_to_be_greater_than_b",
    "expect_column_pair_values_to_be_equal",
    "expect_multicolumn_values_to_be_equal",
    "expect_select_column_values_to_be_unique_within_record",
}


def column_errors(field: str, rule: Rule, columns: Mapping[str, str]) -> Iterator[FieldError]:
    """Yield an error for each column whose type a rule can't judge, and for each value that is no pair of such values.

    field: the path of the rule's arguments. columns: the columns with their DuckDB types; a type that isn't known is
    empty, or the column is missing.
    """
    families = {name: column_family(columns.get(name, "")).replace("decimal", "number") for name in rule.columns}
    suitable = SUITABLE.get(rule.type)
    for name, family in families.items():
        if suitable and family and family not in suitable:
            yield FieldError(field, f"{rule.type} can't judge '{name}', a column of type {columns[name]}")
    if rule.type in COMPARING and len({family for family in families.values() if family}) > 1:
        types = ", ".join(f"{name} {columns[name]}" for name, family in families.items() if family)
        yield FieldError(field, f"{rule.type} can't compare columns of different types: {types}")
    if rule.type == PAIR_SET:
        yield from _pair_errors(f"{field}.value_pairs_set", rule.kwargs, columns)


def _pair_errors(field: str, arguments: Mapping[str, Any], columns: Mapping[str, str]) -> Iterator[FieldError]:
    for number, pair in enumerate(arguments["value_pairs_set"]):
        if not isinstance(pair, list) or len(pair) != len(PAIR_COLUMNS):
            yield FieldError(f"{field}.{number}", f"{pair!r} is no pair; write two values, such as [1, 'a']")
            continue
        for argument, declared in zip(PAIR_COLUMNS, pair, strict=True):
            problem = comparison_problem(declared, columns.get(arguments[argument], ""), exact=True)
            if problem and declared is not None:
                yield FieldError(f"{field}.{number}", problem)
