"""Quoting for SQL: every name and every text that enters a SQL string passes through here.

Names of columns, actions and tables come from declarations and extracts. They may hold any character, such as the
apostrophe in `don't wait`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

RESERVED_WORDS = frozenset(
    """all and any as asc at by case cast check column create cross default desc distinct do else end except false fetch
    for foreign from full group having in inner intersect into is join left like limit natural not null offset on or
    order outer primary references right select some table then to true union unique using when where window
    with""".split()
)


def identifier(name: str) -> str:
    """Return a column or table name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def bare_identifier(name: str) -> str:
    """Return a name as a SQL identifier without quotes where SQL allows it, for SQL that people read and edit."""
    is_plain = re.fullmatch(r"[a-z_][a-z0-9_]*", name) and name not in RESERVED_WORDS
    return name if is_plain else identifier(name)


def identifiers(names: Iterable[str], prefix: str = "") -> str:
    """Return several names as quoted identifiers, separated by commas, each after an optional table prefix."""
    return ", ".join(prefix + identifier(name) for name in names)


def literal(text: object) -> str:
    """Return a value as a SQL text literal."""
    return "'" + str(text).replace("'", "''") + "'"
