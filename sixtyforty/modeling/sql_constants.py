"""List the constants of features.sql with which a person could have typed in knowledge about outcomes.

A constant has the same value at every time, so recomputed features never show that it was learned later. These
constants may express knowledge about outcomes:

- a date or a time, such as the day of a storm
- a text or number that is compared with a column of the units' key, or with `_partition`, `starts_at` or `decided_at`
- a number with more than two significant digits after the decimal point, such as a fitted rate
- a lookup: several literals that rows of VALUES, a list, a map or branches of CASE turn into literal numbers

Lengths of intervals, bounds of windows, thresholds, indexes of lists and defaults are the structure of a query. They
aren't listed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

import yaml

from sixtyforty.modeling.sql_guard import list_tokens
from sixtyforty.modeling.sql_lookups import branches_of, join_row, literal_rows, literals_of_query, mapping_of
from sixtyforty.modeling.sql_tree import (
    Node,
    Scalar,
    SqlTree,
    canonical,
    cast_type,
    children,
    column_name,
    function_name,
    list_of,
    literal_of,
    literals_of,
    node_type,
    operands,
    parse_sql,
    walk,
)
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.storage.files import canonical_json

REMEMBERED_FILES = 64
TIME_COLUMNS = ("_partition", "starts_at", "decided_at")
DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ].*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}([T ].*)?|(19|20)\d{2}[01]\d[0-3]\d"
)
DATE_TYPES = ("date", "datetime", "timestamp", "timestamptz", "timestamp_s", "timestamp_ms", "timestamp_ns")
DATE_FUNCTIONS = {
    *("make_date", "make_timestamp", "make_timestamptz", "make_timestamp_ms", "make_timestamp_ns", "to_timestamp"),
    *("strptime", "try_strptime", "epoch_ms"),
}
EQUALITIES = {"COMPARE_EQUAL", "COMPARE_NOTEQUAL", "COMPARE_DISTINCT_FROM", "COMPARE_NOT_DISTINCT_FROM"}
MEMBERSHIPS = {"COMPARE_IN", "COMPARE_NOT_IN"}
MATCHES = {
    *("~~", "!~~", "~~*", "!~~*", "~~~", "^@", "regexp_matches", "regexp_full_match", "starts_with", "ends_with"),
    *("prefix", "suffix", "contains", "list_contains", "list_has", "array_contains", "array_has"),
    *("list_position", "list_indexof", "array_position", "array_indexof"),
}
POSITIONS = {"list_position", "list_indexof", "array_position", "array_indexof"}
# A comparison with the value of one of these functions names no single unit or day. These functions return parts of a
# time that recur within a week, differences, counts and random buckets.
STRUCTURAL = {
    *("dayofweek", "isodow", "weekday", "dayname", "hour", "minute", "second", "hash", "md5_number", "%", "mod", "-"),
    *("date_diff", "datediff", "date_sub", "datesub", "age", "length", "len", "count", "sum", "avg"),
}
WEEKLY_PARTS = {"dow", "dayofweek", "weekday", "isodow", "hour", "hours", "minute", "minutes", "second", "seconds"}
EXTRACTS = {"list_extract", "array_extract", "element_at", "map_extract", "map_extract_value", "list_element"}


@dataclass(frozen=True)
class SqlConstant:
    """A constant of features.sql, and its line. `content` is a text, a number, a list of them, or a mapping."""

    content: Any
    line: int

    @property
    def text(self) -> str:
        """The constant as a declaration writes it, in one line of YAML."""
        written = yaml.safe_dump(
            self.content, default_flow_style=True, width=float("inf"), allow_unicode=True, sort_keys=False
        )
        return str(written).removesuffix("\n").removesuffix("\n...")

    @property
    def identity(self) -> str:
        """The normal form of the constant: equal constants give equal texts, whatever their formatting and order."""
        return identity_of(self.content)


def identity_of(content: Any) -> str:
    """Return the normal form of a constant as text. It is the same for a constant in SQL and in a declaration."""
    return canonical_json(canonical(content))


def list_constants(use_case: DecisionChain) -> tuple[SqlConstant, ...]:
    """Return the constants of features.sql that may express knowledge about outcomes, in the order of their lines."""
    return find_constants(use_case.sql("features"), tuple(use_case.decision.key))


@lru_cache(maxsize=REMEMBERED_FILES)
def find_constants(sql: str, key: tuple[str, ...]) -> tuple[SqlConstant, ...]:
    """Return the distinct constants of a query that may express knowledge about outcomes.

    key: the columns that identify a unit. If DuckDB can't parse the SQL, none is returned: the SQL can't run either.
    """
    tree = parse_sql(sql)
    if tree is None:
        return ()
    if not tree.root:
        return tuple(_list_tokens(sql))
    names = _names_of_units(tree.root, {*(column.lower() for column in key), *TIME_COLUMNS})
    first: dict[str, SqlConstant] = {}
    for constant in sorted(_Lister(tree, names).find(tree.root), key=lambda constant: constant.line):
        first.setdefault(constant.identity, constant)
    return tuple(first.values())


def _list_tokens(sql: str) -> Iterator[SqlConstant]:
    """Yield the dates and the fractions, such as 0.4893, in the text of a query that has no parse tree."""
    for token in list_tokens(sql):
        kind = "STRING" if token.text.startswith("'") else "NUMERIC"
        node: Node = {"class": "CONSTANT", "literal": {"kind": kind, "text": token.text.strip("'")}}
        if not token.is_name and (content := _date_of(node) or _rate_of(node)):
            yield SqlConstant(content, sql[: token.start].count("\n") + 1)


def _names_of_units(root: Node, names: set[str]) -> set[str]:
    """Return the names of the columns that hold a unit's key or its times, including the query's aliases for them.

    names: the columns of the key, and of the units' times.
    """
    same: set[tuple[str, str]] = set()
    for node in walk(root):
        if node.get("class") == "COLUMN_REF" and node.get("alias"):
            same.add((column_name(node), node["alias"].lower()))
        elif node_type(node) == "COMPARE_EQUAL" and all(map(column_name, operands(node))):
            left, right = map(column_name, operands(node))
            same.add((left, right))
        elif node.get("class") == "SUBQUERY" and isinstance(node.get("child"), dict):
            selected = node["subquery"]["node"].get("select_list") or [{}]
            same.add((column_name(node["child"]), column_name(selected[0])))
    size = 0
    while size != len(names):
        size = len(names)
        for left, right in same:
            if left and right and {left, right} & names:
                names |= {left, right}
    return names


@dataclass(frozen=True)
class _Lister:
    """Lists the constants in a parse tree. `names`: the columns that hold a unit's key or its times."""

    tree: SqlTree
    names: Collection[str]

    def find(self, node: Any, parent: Any = None, columns: Sequence[str] = ()) -> Iterator[SqlConstant]:
        """Yield the constants in a node of the parse tree. columns: the column names of the query around the node."""
        content, rest = self._constant_of(node, columns) if isinstance(node, dict) else (None, children(node))
        if content is not None:
            yield SqlConstant(content, self.tree.line_of(node, parent))
        if isinstance(node, dict) and _column_aliases(node):
            columns = _column_aliases(node)
        for child in rest:
            yield from self.find(child, node if isinstance(node, dict) else parent, columns)

    def _constant_of(self, node: Node, columns: Sequence[str]) -> tuple[Any, list[Any]]:
        """Return the constant that a node stands for, or None, and the parts of the node left to search."""
        for find in (self._table, self._lookup, self._comparison, self._unnested):
            content, rest = find(node, columns)
            if content is not None:
                return content, rest
        if content := _date_of(node) or _rate_of(node):
            return content, []
        return None, [] if _is_quantile(node) else children(node)

    def _table(self, node: Node, columns: Sequence[str]) -> tuple[Any, list[Any]]:
        """Return the literal rows of VALUES or `union all`, or None, and the parts of the node left to search."""
        rows = literal_rows(node)
        if rows is None:
            return None, []
        columns = [*columns, *(_selected_names(node) or ())]
        has_key = not self._is_free(columns)
        width = len(rows[0]) if rows else 0
        if width == 1:
            return ([row[0] for row in rows], []) if has_key else (None, [])
        has_number = any(isinstance(part, int | float) for row in rows for part in row)
        if not has_key and (len(rows) < 2 or not has_number):
            return None, []
        is_mapping = width == 2 and len({str(row[0]) for row in rows if not isinstance(row[0], list)}) == len(rows)
        return (dict(map(tuple, rows)) if is_mapping else rows), []

    def _lookup(self, node: Node, _: Sequence[str]) -> tuple[Any, list[Any]]:
        """Return the mapping of literals to numbers in CASE, a map or a list, or None, and the parts left to search."""
        branches, default = branches_of(node)
        if len(branches) > 1 and all(number is not None for _, number in branches):
            lookup = {key: number for keys, number in branches for key in keys}
            return lookup | ({"else": default} if isinstance(default, int | float) else {}), []
        if node_type(node) == "ARRAY_EXTRACT" or function_name(node) in EXTRACTS:
            indexed, index = operands(node)[0], operands(node)[-1]
            content = mapping_of(indexed) or dict(enumerate(list_of(indexed) or (), 1))
            if len(content) > 1 and literal_of(index) is None:
                return content, [index]
        if function_name(node) in POSITIONS and (listed := list_of(operands(node)[0])) and len(listed) > 1:
            return {join_row(content): number for number, content in enumerate(listed, 1)}, operands(node)[1:]
        return None, []

    def _comparison(self, node: Node, _: Sequence[str]) -> tuple[Any, list[Any]]:
        """Return literals compared with a unit's key or times, or None, and the parts of the node left to search."""
        if node_type(node) in EQUALITIES or function_name(node) in MATCHES:
            left, right = (operands(node) * 2)[:2]
            for column, other in ((left, right), (right, left)):
                content = (list_of(other) or literals_of([other])) if self._is_of_unit(column) else None
                if content is not None:
                    return (content[0] if len(content) == 1 else content), [column]
        elif node_type(node) in MEMBERSHIPS:
            column, *others = operands(node)
            content = literals_of(others) if self._is_of_unit(column) else None
            if content is not None:
                return (content[0] if len(content) == 1 else content), [column]
        elif node.get("class") == "SUBQUERY" and node.get("child") and self._is_of_unit(node["child"]):
            return literals_of_query(node["subquery"]["node"]), []
        return None, []

    def _unnested(self, node: Node, columns: Sequence[str]) -> tuple[Any, list[Any]]:
        """Return the literal list of unit keys in a node of the SQL's syntax tree that is a call of `unnest`, or None.

        Also return the parts of the node in which constants must still be looked for: none.
        """
        if function_name(node) != "unnest" or self._is_free([*columns, node.get("alias", "")]):
            return None, []
        return list_of(operands(node)[0]), []

    def _is_free(self, columns: Sequence[str]) -> bool:
        return not {column.lower() for column in columns} & set(self.names)

    def _is_of_unit(self, node: Node) -> bool:
        """Whether an expression is computed only from a unit's key and its times."""
        if column_name(node):
            return column_name(node) in self.names
        if function_name(node) in STRUCTURAL:
            return False
        parts = operands(node)
        if function_name(node) in ("date_part", "datepart") and str(literal_of(parts[0])).lower() in WEEKLY_PARTS:
            return False
        columns = [part for part in parts if literal_of(part) is None and not _is_interval(part)]
        return bool(columns) and all(map(self._is_of_unit, columns))


