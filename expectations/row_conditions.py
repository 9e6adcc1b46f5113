"""Read the `row_condition` of a rule: the columns that it names, its text, and what is wrong with it.

Great Expectations documents three forms:

- a pandas expression, such as `kind == "b"` (`condition_parser: pandas`, or no parser)
- a comparison of one column, such as `col("kind") == "b"` (`condition_parser: great_expectations`)
- a condition object as a mapping, such as `{type: comparison, column: {name: kind}, operator: "==", parameter: b}`
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import Any

from sixtyforty.spec.errors import closest_match

CONDITION, PARSER = "row_condition", "condition_parser"
COMPARISON_PARSERS = ("great_expectations", "great_expectations__experimental__")
PARSERS = ("pandas", *COMPARISON_PARSERS)
OBJECT_TYPES = ("comparison", "nullity", "and", "or", "pass_through")
OPERATORS = ("==", "!=", "<", "<=", ">", ">=", "IN", "NOT_IN")
# A text, whose backticks quote nothing, or a column in backticks.
_QUOTED_COLUMN = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`([^`]+)`""")
_TEXT = r"""(?:"[^"]*"|'[^']*')"""
_COMPARISON = re.compile(
    rf"""\s*col\("(?P<column>[^"]+)"\)\s*
    (?:\.notnull\(\)|(?P<operator>==|!=|<=|>=|<|>)\s*
    (?:(?P<number>[+-]?\d+(?:\.\d*)?(?:e[+-]?\d+)?)|(?P<text>{_TEXT})|date\(\s*(?P<date>{_TEXT})\s*\)))\s*""",
    re.IGNORECASE | re.VERBOSE,
)


# The functions that a condition may call, copied from pandas, which takes a second to import. A test compares them.
FUNCTIONS = (
    *(
        "abs",
        "ceil",
        "exp",
        "expm1",
        "floor",
        "log",
        "log10",
        "log1p",
        "sqrt",
        "sin",
        "cos",
        "tan",
        "sinh",
        "cosh",
        "tanh",
    ),
    *("arcsin", "arccos", "arctan", "arctan2", "arcsinh", "arccosh", "arctanh"),
)


class ConditionError(ValueError):
    """A `row_condition` that Great Expectations can't read. The message is a clause without a full stop."""


def condition_columns(arguments: Mapping[str, Any]) -> list[str]:
    """Return the columns that a rule's `row_condition` names, sorted; none without a condition.

    arguments: the rule's arguments. Raises ConditionError if the condition isn't of a documented form.
    """
    condition = arguments.get(CONDITION)
    if condition is None:
        return []
    if isinstance(condition, Mapping):
        return sorted(set(_object_columns(condition)))
    if not isinstance(condition, str):
        raise ConditionError(
            f"row_condition must be a text or a mapping, not {condition!r}; write an expression such as 'kind == \"b\"'"
        )
    parser = arguments.get(PARSER, "pandas")
    if parser in COMPARISON_PARSERS:
        return [match_comparison(condition)["column"]]
    if parser != "pandas":
        raise ConditionError(f"the condition_parser '{parser}' doesn't work here; write one of {', '.join(PARSERS)}")
    return _expression_columns(condition)


def list_comparisons(arguments: Mapping[str, Any]) -> list[tuple[list[str], list[Decimal]]]:
    """Return for each comparison in a rule's `row_condition` the columns and the numbers that it compares.

    A condition that is not of a documented form has no comparisons.
    """
    try:
        condition_columns(arguments)
    except ConditionError:
        return []
    condition = arguments.get(CONDITION)
    if isinstance(condition, Mapping):
        return list(_object_comparisons(condition))
    if condition is None:
        return []
    if arguments.get(PARSER, "pandas") == "pandas":
        return _expression_comparisons(condition)
    match = match_comparison(condition)
    return [([match["column"]], _read_numbers([match["number"]]))]


def _object_comparisons(condition: Mapping[str, Any]) -> Iterator[tuple[list[str], list[Decimal]]]:
    kind = condition["type"]
    if kind in ("and", "or"):
        for part in condition["conditions"]:
            yield from _object_comparisons(part)
    elif kind == "pass_through":
        yield from _expression_comparisons(str(condition["pass_through_filter"]))
    elif kind == "comparison":
        parameter = condition["parameter"]
        yield [condition["column"]["name"]], _read_numbers(parameter if isinstance(parameter, list) else [parameter])


def _expression_comparisons(condition: str) -> list[tuple[list[str], list[Decimal]]]:
    text, by_placeholder = name_quoted_columns(condition)
    text = text.strip()
    comparisons = [node for node in ast.walk(ast.parse(text, mode="eval")) if isinstance(node, ast.Compare)]
    return [
        (
            [by_placeholder.get(part.id, part.id) for part in ast.walk(node) if isinstance(part, ast.Name)],
            _read_numbers(ast.get_source_segment(text, part) for part in ast.walk(node) if _is_number(part)),
        )
        for node in comparisons
    ]


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool)


def _read_numbers(texts: Iterable[Any]) -> list[Decimal]:
    """Return the numbers among texts and values, exactly as they are written."""
    numbers = []
    for text in texts:
        with suppress(InvalidOperation):
            numbers.append(Decimal(str(text)))
    return numbers


