"""Quoting for SQL: every name and every text that enters a SQL string passes through here.

Names of columns, actions and tables come from declarations and extracts. They may hold any character, such as the
apostrophe in `don't wait`.
"""

from __future__ import annotations

from collections.abc import Iterable


def identifier(name: str) -> str:
    """Return a column or table name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def identifiers(names: Iterable[str], prefix: str = "") -> str:
    """Return several names as quoted identifiers, separated by commas, each after an optional table prefix."""
    return ", ".join(prefix + identifier(name) for name in names)


def literal(text: object) -> str:
    """Return a value as a SQL text literal."""
    return "'" + str(text).replace("'", "''") + "'"
