"""Format counts for people, with the right plural: `1 extract`, `1,200 extracts`."""

from __future__ import annotations


def format_plural(count: float, singular: str, plural: str = "") -> str:
    """Return a count with its noun, such as `1 extract` or `1,200 extracts`.

    plural: the noun's plural; by default, the singular with an s.
    """
    return f"{count:,.0f} {singular if count == 1 else plural or f'{singular}s'}"
