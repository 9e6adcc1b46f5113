"""Check that a `row_condition` compares each column with values of its type.

pandas doesn't refuse other values. It finds no row, finds rows by accident, or fails once a run needs the rule.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise
from typing import Any

from expectations.argument_checks import column_family, comparison_problem
from expectations.condition_values import membership_test, parse_expression, to_expression
from expectations.row_conditions import CONDITION, PARSER

# Methods of a column that return true or false, besides those whose name starts with `is`.
TRUTH_METHODS = (
    *("between", "contains", "duplicated", "endswith", "fullmatch", "match", "notna", "notnull", "startswith"),
    *("eq", "ge", "gt", "le", "lt", "ne"),
)


def literal_problems(arguments: Mapping[str, Any], columns: Mapping[str, str]) -> Iterator[str]:
    """Yield a clause for each value in a rule's `row_condition` that can't be compared with its column.

    arguments: the rule's arguments, whose condition is of a documented form. columns: the columns with their DuckDB
    types. A column whose type isn't known is left out, and so is a comparison with a calculation.
    """
    condition = arguments.get(CONDITION)
    if condition is None:
        return
    is_expression = isinstance(condition, str) and arguments.get(PARSER, "pandas") == "pandas"
    tree, names = parse_expression(condition if is_expression else to_expression(condition))
    if _is_quantity(tree.body, names, columns):
        yield "the row_condition is no comparison, so no row meets it; write one such as 'kind == \"b\"'"
    for column, declared in _compared_values(tree):
        name = names.get(column, column)
        problem = comparison_problem(declared, columns.get(name, ""))
        if problem:
            yield f"in the comparison of '{name}', {problem}"


def _is_quantity(node: ast.expr, names: Mapping[str, str], columns: Mapping[str, str]) -> bool:
    """Return whether an expression, or a part that `and`, `or` or `not` joins, is no truth value, such as a number.

    names, columns: see `literal_problems`.
    """
    match node:
        case ast.Name(name):
            return column_family(columns.get(names.get(name, name), "")) not in ("", "boolean")
        case ast.Constant(constant):
            return not isinstance(constant, bool)
        case ast.BoolOp(_, parts):
            return any(_is_quantity(part, names, columns) for part in parts)
        case ast.BinOp(left, ast.BitAnd() | ast.BitOr() | ast.BitXor(), right):
            return any(_is_quantity(part, names, columns) for part in (left, right))
        case ast.UnaryOp(ast.Not() | ast.Invert(), part):
            return _is_quantity(part, names, columns)
        case ast.BinOp() | ast.UnaryOp() | ast.Call(ast.Name()):  # pandas has mathematical functions only
            return True
        case ast.Call(ast.Attribute(_, method)):
            return not (method.startswith("is") or method in TRUTH_METHODS)
        case ast.Attribute(_, attribute):
            return not attribute.startswith("is")
    return False


def _compared_values(tree: ast.AST) -> Iterator[tuple[str, Any]]:
    """Yield the name of a column and a value for each comparison of these two. A null in a list is left out."""
    for node in ast.walk(tree):
        test = membership_test(node)
        comparison = test or node
        if isinstance(comparison, ast.Compare):
            for left, right in pairwise([comparison.left, *comparison.comparators]):
                for column, compared in ((left, right), (right, left)):
                    if isinstance(column, ast.Name):
                        yield from ((column.id, declared) for declared in _literals(compared))


def _literals(node: ast.expr) -> Collection[Any]:
    """Return the values that an expression lists, or the value that it is. A column or a calculation has none."""
    try:
        declared = ast.literal_eval(node)
    except (ValueError, TypeError):
        return ()
    if isinstance(declared, list | tuple | set):
        return [member for member in declared if member is not None]
    return (declared,)
