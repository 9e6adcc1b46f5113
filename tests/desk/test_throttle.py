"""Guessing gets slower and slower, for whoever guesses, and for nobody else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from desk import accounts, login
from desk.login import WrongPasswordError, log_in
from desk.sessions import Client
from desk.throttle import (
    FAILURE_LIFETIME,
    FREE_ATTEMPTS,
    FREE_ATTEMPTS_OF_ADDRESS,
    TooManyAttemptsError,
    source_of,
)
from tests.desk.conftest import PASSWORD
from tests.desk.test_login import NOW


def guess(database: sa.Engine, name: str, now: datetime, address: str = "here", password: str = "a wrong one") -> float:
    """Return the seconds to wait for the next attempt; 0 if this one was checked."""
    with pytest.raises((WrongPasswordError, TooManyAttemptsError)) as refusal:
        log_in(database, name, password, Client(address), now)
    return getattr(refusal.value, "wait", 0.0)


def test_guessing_gets_slower_and_slower(database: sa.Engine) -> None:
    accounts.save_account(database, "ann", "decider", PASSWORD)
    for _ in range(FREE_ATTEMPTS):
        assert guess(database, "ann", NOW) == 0
    waits, now = [], NOW
    for _ in range(9):
        waits.append(guess(database, "ann", now))
        assert guess(database, "ann", now, password=PASSWORD) == waits[-1]  # not even the right one is checked
        now += timedelta(seconds=waits[-1])
        assert guess(database, "ann", now) == 0
    assert waits == [10, 20, 40, 80, 160, 320, 640, 900, 900]


def test_nobody_locks_a_colleague_out(database: sa.Engine) -> None:
    accounts.save_account(database, "ann", "decider", PASSWORD)
    for attempt in range(3 * FREE_ATTEMPTS):
        guess(database, "ann", NOW + timedelta(seconds=attempt), "an attacker")
    assert guess(database, "ann", NOW, "an attacker") > 0
    assert log_in(database, "ann", PASSWORD, Client("ann's own desk"), NOW)


def test_a_log_in_clears_the_failures_and_so_does_an_hour(database: sa.Engine) -> None:
    accounts.save_account(database, "ann", "decider", PASSWORD)
    for _ in range(3):
        for _ in range(FREE_ATTEMPTS - 1):
            guess(database, "ann", NOW)
        log_in(database, "ann", PASSWORD, Client("here"), NOW)
    for _ in range(FREE_ATTEMPTS):
        guess(database, "ann", NOW)
    assert guess(database, "ann", NOW) > 0
    assert log_in(database, "ann", PASSWORD, Client("here"), NOW + FAILURE_LIFETIME)


def test_an_address_is_slowed_down_whatever_names_it_tries(database: sa.Engine) -> None:
    for i in range(FREE_ATTEMPTS_OF_ADDRESS):
        assert guess(database, f"name{i}", NOW, "there") == 0
    assert guess(database, "another", NOW, "there") == 10
    assert guess(database, "another", NOW, "elsewhere") == 0


def test_an_attempt_counts_before_its_password_is_checked(database: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise, an attacker who disconnects, or a crash during the check, would cost nothing."""

    def crash(*_: object) -> bool:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(login, "password_matches", crash)
        for _ in range(FREE_ATTEMPTS):
            with pytest.raises(MemoryError):
                log_in(database, "ann", "a wrong one", Client("here"), NOW)
    assert guess(database, "ann", NOW) == 10


def test_many_guesses_at_once_are_no_way_round_the_delay(database: sa.Engine) -> None:
    accounts.save_account(database, "ann", "decider", PASSWORD)
    with ThreadPoolExecutor(20) as pool:
        waits = list(pool.map(lambda _: guess(database, "ann", NOW), range(20)))
    assert waits.count(0) == FREE_ATTEMPTS


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_all_addresses_of_an_ipv6_customer_count_as_one(address: str, source: str) -> None:
    assert source_of(address) == source
