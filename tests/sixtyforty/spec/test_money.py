"""Amounts of money read as people write them."""

from __future__ import annotations

import math

import pytest

from sixtyforty.spec.money import format_exact_money, format_money


@pytest.mark.parametrize(
    ("amount", "unit", "text"),
    [
        (2_606_050.4, "USD", "$2,606,050"),
        (-500.0, "USD", "-$500"),
        (1200.0, "SEK", "SEK 1,200"),
        (-1200.0, "SEK", "-SEK 1,200"),
        (-0.2, "USD", "$0"),
        (None, "USD", "–"),
        (math.nan, "USD", "–"),
    ],
)
def test_amounts_are_rounded_and_carry_their_currency(amount: float | None, unit: str, text: str) -> None:
    assert format_money(amount, unit) == text


@pytest.mark.parametrize(("amount", "text"), [(500.0, "+$500"), (-500.0, "-$500"), (0.0, "$0")])
def test_a_signed_amount_shows_gains_with_a_plus(amount: float, text: str) -> None:
    assert format_money(amount, "USD", signed=True) == text


@pytest.mark.parametrize(
    ("amount", "text"), [(3.0, "$3"), (2.5, "$2.50"), (0.125, "$0.125"), (1234.56, "$1,234.56"), (-2.5, "-$2.50")]
)
def test_declared_amounts_keep_all_their_decimals(amount: float, text: str) -> None:
    assert format_exact_money(amount, "USD") == text
