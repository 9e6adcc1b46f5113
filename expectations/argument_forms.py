"""Check the form of a rule's arguments: texts, lists, numbers, and the words that Great Expectations knows.

The forms are copied from Great Expectations, because importing the library takes seconds. A test gives each argument
many malformed values, and compares the answers of the two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from expectations.row_conditions import PARSERS
from expectations.rule_catalog import list_arguments
from expectations.rules import MOSTLY, Rule
from sixtyforty.spec.errors import FieldError

LENGTHS_BETWEEN = "expect_column_value_lengths_to_be_between"
PAIRS_TO_IGNORE = ("both_values_are_missing", "either_value_is_missing", "neither")
ROWS_TO_IGNORE = ("all_values_are_missing", "any_value_is_missing", "never")
IGNORED = "ignore_row_if"
Form = tuple[Callable[[Any], bool], str]  # a function that tells whether a value has the form, and what to write
EXAMPLE_TIME = datetime(2024, 3, 10, 14, 30, 59)


def argument_form_errors(field: str, rule: Rule) -> Iterator[FieldError]:
    """Yield an error for each argument of a rule whose value no rule can use, such as a text where a list belongs.

    field: the path of the rule's arguments. Unknown arguments are left to the caller.
    """
    allowed = list_arguments(rule.type)[1]
    for name, declared in rule.kwargs.items():
        form = _form_of(rule, name) if name in allowed else None
        if form is not None and not form[0](declared):
            yield FieldError(f"{field}.{name}", f"{declared!r} is not valid here; write {form[1]}")


def is_number(declared: Any) -> bool:
    """Return whether a declared value is a finite number."""
    return isinstance(declared, int | float) and not isinstance(declared, bool) and math.isfinite(declared)


def _is_text(declared: Any) -> bool:
    return isinstance(declared, str) and bool(declared)


def _is_flag(declared: Any) -> bool:
    return isinstance(declared, bool)


def _is_length(declared: Any) -> bool:
    return isinstance(declared, int) and not isinstance(declared, bool) and declared >= 0


def _is_length_or_none(declared: Any) -> bool:
    return declared is None or _is_length(declared)


def _is_positive(declared: Any) -> bool:
    return is_number(declared) and declared > 0


def _is_list_of_texts(declared: Any) -> bool:
    return isinstance(declared, list) and bool(declared) and all(map(_is_text, declared))


def _is_list_of_columns(declared: Any) -> bool:
    return _is_list_of_texts(declared) and len(set(declared)) == len(declared) > 1


def _is_list(declared: Any) -> bool:
    return isinstance(declared, list)


def _is_mapping(declared: Any) -> bool:
    return isinstance(declared, dict)


def _is_share(declared: Any) -> bool:
    return is_number(declared) and 0 <= declared <= 1


def _is_list_or_column(declared: Any) -> bool:
    return isinstance(declared, list) or (isinstance(declared, dict) and declared.keys() == {"source", "column"})


def _is_time_format(declared: Any) -> bool:
    """Return whether Python reads a time in the format in which it has written the time."""
    try:
        datetime.strptime(EXAMPLE_TIME.strftime(declared), declared)
    except (TypeError, ValueError):
        return False
    return bool(declared)


def _one_of(*words: str) -> Form:
    return (lambda declared: isinstance(declared, str) and declared in words), f"one of {', '.join(words)}"


COLUMN: Form = _is_text, "the name of a column"
FLAG: Form = _is_flag, "true or false"
BOUND_OF_LENGTHS: Form = _is_length_or_none, "a whole number of at least 0"
FORMS: dict[str, Form] = {
    "column": COLUMN,
    "column_A": COLUMN,
    "column_B": COLUMN,
    "column_list": (_is_list_of_columns, "a list of at least two different columns, such as [guests, tables]"),
    "condition_parser": _one_of(*PARSERS),
    "double_sided": FLAG,
    "json_schema": (_is_mapping, "a mapping, such as {type: object}"),
    "match_on": _one_of("any", "all"),
    "method": _one_of("iqr", "std"),
    MOSTLY: (_is_share, "a share from 0 to 1, such as 0.95"),
    "multiplier": (_is_positive, "a number above 0, such as 1.5"),
    "or_equal": FLAG,
    "regex": (_is_text, "a regular expression in quotes, such as '^[A-Z]{2}$'"),
    "regex_list": (_is_list_of_texts, "a list of regular expressions, such as ['^[A-Z]{2}$']"),
    "strftime_format": (_is_time_format, "a format of Python's strftime in quotes, such as '%Y-%m-%d'"),
    "strict_max": FLAG,
    "strict_min": FLAG,
    "strictly": FLAG,
    "sum_total": (is_number, "a number, such as 100"),
    "threshold": (is_number, "a number, such as 3"),
    "value": (_is_length, "a whole number of at least 0"),
    "value_pairs_set": (_is_list, "a list of pairs, such as [[open, 1], [closed, 0]]"),
    "value_set": (_is_list_or_column, "a list, or {source: SNAPSHOT, column: COLUMN}"),
}


def _form_of(rule: Rule, name: str) -> Form | None:
    """Return the form of an argument of a rule; None if this module doesn't know it."""
    if name == IGNORED:
        return _one_of(*(PAIRS_TO_IGNORE if "_pair_" in rule.type else ROWS_TO_IGNORE))
    if rule.type == LENGTHS_BETWEEN and name in ("min_value", "max_value"):
        return BOUND_OF_LENGTHS
    return FORMS.get(name)
