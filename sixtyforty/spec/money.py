"""Format amounts of money for people: `$2,606,050`, `-$500`, `SEK 1,200`."""

from __future__ import annotations

import math

SYMBOLS = {"USD": "$"}  # any other currency is written as its code, before the amount
UNKNOWN = "–"


def format_money(amount: float | None, unit: str, *, signed: bool = False) -> str:
    """Return an amount in whole currency units, such as `$2,606,050`. An unknown amount (None or NaN) becomes a dash.

    unit: currency code, such as `USD`. signed: also write a plus sign, such as `+$500`.
    """
    if amount is None or math.isnan(amount):
        return UNKNOWN
    whole = round(amount)
    return _sign(whole, signed) + _prefix(unit) + f"{abs(whole):,}"


def format_exact_money(amount: float, unit: str) -> str:
    """Return a declared amount with all its decimals, such as `$3`, `$2.50` or `SEK 0.125`. unit: currency code."""
    text = f"{abs(amount):,.10g}"
    if len(text.partition(".")[2]) == 1:
        text += "0"
    return _sign(amount, signed=False) + _prefix(unit) + text


def _sign(amount: float, signed: bool) -> str:
    if amount < 0:
        return "-"
    return "+" if signed and amount > 0 else ""


def _prefix(unit: str) -> str:
    return SYMBOLS.get(unit, f"{unit} ")
