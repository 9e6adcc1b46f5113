"""Logging in and out: the log-in page, the password check, and the waits that slow down password guessing.

After FREE_FAILURES failed attempts, each further failure doubles the wait before the next attempt. Failures are counted
by account and by IP address. An unknown name gets the same answer as a known name with a wrong password, after the same
time. So nobody can find out which accounts exist.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from threading import Lock

import sqlalchemy as sa
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from desk import sessions
from desk.accounts import MAX_PASSWORD, normalize_name
from desk.forms import check_form_token, read_form
from desk.page_request import COOKIE, Desk, PageRequest, Problem
from desk.passwords import password_matches
from desk.roles import PAGES_OF_ROLE
from desk.tables import ACCOUNTS, FAILURES
from sixtyforty.spec import clock

FREE_FAILURES = {"account": 5, "address": 20}  # failed log-ins without a wait; many people may share an IP address
FIRST_WAIT, MAX_WAIT = 10.0, 900.0  # seconds until the next attempt is allowed
FAILURE_LIFETIME = timedelta(hours=1)  # a failed attempt that is older no longer counts

# Attempts on one account run one at a time. Otherwise many passwords could be checked before a failure is stored.
_ATTEMPT_LOCKS = [Lock() for _ in range(64)]


class LoginRefusedError(Exception):
    """The log-in failed. wait: the seconds until the next attempt is allowed; 0 if it is allowed at once."""

    def __init__(self, wait: float = 0.0) -> None:
        super().__init__("Too many failed log-in attempts." if wait else "The name or the password is wrong.")
        self.wait = wait


def login_page(desk: Desk) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of the log-in page. It redirects logged-in people to the first page of their role."""

    async def endpoint(request: Request) -> Response:
        form = await read_form(request)
        return await run_in_threadpool(_answer, desk, request, form)

    return endpoint


def _answer(desk: Desk, request: Request, form: Mapping[str, str] | None) -> Response:
    token = request.cookies.get(COOKIE, "")
    session = sessions.find_session(desk.database, token, clock.now())
    if form is None:
        return RedirectResponse(PAGES_OF_ROLE[session.role][0], 303) if session else _render_form(desk, token)
    name, address = form.get("name", ""), request.client.host if request.client else ""
    try:
        check_form_token(form, token)
        new_token = log_in(desk.database, name, form.get("password", ""), address, clock.now())
    except Problem:
        return _render_form(desk, token, 403, "The log-in page was out of date. Please try again.", name)
    except LoginRefusedError as refusal:
        return _render_refusal(desk, token, refusal, name)
    if session:
        sessions.close_session(desk.database, token)
    return desk.set_cookie(RedirectResponse("/", 303), new_token)


def _render_refusal(desk: Desk, token: str, refusal: LoginRefusedError, name: str) -> Response:
    if not refusal.wait:
        text = "The name or the password is wrong. Check both and try again."
        return _render_form(desk, token, 401, text, name)
    text = f"Too many failed log-in attempts. Wait {describe_wait(refusal.wait)} and try again."
    response = _render_form(desk, token, 429, text, name)
    response.headers["Retry-After"] = f"{refusal.wait:.0f}"
    return response


def _render_form(desk: Desk, token: str, status: int = 200, message: str = "", name: str = "") -> Response:
    token = token or sessions.new_token()
    page = desk.render_logged_out("login.html", status, csrf=sessions.csrf_of(token), message=message, name=name)
    return desk.set_cookie(page, token)


def describe_wait(seconds: float) -> str:
    """Return a number of seconds in words, such as `40 seconds` or `3 minutes`."""
    return f"{seconds:.0f} seconds" if seconds < 90 else f"{math.ceil(seconds / 60)} minutes"


def log_out(request: PageRequest) -> Response:
    """End the person's session and redirect to the log-in page.

    The session ends only if the log-out form is sent, so that a link on another site logs nobody out.
    """
    response = RedirectResponse("/", 303)
    if request.form is not None:
        sessions.close_session(request.desk.database, request.session.token)
        response.delete_cookie(COOKIE)
    return response


def log_in(database: sa.Engine, name: str, password: str, address: str, now: datetime) -> str:
    """Check a person's password, open a session and return the session's token.

    name: the account's name. address: the person's IP address. now: the current time (UTC, naive). Raises
    LoginRefusedError if the name or password is wrong, or after too many failed attempts.
    """
    attempt = {"account": normalize_name(name)[:MAX_PASSWORD], "address": address}
    with _ATTEMPT_LOCKS[hash(attempt["account"]) % len(_ATTEMPT_LOCKS)]:
        with database.connect() as connection:
            wait = max(_seconds_to_wait(connection, kind, key, now) for kind, key in attempt.items())
            stored = connection.scalar(sa.select(ACCOUNTS.c.password).where(ACCOUNTS.c.name == attempt["account"]))
        if wait:
            raise LoginRefusedError(wait)
        is_right = password_matches(password[: MAX_PASSWORD + 1], stored)
        with database.begin() as connection:
            expired = FAILURES.c.at <= now - FAILURE_LIFETIME
            of_account = FAILURES.c.account == attempt["account"]
            connection.execute(sa.delete(FAILURES).where(sa.or_(expired, of_account) if is_right else expired))
            if is_right:
                return sessions.open_session(connection, attempt["account"], now)
            connection.execute(sa.insert(FAILURES).values(**attempt, at=now))
    raise LoginRefusedError()


def _seconds_to_wait(connection: sa.Connection, kind: str, key: str, now: datetime) -> float:
    """Return the seconds until the next log-in attempt is allowed, for an account name or IP address (`key`).

    kind: "account" or "address".
    """
    failures, last = connection.execute(
        sa.select(sa.func.count(), sa.func.max(FAILURES.c.at)).where(
            FAILURES.c[kind] == key, FAILURES.c.at > now - FAILURE_LIFETIME
        )
    ).one()
    if failures < FREE_FAILURES[kind]:
        return 0.0
    doublings = min(failures - FREE_FAILURES[kind], 10)
    until = last + timedelta(seconds=min(FIRST_WAIT * 2.0**doublings, MAX_WAIT))
    return float(max(math.ceil((until - now).total_seconds()), 0))
