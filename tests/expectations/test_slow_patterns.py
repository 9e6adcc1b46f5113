"""Regular expressions that may take hours are found, and others are not."""

from __future__ import annotations

import pytest

from expectations.slow_patterns import is_slow

SLOW = [
    *(r"^(\d+)+$", r"(a*)*", r"(?:\w+\s?)*$", r"^(\s*\w+\s*)*$", r"((a+)b?)+", r"(x|\d+)*$", r"^(?:(?:ab)+)+$"),
    *(r"(.*)*x", r"(\d+?)+x", r"^([a-z]+)*\.[a-z]{2}$", r"a(b(c+)+d)"),
]
QUICK = [
    *(r"^\d+$", r"^(\d+,)*\d+$", r"^[A-Z]{2}\d{4,}$", r"^(\w+\s)*\w+$", r"(ab)+", r"(a|b)*", r"^(\d{1,3})+$", ""),
    *(r"^(\d+-){2}\d+$", r"(?=\d+)x*", r"^[^@]+@[^@]+\.[a-z]+$", r"(?>a+)+", r"(?:a++)+"),
]


@pytest.mark.parametrize("pattern", SLOW)
def test_a_repeated_repetition_is_slow(pattern: str) -> None:
    assert is_slow(pattern)


@pytest.mark.parametrize("pattern", QUICK)
def test_a_repetition_with_a_separator_is_not(pattern: str) -> None:
    assert not is_slow(pattern)
