"""Follow the lineage of personal columns through SQL: which output columns are calculated from them.

The lineage errs on the side of privacy. It follows names through the whole text, so a column counts as personal if a
personal column of any source has its name. A column that the lineage can't name counts as personal, too. It doesn't
follow conditions: a row that is selected by a personal column still shows its other columns.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from sixtyforty.modeling.sql_tree import Node, children, node_type, parse_sql, walk
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.sql import identifier

UNNESTING = ("unnest", "unlist")


def personal_columns(use_case: UseCase) -> set[str]:
    """Return the names of the columns that any source declares as personal."""
    return {column for source in use_case.sources.values() for column in source.personal}


def impersonal_columns(use_case: UseCase, stages: Sequence[str], names: Sequence[str]) -> set[str]:
    """Return those of the named columns that the declared SQL calculates from no personal column.

    stages: the SQL files to follow, without their ending, such as `features`. Files that don't exist are left out.
    """
    files = [use_case.folder / f"{stage}.sql" for stage in stages]
    queries = [file.read_text() for file in files if file.exists()]
    queries.append(f"select {use_case.decision.decided_at} as decided_at from units")
    columns = [column for source in use_case.sources.values() for column in source.columns]
    for source in use_case.sources.values():
        queries += [f"select {sql} as {identifier(column)} from units" for column, sql in source.derived.items()]
    safe = find_impersonal_columns(queries, columns, personal_columns(use_case))
    return {name for name in names if name.lower() in safe}


def find_impersonal_columns(texts: Sequence[str], columns: Collection[str], personal: Collection[str]) -> set[str]:
    """Return the names of columns, in lower case, that no text calculates from a personal column.

    texts: SQL queries, which may use each other's columns. columns: the columns of the sources. personal: those of them
    that hold personal data. If DuckDB can't parse a text, can't serialize it as it can't a PIVOT, or if a text reads or
    makes columns without naming them, no column is safe.
    """
    trees = [parse_sql(text) for text in texts]
    roots = [tree.root for tree in trees if tree is not None and tree.root]
    if len(roots) < len(texts):
        return set()
    tainted = {name.lower() for name in personal}
    known = {name.lower() for name in columns} | {name for root in roots for name in _named(root)}
    size = -1
    while len(tainted) > size:  # each round follows one more step, for example from a CTE to the query that reads it
        size = len(tainted)
        for root in roots:
            tables = _table_names(root)
            for node in walk(root):
                tainted.update(_tainted_names(node, tainted, tables))
    nameless = (_is_nameless(node, tainted, _table_names(root)) for root in roots for node in walk(root))
    return set() if any(nameless) else known - tainted


def _is_nameless(node: Node, tainted: Collection[str], tables: Collection[str]) -> bool:
    """Return whether a node reads columns without naming them, or makes columns of tainted ones without naming them.

    COLUMNS, `* as x`, `#1` and UNPIVOT read such columns. Unnesting a struct, and table functions such as json_each,
    make them.
    """
    kind = node_type(node)
    if kind in ("POSITIONAL_REFERENCE", "PIVOT") or (kind == "STAR" and (node["columns"] or node["alias"])):
        return True
    parts = [part for child in children(node) for part in (child if isinstance(child, list) else [child])]
    if kind != "SELECT_NODE" and any(isinstance(part, dict) and node_type(part) == "STAR" for part in parts):
        return True  # such as `* like 'a%' as x`
    is_unnesting = kind == "FUNCTION" and node["function_name"].lower() in UNNESTING
    return (is_unnesting or kind == "TABLE_FUNCTION") and _is_tainted(node, tainted, tables)


def _named(root: Node) -> Iterator[str]:
    """Yield each name that a query gives to a column or reads from one."""
    for node in walk(root):
        if node_type(node) == "COLUMN_REF":
            yield node["column_names"][-1].lower()
        for name in (node.get("alias"), *node.get("aliases", ()), *(node.get("column_name_alias") or ())):
            if isinstance(name, str) and name:
                yield name.lower()


def _table_names(root: Node) -> set[str]:
    """Return the names and aliases of tables: a column reference with such a name is a whole row."""
    tables = [node for node in walk(root) if "column_name_alias" in node or "table_name" in node]
    names = {str(node.get(key) or "").lower() for node in tables for key in ("alias", "table_name")}
    return names - {""}


def _tainted_names(node: Node, tainted: Collection[str], tables: Collection[str]) -> Iterator[str]:
    """Yield the names of columns that a node calculates from tainted columns."""
    if node_type(node) == "SELECT_NODE":
        for expression in node["select_list"]:
            if _is_tainted(expression, tainted, tables):
                yield _output_name(expression)
    elif node_type(node) in ("SET_OPERATION_NODE", "RECURSIVE_CTE_NODE"):
        yield from _tainted_positions(node, _outputs(node)[0], tainted, tables)
    if node_type(node) == "STAR":
        replaced = [(part["key"], part["value"]) for part in node.get("replace_list") or ()]
        yield from (str(name).lower() for name, value in replaced if _is_tainted(value, tainted, tables))
        yield from (str(new).lower() for old, new in _renamed(node) if old in tainted)
    if node.get("aliases") and "query_node" in node:  # with a(x, y) as (…)
        yield from _tainted_positions(node["query_node"], list(node["aliases"]), tainted, tables)
    if names := node.get("column_name_alias"):  # from (…) t(x, y)
        query = (node.get("subquery") or {}).get("node")
        if query:
            yield from _tainted_positions(query, list(names), tainted, tables)
        elif node_type(node) == "BASE_TABLE" or _is_tainted(node, tainted, tables):
            yield from (name.lower() for name in names)


def _renamed(star: Node) -> Iterator[tuple[str, str]]:
    for part in star.get("rename_list") or ():
        key = part.get("key")
        old = key.get("column") or key.get("name") or "" if isinstance(key, dict) else key
        yield str(old).lower(), str(part.get("value"))


def _tainted_positions(
    query: Node, names: Sequence[str], tainted: Collection[str], tables: Collection[str]
) -> Iterator[str]:
    """Yield those of the names of a query's columns, by position, that any part of the query calculates from tainted.

    With a star, the positions are unknown, so all names are tainted if the columns are renamed.
    """
    for outputs in _output_expressions(query):
        if any(node_type(expression) == "STAR" for expression in outputs):
            own = [_output_name(expression) for expression in outputs]
            if own != [name.lower() for name in names]:
                yield from (name.lower() for name in names)
            continue
        for name, expression in zip(names, outputs, strict=False):
            if _is_tainted(expression, tainted, tables):
                yield name.lower()


def _output_expressions(query: Node) -> list[list[Node]]:
    """Return the expressions of the select list of each query that a set operation combines; of a query, its own."""
    if node_type(query) == "SELECT_NODE":
        return [query["select_list"]]
    parts = [*(query.get("children") or ()), query.get("left"), query.get("right")]
    return [outputs for part in parts if part for outputs in _output_expressions(part)]


def _outputs(query: Node) -> list[list[str]]:
    named = [[_output_name(expression) for expression in outputs] for outputs in _output_expressions(query)]
    return named or [[]]


def _output_name(expression: Node) -> str:
    """Return the name of an output column in lower case; empty for a star, and for an expression without a name."""
    name = expression.get("alias") or (expression.get("column_names") or [""])[-1]
    return str(name).lower()


def _is_tainted(expression: object, tainted: Collection[str], tables: Collection[str]) -> bool:
    """Return whether an expression reads a tainted column or a whole row. A star keeps the names of its columns."""
    for node in walk(expression):
        names = [name.lower() for name in node["column_names"]] if node_type(node) == "COLUMN_REF" else []
        is_row = len(names) == 1 and names[0] in tables
        if is_row or not set(names).isdisjoint(tainted):
            return True
    return False
