"""Read the parse tree of a query, as DuckDB serializes it: its nodes, literals, column names and lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from sixtyforty.storage.duckdb_session import connect_for_types

Node = dict[str, Any]
Scalar = str | int | float
NOWHERE = 2**64 - 1  # DuckDB's location of a node that the parser added
NOT_SERIALIZED = "not implemented"  # DuckDB's error for a query such as `pivot t on x`
NUMBER_KINDS = ("INTEGER", "NUMERIC")


@dataclass(frozen=True)
class SqlTree:
    """A parsed query: `root` is DuckDB's tree, `sql` is its text. If DuckDB can't serialize it, `root` is empty."""

    sql: str
    root: Node

    def line_of(self, node: Any, parent: Any = None) -> int:
        """Return the line at which a node begins. For a node without a location, return the line of its `parent`."""
        locations = [part["query_location"] for part in walk(node) if part.get("query_location", NOWHERE) != NOWHERE]
        if not locations:
            return self.line_of(parent) if parent is not None else 1
        return self.sql.encode()[: min(locations)].count(b"\n") + 1


def parse_sql(sql: str) -> SqlTree | None:
    """Return the parse tree of a query; None if DuckDB can't parse it."""
    with connect_for_types() as db:
        (text,) = db.execute("select json_serialize_sql(?::varchar)", [sql]).fetchall()[0]
    parsed = json.loads(text)
    if parsed["error"]:
        return SqlTree(sql, {}) if parsed["error_type"] == NOT_SERIALIZED else None
    return SqlTree(sql, parsed["statements"][0]["node"]) if parsed["statements"] else None


def walk(node: Any) -> Iterator[Node]:
    """Yield a node and all nodes below it, each before the nodes that it contains."""
    if isinstance(node, dict):
        yield node
    for child in children(node):
        yield from walk(child)


def children(node: Any) -> list[Any]:
    """Return the nodes and lists directly below a node."""
    if isinstance(node, dict):
        return [child for child in node.values() if isinstance(child, dict | list)]
    return list(node) if isinstance(node, list) else []


def operands(node: Node) -> list[Node]:
    """Return the arguments of a function, or the operands of an operator, a comparison or a cast."""
    if "arguments" in node:
        return [argument["expression"] for argument in node["arguments"]]
    if "left" in node and "right" in node:
        return [node["left"], node["right"]]
    return node["children"] if isinstance(node.get("children"), list) else [node["child"]] if node.get("child") else []


def node_type(node: Node) -> str:
    """Return the type of a node, such as COMPARE_EQUAL; empty if the node has none."""
    kind = node.get("type")
    return kind if isinstance(kind, str) else ""


def function_name(node: Node) -> str:
    """Return the name of a function in lower case; empty if the node isn't a function."""
    return str(node.get("function_name", "")).lower() if node.get("class") == "FUNCTION" else ""


def column_name(node: Node) -> str:
    """Return the name of a column in lower case, without its table; empty if the node isn't a column."""
    return str(node["column_names"][-1]).lower() if node.get("class") == "COLUMN_REF" else ""


def cast_type(node: Node) -> str:
    """Return the type of a cast in lower case; empty if the node isn't a cast."""
    return str(node["type_expr"].get("type_name", "")).lower() if node.get("class") == "CAST" else ""


def literal_of(node: Any) -> Scalar | None:
    """Return the text or number of a literal, with or without casts; None if the node is something else.

    Nulls, booleans and intervals aren't literals here, because they hold no knowledge. A quotient of two numbers is a
    number.
    """
    if not isinstance(node, dict):
        return None
    if node.get("class") == "CAST":
        return None if cast_type(node) == "interval" else literal_of(node["child"])
    if function_name(node) in ("-", "+", "/"):
        return _computed(function_name(node), [literal_of(operand) for operand in operands(node)])
    if node.get("class") != "CONSTANT":
        return None
    kind, text = node["literal"]["kind"], node["literal"].get("text")
    if kind in NUMBER_KINDS:
        return _number(text)
    return str(text) if kind == "STRING" else None


def _number(text: str) -> Scalar:
    try:
        number = Decimal(text)
    except InvalidOperation:  # DuckDB's other forms, such as 0x1F
        return text
    return int(number) if number == number.to_integral_value() and abs(number) < 10**30 else float(number)


def _computed(operator: str, parts: list[Scalar | None]) -> Scalar | None:
    """Return the number that an operator computes from literals, such as -(0.2) or 2317 / 10000."""
    numbers = [part for part in parts if isinstance(part, int | float)]
    if len(numbers) != len(parts) or not numbers:
        return None
    if operator == "/":
        return numbers[0] / numbers[1] if len(numbers) == 2 and numbers[1] else None
    return (-numbers[0] if operator == "-" else numbers[0]) if len(numbers) == 1 else None


def literals_of(nodes: Any) -> list[Any] | None:
    """Return the literals of some nodes; a row of literals becomes a list. None if any node is something else."""
    contents: list[Any] = []
    for node in nodes:
        content: Any = literal_of(node)
        if content is None and isinstance(node, dict) and function_name(node) == "row":
            content = literals_of(operands(node))
        if content is None:
            return None
        contents.append(content)
    return contents


def list_of(node: Any) -> list[Any] | None:
    """Return the literals of a list such as `[1, 2]` or `array['a']`; None if the node is something else."""
    if not isinstance(node, dict):
        return None
    if node.get("class") == "CAST":
        return list_of(node["child"])
    is_list = function_name(node) == "list_value" or node_type(node) == "ARRAY_CONSTRUCTOR"
    return literals_of(operands(node)) if is_list else None


def canonical(content: Any) -> Any:
    """Return the normal form of a constant from SQL or YAML: a text, a sorted list, or a mapping.

    A list holds its contents in any order, and a list within a list is a row.
    """
    if isinstance(content, list):
        rows = [list(map(canonical, inner)) if isinstance(inner, list) else canonical(inner) for inner in content]
        return sorted(rows, key=str)
    if isinstance(content, dict):
        return {canonical(key): canonical(inner) for key, inner in content.items()}
    if isinstance(content, datetime):
        return content.isoformat(" ").removesuffix(" 00:00:00")
    if isinstance(content, bool) or not isinstance(content, int | float | date):
        return re.sub(r"[T ]00:00(:00)?$", "", str(content))
    return content.isoformat() if isinstance(content, date) else f"{content:.15g}"
