"""Follow the columns of a declared SQL query back to the columns of the sources that they are calculated from.

The lineage follows names through the whole text. So it may name a column too many, if two tables of the query have a
column of the same name, but none too few. Conditions and joins aren't followed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache

from sixtyforty.modeling.sql_tree import Node, column_name, node_type, parse_sql, walk

SourceColumn = tuple[str, str]  # a source and one of its columns


def trace_columns(sql: str, columns: Mapping[str, Sequence[str]]) -> dict[str, list[SourceColumn]]:
    """Return the source columns that each output column of a query is calculated from, in the order of the query.

    columns: the columns of each source. Empty if DuckDB can't parse the query or can't serialize it, and if the query
    is a set operation. A column that a star selects is left out.
    """
    reads, tables, outputs = _read_names(sql)
    owners = defaultdict(list)
    for source, source_columns in columns.items():
        for name in source_columns if source.lower() in tables else ():
            owners[name.lower()].append((source, name))
    traced = {}
    for output in outputs:
        names = _follow(output, reads)
        traced[output] = sorted({owner for name in names for owner in owners[name]})
    return traced


@lru_cache(maxsize=64)
def _read_names(sql: str) -> tuple[dict[str, set[str]], set[str], list[str]]:
    """Return the names that each named column of a query reads, the names of its tables, and its output columns."""
    tree = parse_sql(sql)
    root: Node = tree.root if tree else {}
    reads: defaultdict[str, set[str]] = defaultdict(set)
    tables: set[str] = set()
    for node in walk(root):
        if node_type(node) == "SELECT_NODE":
            for expression in node["select_list"]:
                reads[_output_name(expression)] |= {column_name(part) for part in walk(expression)} - {""}
        elif node_type(node) == "BASE_TABLE":
            tables.add(str(node["table_name"]).lower())
    selected = root["select_list"] if node_type(root) == "SELECT_NODE" else []
    return dict(reads), tables, [name for name in map(_output_name, selected) if name]


def _follow(output: str, reads: Mapping[str, set[str]]) -> set[str]:
    """Return all names that a column is calculated from, directly or through other columns of the query."""
    followed, waiting = set[str](), set(reads[output])
    while waiting:
        name = waiting.pop()
        followed.add(name)
        waiting |= reads.get(name, set()) - followed
    return followed


def _output_name(expression: Node) -> str:
    return (str(expression.get("alias") or "") or column_name(expression)).lower()
