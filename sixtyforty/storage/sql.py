"""Quoting for SQL. Code must quote every name and every text with these functions before putting it into SQL.

Names of columns, actions and tables come from declarations and extracts. The names may contain any character, such as
the apostrophe in `don't wait`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

DIGEST = "sha256 of "  # the start of a digest that stands for a long text
RESERVED_WORDS = frozenset(
    [
        "all",
        "analyse",
        "analyze",
        "and",
        "any",
        "array",
        "as",
        "asc",
        "asymmetric",
        "at",
        "both",
        "by",
        "case",
        "cast",
        "check",
        "collate",
        "column",
        "constraint",
        "create",
        "cross",
        "default",
        "deferrable",
        "desc",
        "describe",
        "distinct",
        "do",
        "else",
        "end",
        "except",
        "false",
        "fetch",
        "for",
        "foreign",
        "from",
        "full",
        "group",
        "having",
        "in",
        "initially",
        "inner",
        "intersect",
        "into",
        "is",
        "join",
        "lambda",
        "lateral",
        "leading",
        "left",
        "like",
        "limit",
        "natural",
        "not",
        "null",
        "offset",
        "on",
        "only",
        "or",
        "order",
        "outer",
        "pivot",
        "pivot_longer",
        "pivot_wider",
        "placing",
        "primary",
        "qualify",
        "references",
        "returning",
        "right",
        "select",
        "show",
        "some",
        "summarize",
        "symmetric",
        "table",
        "then",
        "to",
        "trailing",
        "true",
        "union",
        "unique",
        "unpivot",
        "using",
        "variadic",
        "when",
        "where",
        "window",
        "with",
    ]
)


def identifier(name: str) -> str:
    """Return a column or table name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def bare_identifier(name: str) -> str:
    """Return a name as a SQL identifier, quoted only if SQL requires it. Use it for SQL that people read and edit."""
    is_plain = re.fullmatch(r"[a-z_][a-z0-9_]*", name) and name not in RESERVED_WORDS
    return name if is_plain else identifier(name)


def identifiers(names: Iterable[str], prefix: str = "") -> str:
    """Return names as quoted SQL identifiers, separated by commas.

    prefix: text before each name, such as `t.`.
    """
    return ", ".join(prefix + identifier(name) for name in names)


def digest_sql(text: str, longest: int) -> str:
    """Return SQL for a text that is equal for equal texts only, and never long: a longer text becomes its digest.

    text: SQL expression of a text. longest: the bytes of the longest text that stays as it is.
    """
    return f"case when strlen({text}) > {longest} then {literal(DIGEST)} || sha256({text}) else {text} end"


def literal(text: object) -> str:
    """Return a Python value as a SQL text literal, in single quotes."""
    return "'" + str(text).replace("'", "''") + "'"
