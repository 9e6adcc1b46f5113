"""Logging in: the password checked, and guessing made slow, by account and by address.

After some failures each further one doubles the time until the next try is looked at. A name that nobody has is
treated as one that somebody has: neither the answer nor its time tells them apart.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from threading import Lock

import sqlalchemy as sa

from desk import sessions
from desk.accounts import LONGEST, known_as
from desk.passwords import matches
from desk.tables import ACCOUNTS, FAILURES

FREE = {"account": 5, "address": 20}  # failures without a wait; behind one address there may be many people
FIRST, LONGEST_WAIT, REMEMBERED = 10.0, 900.0, timedelta(hours=1)  # seconds, seconds, and how long a failure counts

# One try at a time an account, or a hundred at once would all be looked at before the first has failed.
_TURNS = [Lock() for _ in range(64)]


class Refused(Exception):
    """No log-in. `wait`: seconds until the next try is looked at; 0: it is now."""

    def __init__(self, wait: float = 0.0) -> None:
        super().__init__("Name or password is wrong." if not wait else "Too many tries have failed.")
        self.wait = wait


def log_in(database: sa.Engine, name: str, password: str, address: str, now: datetime) -> str:
    """Opens a session and returns its token. Raises Refused."""
    who = {"account": known_as(name)[:LONGEST], "address": address}
    with _TURNS[hash(who["account"]) % len(_TURNS)]:
        with database.connect() as connection:
            wait = max(_wait(connection, kind, value, now) for kind, value in who.items())
            kept = connection.scalar(sa.select(ACCOUNTS.c.password).where(ACCOUNTS.c.name == who["account"]))
        if wait:
            raise Refused(wait)
        right = matches(password[: LONGEST + 1], kept)
        with database.begin() as connection:
            old, mine = FAILURES.c.at <= now - REMEMBERED, FAILURES.c.account == who["account"]
            connection.execute(sa.delete(FAILURES).where(sa.or_(old, mine) if right else old))
            if right:
                return sessions.open_(connection, who["account"], now)
            connection.execute(sa.insert(FAILURES).values(**who, at=now))
    raise Refused()


def _wait(connection: sa.Connection, kind: str, value: str, now: datetime) -> float:
    """Seconds until the next try of this account or address is looked at."""
    failed, last = connection.execute(
        sa.select(sa.func.count(), sa.func.max(FAILURES.c.at)).where(
            FAILURES.c[kind] == value, FAILURES.c.at > now - REMEMBERED
        )
    ).one()
    if failed < FREE[kind]:
        return 0.0
    until = last + timedelta(seconds=min(FIRST * 2.0 ** min(failed - FREE[kind], 10), LONGEST_WAIT))
    return float(max(math.ceil((until - now).total_seconds()), 0))
