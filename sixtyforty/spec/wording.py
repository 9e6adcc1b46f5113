"""Format counts, dates and lists for people: `1 extract`, `3 June 2013`, `a; b; and 3 more`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date


def format_plural(count: float, singular: str, plural: str = "") -> str:
    """Return a count with its noun, such as `1 extract` or `1,200 extracts`.

    plural: the noun's plural; by default, the singular with an s.
    """
    return f"{count:,.0f} {singular if count == 1 else plural or f'{singular}s'}"


def format_date(day: date | str) -> str:
    """Return a date for people, such as `3 June 2013`. A text that isn't an ISO date is returned unchanged."""
    if isinstance(day, str):
        try:
            day = date.fromisoformat(day)
        except ValueError:
            return str(day)
    return f"{day.day} {day:%B %Y}"


def join_first(texts: Sequence[str], shown: int) -> str:
    """Join the first `shown` texts, and add how many more there are, such as `a; b; and 3 more`."""
    more = [f"and {len(texts) - shown:,} more"] if len(texts) > shown else []
    return "; ".join([*texts[:shown], *more])


def capitalize_first(text: str) -> str:
    """Return a text with its first letter in upper case, and the rest unchanged."""
    return text[:1].upper() + text[1:]
