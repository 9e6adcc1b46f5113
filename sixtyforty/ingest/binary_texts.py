"""Texts for the bytes that Parquet files and databases hold.

Many tools store text as bytes, so bytes that hold a text become this text. Other bytes become their hexadecimal digits
after `\\x`, as PostgreSQL writes them. A text that starts with `\\x`, or that has control characters other than white
space, becomes digits, too. So different bytes have different texts.
"""

from __future__ import annotations

import re
from contextlib import suppress

from sixtyforty.storage.sql import literal

NO_TEXT = r"^\s*\\x|[\x00-\x08\x0e-\x1f\x7f]"


def binary_text(content: bytes) -> str:
    """Return bytes as text."""
    with suppress(UnicodeDecodeError):
        text = content.decode()
        if not re.search(NO_TEXT, text):
            return text
    return f"\\x{content.hex()}"


def binary_text_sql(column: str) -> str:
    """Return SQL for the text of a BLOB column. column: its quoted name."""
    text = f"try(decode({column}))"
    is_text = f"{text} is not null and not regexp_matches({text}, {literal(NO_TEXT)})"
    return f"case when {is_text} then {text} else {digits_sql(column)} end"


def digits_sql(column: str) -> str:
    """Return SQL for the hexadecimal digits of a BLOB column, even if its bytes hold a text."""
    return rf"'\x' || lower(hex({column}))"
