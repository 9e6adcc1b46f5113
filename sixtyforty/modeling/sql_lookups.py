"""Read lookups from a query: tables of literals, maps, and branches of CASE that turn literals into numbers."""

from __future__ import annotations

from itertools import product
from typing import Any

from sixtyforty.modeling.sql_tree import (
    Node,
    Scalar,
    function_name,
    list_of,
    literal_of,
    literals_of,
    node_type,
    operands,
)


def literal_rows(node: Node) -> list[list[Any]] | None:
    """Return the rows of literals that a node of the parse tree lists; None if it lists anything else."""
    if node_type(node) == "EXPRESSION_LIST":
        rows = [literals_of(row) for row in node["values"]]
    elif node_type(node) == "SET_OPERATION_NODE":
        rows = [_selected_literals(select) for select in node.get("children", [])]
    else:
        return None
    complete = [row for row in rows if row]
    return complete if complete and len(complete) == len(rows) else None


def _selected_literals(select: Node) -> list[Any] | None:
    if node_type(select.get("from_table") or {}) != "EMPTY":
        return None
    return literals_of(select["select_list"])


def literals_of_query(query: Node) -> list[Any] | None:
    """Return the literals that a query returns in its first column; None if it returns something else."""
    rows = literal_rows(query) or literal_rows(query.get("from_table") or {})
    if rows:
        return [row[0] for row in rows]
    selected = (query.get("select_list") or [{}])[0]
    if function_name(selected) == "unnest":
        return list_of(operands(selected)[0])
    return _selected_literals(query)


def mapping_of(node: Node) -> dict[Any, Any] | None:
    """Return the literals of `map {…}` or of a struct; None if the node is something else."""
    if function_name(node) == "map":
        keys, contents = (list_of(part) for part in operands(node)) if len(operands(node)) == 2 else (None, None)
        return dict(zip(keys, contents, strict=False)) if keys and contents else None
    if function_name(node) == "struct_pack":
        contents = literals_of(operands(node))
        names = [argument["name"] for argument in node["arguments"]]
        return dict(zip(names, contents, strict=True)) if contents else None
    return None


def branches_of(node: Node) -> tuple[list[tuple[list[Any], Scalar | None]], Any]:
    """Return the branches of CASE or `if`, and the literal that its else branch returns.

    Each branch is a pair: the literals in the branch's condition, and the literal number that the branch returns. The
    number is None if the condition isn't a comparison with literals, or if the branch returns anything else. A CASE in
    the else branch adds its branches. Other nodes have no branches.
    """
    if node.get("class") == "CASE":
        checks = [(check["when_expr"], check["then_expr"]) for check in node["case_checks"]]
        default = node["else_expr"]
    elif function_name(node) == "if" and len(operands(node)) == 3:
        when, then, default = operands(node)
        checks = [(when, then)]
    else:
        return [], None
    branches: list[tuple[list[Any], Scalar | None]] = []
    for when, then in checks:
        number, inputs = literal_of(then), _inputs_of(when)
        branches.append((inputs or [], number if inputs and isinstance(number, int | float) else None))
    further, last = branches_of(default)
    return branches + further, last if further else literal_of(default)


def _inputs_of(condition: Node) -> list[Any] | None:
    """Return the literals with which a condition compares columns; None if it does something else."""
    if node_type(condition) == "COMPARE_EQUAL":
        left, right = operands(condition)
        content = literal_of(right) if literal_of(left) is None else literal_of(left)
        return None if content is None else [content]
    if node_type(condition) == "COMPARE_IN":
        return [join_row(content) for content in literals_of(operands(condition)[1:]) or ()]
    parts = [_inputs_of(part) for part in operands(condition)]
    if not parts or not all(parts):
        return None
    if node_type(condition) == "CONJUNCTION_OR":
        return [content for part in parts for content in part or ()]
    if node_type(condition) == "CONJUNCTION_AND":
        return [join_row(combination) for combination in product(*(part or () for part in parts))]
    return None


def join_row(content: Any) -> Any:
    """Return a literal as it is, and a row of literals as one text."""
    return ", ".join(map(str, content)) if isinstance(content, list | tuple) else content