def _is_interval(node: Node) -> bool:
    return cast_type(node) == "interval" or function_name(node).startswith("to_")


def _column_aliases(node: Node) -> list[str]:
    """Return the names that a subquery or a common table expression gives to its columns."""
    is_cte = "query_node" in node or "query" in node
    return node.get("column_name_alias") or (node.get("aliases") if is_cte else None) or []


def _selected_names(node: Node) -> list[str]:
    selects = node.get("children") or [{}]
    return [column.get("alias", "") for column in selects[0].get("select_list") or []]


def _date_of(node: Node) -> Any:
    """Return the date or time that a node of the parse tree stands for; None if the node is something else."""
    text = literal_of(node)
    if isinstance(text, str) and DATE.fullmatch(text.strip()):
        return canonical(text.strip())
    if cast_type(node) in DATE_TYPES and isinstance(text, str) and re.search(r"\d", text):
        return text
    if function_name(node) in DATE_FUNCTIONS and (parts := literals_of(operands(node))):
        if function_name(node) == "make_date" and len(parts) == 3:
            return "-".join(f"{part:02d}" if isinstance(part, int) else str(part) for part in parts)
        return f"{function_name(node)}({', '.join(map(str, parts))})"
    return None


def _rate_of(node: Node) -> Scalar | None:
    """Return the number that a node of the parse tree stands for, such as 0.2317.

    Return None if the node is no number, or if the number is round: see `_is_round`.
    """
    number = literal_of(node)
    return number if isinstance(number, float) and not _is_round(number) else None


def _is_round(number: float) -> bool:
    """Whether a number has at most two significant digits after the decimal point, or is a multiple of an eighth."""
    decimals = f"{Decimal(repr(number)):f}".partition(".")[2].strip("0")
    return len(decimals) <= 2 or (number * 8).is_integer()


def _is_quantile(node: Node) -> bool:
    return "quantile" in function_name(node) or "percentile" in function_name(node)
