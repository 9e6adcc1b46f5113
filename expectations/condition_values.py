"""Let conditions of rules compare dates, times and booleans as they are written.

In a pandas expression, `day == "2024-03-10"` is true for no date, because pandas looks for the text. A missing boolean
would count as true. So such comparisons are written in another way that has the declared meaning.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from datetime import date
from io import StringIO
from itertools import pairwise
from tokenize import NAME, generate_tokens, untokenize
from typing import TYPE_CHECKING, Any

from expectations.row_conditions import CONDITION, PARSER, match_comparison, name_quoted_columns
from expectations.rule_times import parse_clock_time, parse_day_time
from expectations.rules import Rule

if TYPE_CHECKING:
    import pandas as pd

SWAPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE}
EQUALITIES = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)
WORDS = {"&": (NAME, "and"), "|": (NAME, "or")}


def with_plain_conditions(frame: pd.DataFrame, rules: list[Rule]) -> tuple[pd.DataFrame, list[Rule]]:
    """Return a DataFrame and rules whose `row_condition` pandas evaluates as it is written.

    frame: its dates and times are of pandas' own types, and its clock times are durations. Raises ValueError if a
    condition compares a date or time with another text.
    """
    added: dict[str, pd.Series[Any]] = {}
    plain = [_with_plain_condition(frame, rule, added) for rule in rules]
    return (frame.assign(**added) if added else frame), plain


def _with_plain_condition(frame: pd.DataFrame, rule: Rule, added: dict[str, pd.Series[Any]]) -> Rule:
    """Rewrite the condition of a rule, and add the columns of numbers that only the new condition reads to `added`."""
    condition = rule.kwargs.get(CONDITION)
    if condition is None:
        return rule
    if not isinstance(condition, str) or rule.kwargs.get(PARSER, "pandas") != "pandas":
        condition = to_expression(condition)
    tree, names = parse_expression(condition)
    rewriter = _Rewriter(frame, names)
    plain = rewriter.visit(tree)
    if condition == rule.kwargs[CONDITION] and not rewriter.changed:
        return rule
    added |= {name: frame[column].astype("float64") for column, (name, _) in rewriter.floats.items()}
    return with_expression(rule, plain, names | {in_tree: name for name, in_tree in rewriter.floats.values()})


def parse_expression(condition: str) -> tuple[ast.Expression, dict[str, str]]:
    """Parse a pandas expression. Return its tree, and the columns in backticks by the names that they have in it."""
    text, names = name_quoted_columns(condition)
    return ast.parse(_with_words(text.strip()), mode="eval"), names


def with_expression(rule: Rule, tree: ast.AST, names: Mapping[str, str]) -> Rule:
    """Return a rule with an expression as its `row_condition`. tree, names: see `parse_expression`."""
    expression = ast.unparse(ast.fix_missing_locations(tree))
    for placeholder, name in names.items():
        expression = expression.replace(placeholder, f"`{name}`")
    return rule.model_copy(update={"kwargs": rule.kwargs | {CONDITION: expression, PARSER: "pandas"}})


def _with_words(expression: str) -> str:
    """Return an expression with `and` and `or` in place of `&` and `|`: to pandas, they have the same precedence."""
    tokens = generate_tokens(StringIO(expression).readline)
    return untokenize(WORDS.get(token.string, (token.type, token.string)) for token in tokens)


def _has_booleans_and_nulls(column: pd.Series[Any]) -> bool:
    return column.dtype == object and isinstance(next(iter(column.dropna()), None), bool)


def to_expression(condition: Any) -> str:
    """Return a condition as a pandas expression: an object, or a comparison of one column such as `col("day") == …`."""
    if isinstance(condition, str):
        parts = match_comparison(condition)
        column, declared = f"`{parts['column']}`", parts["number"] or repr((parts["text"] or parts["date"] or "")[1:-1])
        return f"{column} {parts['operator']} {declared}" if parts["operator"] else f"{column}.notnull()"
    kind = condition["type"]
    if kind in ("and", "or"):
        return "(" + f" {kind} ".join(map(to_expression, condition["conditions"])) + ")"
    if kind == "pass_through":
        return f"({condition['pass_through_filter']})"
    name = f"`{condition['column']['name']}`"
    if kind == "nullity":
        return f"{name}.{'isnull' if condition['is_null'] else 'notnull'}()"
    operator = condition["operator"].lower().replace("_", " ")
    return f"({name} {operator} {_to_literal(condition['parameter'])})"


def _to_literal(parameter: Any) -> str:
    if isinstance(parameter, list | tuple):
        return f"[{', '.join(map(_to_literal, parameter))}]"
    return repr(str(parameter) if isinstance(parameter, date) else parameter)


def membership_test(node: ast.AST) -> ast.Compare | None:
    """Return `column.isin(values)` as `column in values`; None for any other expression."""
    match node:
        case ast.Call(ast.Attribute(ast.Name() as column, "isin"), [values], []):
            return ast.Compare(column, [ast.In()], [values])
    return None


class _Rewriter(ast.NodeTransformer):
    """Rewrites comparisons of dates and times with texts, booleans with nulls, and calculations with large numbers.

    floats: by column of Python's whole numbers, the name of the column of floating-point numbers that pandas can
    calculate with, and its name in the tree.
    """

    def __init__(self, frame: pd.DataFrame, names: dict[str, str]) -> None:
        self.frame, self.names, self.changed = frame, names, False
        self.floats: dict[str, tuple[str, str]] = {}

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        if len(node.ops) > 1:
            terms = zip(pairwise([node.left, *node.comparators]), node.ops, strict=True)
            comparisons = [ast.Compare(left, [operator], [right]) for (left, right), operator in terms]
            return self.generic_visit(ast.BoolOp(ast.And(), [*comparisons]))
        left, operator, right = node.left, node.ops[0], node.comparators[0]
        if isinstance(right, ast.Name) and isinstance(left, ast.Constant):
            left, operator, right = right, SWAPPED.get(type(operator), type(operator))(), left
        column = self._column(left)
        members = right.elts if isinstance(right, ast.List | ast.Tuple | ast.Set) else [right]
        texts = [member.value for member in members if isinstance(member, ast.Constant)]
        are_texts = len(texts) == len(members) > 0 and all(isinstance(text, str) for text in texts)
        if column is None or column.dtype.kind not in "mM" or not are_texts:
            sides = [
                side if isinstance(side, ast.Name) else self.visit(side) for side in (node.left, node.comparators[0])
            ]
            return ast.Compare(sides[0], node.ops, sides[1:])
        self.changed = True
        times = [ast.Constant(_plain_time(column, str(text))) for text in texts]
        if not isinstance(operator, EQUALITIES):
            return ast.Compare(left, [operator], [*times])
        equal = [ast.Compare(left, [bound], [time]) for time in times for bound in (ast.GtE(), ast.LtE())]
        pairs: list[ast.expr] = [ast.BoolOp(ast.And(), [*equal[n : n + 2]]) for n in range(0, len(equal), 2)]
        either = ast.BoolOp(ast.Or(), pairs) if len(pairs) > 1 else pairs[0]
        return ast.UnaryOp(ast.Not(), either) if isinstance(operator, ast.NotEq | ast.NotIn) else either

    def visit_Name(self, node: ast.Name) -> ast.AST:
        column = self._column(node)
        if column is None or column.dtype != object:
            return node
        if _has_booleans_and_nulls(column):
            self.changed = True
            return ast.Compare(node, [ast.Eq()], [ast.Constant(True)])
        if not isinstance(next(iter(column.dropna()), None), int):
            return node
        self.changed = True
        name = self.names.get(node.id, node.id)
        return ast.Name(self.floats.setdefault(name, (f"{name} (float)", f"_float_{len(self.floats)}_"))[1])

    def visit_Call(self, node: ast.Call) -> ast.AST:
        test = membership_test(node)
        if test is not None:
            return self.visit(test)
        node.args = [self.visit(argument) for argument in node.args] if isinstance(node.func, ast.Name) else node.args
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return node

    def _column(self, node: ast.AST) -> Any:
        """Return the column that an expression names; None if it names none."""
        name = self.names.get(node.id, node.id) if isinstance(node, ast.Name) else None
        return self.frame.get(name)


def _plain_time(column: pd.Series[Any], declared: str) -> str:
    """Return a declared time in the form that pandas compares with a column: UTC, or a duration since midnight."""
    if column.dtype.kind == "m":
        return parse_clock_time(declared).isoformat("microseconds")
    return parse_day_time(declared).isoformat(" ")