def describe_condition(arguments: Mapping[str, Any]) -> str:
    """Return a rule's `row_condition` as text, such as `kind == "b"`; an empty text without a condition."""
    condition = arguments.get(CONDITION)
    if isinstance(condition, Mapping):
        return _describe_object(condition)
    return "" if condition is None else str(condition)


def match_comparison(condition: str) -> re.Match[str]:
    """Return the parts of a comparison of one column: column, operator, number, text and date.

    Raises ConditionError if it is none.
    """
    match = _COMPARISON.fullmatch(condition)
    if match is None:
        raise ConditionError(
            'the row_condition isn\'t one comparison; write one such as col("kind") == "b" or col("kind").notNull()'
        )
    return match


def _expression_columns(condition: str) -> list[str]:
    """Return the columns that a pandas expression names. Names in backticks may contain spaces."""
    if condition.lstrip().startswith("col("):
        raise ConditionError("the row_condition uses col(…), so the rule needs condition_parser: great_expectations")
    text, by_placeholder = name_quoted_columns(condition)
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except SyntaxError as error:
        raise ConditionError(
            "the row_condition isn't a valid pandas expression; write one such as 'kind == \"b\"'"
        ) from error
    functions = {id(node.func): node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for function in functions.values():
        _require_known(function)
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in functions}
    return sorted({by_placeholder.get(name, name) for name in names})


def _require_known(function: ast.expr) -> None:
    """Raise ConditionError if pandas has no such function or method: `log(x)`, `x.isin(…)`, `x.str.contains(…)`."""
    match function:
        case ast.Name(name):
            known: Sequence[str] = FUNCTIONS
        case ast.Attribute(ast.Attribute(_, "str" | "dt" as accessor), name):
            known = _list_methods(accessor)
        case ast.Attribute(_, name):
            known = _list_methods("")
        case _:
            raise ConditionError(f"the row_condition calls {ast.unparse(function)}, which is no function")
    if name not in known:
        meant = closest_match(name, known)
        hint = f"did you mean '{meant}'?" if meant else 'write a comparison such as kind == "b"'
        raise ConditionError(f"the row_condition calls '{name}', which pandas doesn't have; {hint}")


def _list_methods(accessor: str) -> list[str]:
    """Return the methods of a column, or of its accessor `str` or `dt`."""
    import pandas as pd

    owner = getattr(pd.Series, accessor) if accessor else pd.Series
    return [name for name in dir(owner) if not name.startswith("_")]


def name_quoted_columns(condition: str) -> tuple[str, dict[str, str]]:
    """Replace names in backticks by names that Python reads. Return the text, and the columns by their new names."""
    quoted: dict[str, str] = {}

    def replace(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0]
        placeholder = f"_quoted_{len(quoted)}_"
        quoted[placeholder] = match[1]
        return placeholder

    return _QUOTED_COLUMN.sub(replace, condition), quoted


def _object_columns(condition: Mapping[str, Any]) -> Iterator[str]:
    kind = condition.get("type")
    if kind not in OBJECT_TYPES:
        raise ConditionError(f"the type of the row_condition is '{kind}'; write one of {', '.join(OBJECT_TYPES)}")
    if kind in ("and", "or"):
        parts = condition.get("conditions")
        if not isinstance(parts, list) or not all(isinstance(part, Mapping) for part in parts):
            raise ConditionError(f"a row_condition of type {kind} needs a list `conditions`")
        for part in parts:
            yield from _object_columns(part)
    elif kind == "pass_through":
        yield from _expression_columns(str(condition.get("pass_through_filter", "")))
    else:
        yield _object_column(condition)


def _object_column(condition: Mapping[str, Any]) -> str:
    column = condition.get("column")
    name = column.get("name") if isinstance(column, Mapping) else None
    if not isinstance(name, str):
        raise ConditionError("the row_condition doesn't name its column. Write it as {column: {name: COLUMN}}")
    if condition["type"] == "nullity" and not isinstance(condition.get("is_null"), bool):
        raise ConditionError("a row_condition of type nullity needs the field is_null: true or false")
    operator, parameter = condition.get("operator"), condition.get("parameter")
    if operator in ("IN", "NOT_IN") and not isinstance(parameter, list):
        raise ConditionError(f"the parameter of the operator {operator} is {parameter!r}; it needs a list")
    if condition["type"] == "comparison" and (operator not in OPERATORS or parameter is None):
        raise ConditionError(
            f"a row_condition of type comparison needs a parameter, and one of the operators {', '.join(OPERATORS)}"
        )
    return name


def _describe_object(condition: Mapping[str, Any]) -> str:
    kind = condition.get("type")
    if kind in ("and", "or"):
        return "(" + f" {kind} ".join(map(_describe_object, condition["conditions"])) + ")"
    if kind == "pass_through":
        return str(condition["pass_through_filter"])
    name = condition["column"]["name"]
    if kind == "nullity":
        return f"{name} is {'null' if condition['is_null'] else 'not null'}"
    return f"{name} {str(condition['operator']).lower().replace('_', ' ')} {condition['parameter']}"
