"""Passwords: hashed at the recommended cost, and compared without telling whether the account exists."""

from __future__ import annotations

import pytest

from desk import passwords
from desk.passwords import hash_password, password_matches
from tests.desk.conftest import PASSWORD


def test_a_hash_costs_at_least_what_owasp_recommends(production_cost: tuple[int, int, int]) -> None:
    n, r, p = production_cost
    assert r >= 8 and p >= {2**17: 1, 2**16: 2, 2**15: 3, 2**14: 5, 2**13: 10}[n]


def test_only_the_same_password_matches(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = hash_password(PASSWORD)
    assert PASSWORD not in stored
    assert password_matches(PASSWORD, stored)
    assert not password_matches(PASSWORD + " ", stored)
    assert hash_password(PASSWORD) != stored  # another salt
    monkeypatch.setattr(passwords, "P", passwords.P + 1)
    assert password_matches(PASSWORD, stored)  # a stored hash keeps the cost that it was made with


def test_no_password_matches_a_missing_account() -> None:
    assert not password_matches("", None)
    assert not password_matches(PASSWORD, None)
