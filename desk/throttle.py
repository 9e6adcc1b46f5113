"""Slow down the guessing of passwords: after some attempts that failed, each further attempt has to wait.

Each attempt is counted before its password is checked, so many attempts at once don't pass the limit. Attempts count by
account and address together: nobody who guesses elsewhere keeps a colleague from logging in. They also count by address
alone, whatever names it tries. A successful log-in is no longer counted.
"""

from __future__ import annotations

import ipaddress
import math
from datetime import datetime, timedelta
from threading import Lock

import sqlalchemy as sa

from desk.tables import FAILURES

FREE_ATTEMPTS = 5  # for an account from an address, without a wait
FREE_ATTEMPTS_OF_ADDRESS = 60  # many people may share an address, and log in together when their shift begins
FIRST_WAIT, MAX_WAIT = 10.0, 900.0  # seconds until the next attempt is allowed
FAILURE_LIFETIME = timedelta(hours=1)  # an older attempt no longer counts
IPV6_NETWORK = 64  # bits: a provider gives each of its customers at least so large a network
_COUNTING = Lock()  # of this process, which alone serves the desk


class TooManyAttemptsError(Exception):
    """Too many attempts failed. wait: the seconds until the next attempt is allowed."""

    def __init__(self, wait: float) -> None:
        super().__init__("Too many failed log-in attempts.")
        self.wait = wait


def count_attempt(database: sa.Engine, account: str, address: str, now: datetime) -> None:
    """Count an attempt to log in, before its password is checked. now: UTC, naive. Raises TooManyAttemptsError."""
    with _COUNTING, database.begin() as connection:
        delete_old_attempts(connection, now)
        wait = _find_wait(connection, account, address, now)
        if not wait:
            connection.execute(sa.insert(FAILURES).values(account=account, address=source_of(address), at=now))
    if wait:
        raise TooManyAttemptsError(wait)


def delete_old_attempts(connection: sa.Connection, now: datetime) -> None:
    """Delete the attempts that no longer count, with the addresses of their clients. now: UTC, naive."""
    connection.execute(sa.delete(FAILURES).where(FAILURES.c.at <= now - FAILURE_LIFETIME))


def next_wait(database: sa.Engine, account: str, address: str, now: datetime) -> float:
    """Return the seconds until the next attempt for an account from an address is allowed; 0 if it is at once."""
    with database.connect() as connection:
        return _find_wait(connection, account, address, now)


def _find_wait(connection: sa.Connection, account: str, address: str, now: datetime) -> float:
    is_of_source = FAILURES.c.address == source_of(address)
    is_of_both = sa.and_(is_of_source, FAILURES.c.account == account)
    return max(
        _seconds_to_wait(connection, is_of_both, FREE_ATTEMPTS, now),
        _seconds_to_wait(connection, is_of_source, FREE_ATTEMPTS_OF_ADDRESS, now),
    )


def forget_attempts(connection: sa.Connection, account: str, address: str) -> None:
    """Forget the attempts for an account from an address, because one was successful."""
    is_of_both = sa.and_(FAILURES.c.account == account, FAILURES.c.address == source_of(address))
    connection.execute(sa.delete(FAILURES).where(is_of_both))


def source_of(address: str) -> str:
    """Return the part of an IP address by which attempts count: of IPv6 only the network, whose user has all of it."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4 or parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped if parsed.version == 6 else parsed)
    return str(ipaddress.ip_network((int(parsed), IPV6_NETWORK), strict=False))


def _seconds_to_wait(connection: sa.Connection, condition: sa.ColumnElement[bool], free: int, now: datetime) -> float:
    count, last = connection.execute(sa.select(sa.func.count(), sa.func.max(FAILURES.c.at)).where(condition)).one()
    if count < free:
        return 0.0
    until = last + timedelta(seconds=min(FIRST_WAIT * 2.0 ** min(count - free, 10), MAX_WAIT))
    return float(max(math.ceil((until - now).total_seconds()), 0))
