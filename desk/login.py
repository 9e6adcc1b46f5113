"""Logging in and out: the log-in page, and the password check.

An unknown name gets the same answer as a known name with a wrong password, after the same time. So nobody can find out
which accounts exist. `throttle` slows down the guessing of passwords.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

import sqlalchemy as sa
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from desk import sessions
from desk.accounts import MAX_PASSWORD, normalize_name
from desk.forms import check_form_token, read_form
from desk.page_request import Desk, PageRequest, Problem, client_of
from desk.passwords import password_matches
from desk.return_address import ReturnAddress, forget_return_address, read_return_address
from desk.roles import pages_anywhere
from desk.sessions import Client
from desk.tables import ACCOUNTS
from desk.throttle import TooManyAttemptsError, count_attempt, forget_attempts, next_wait
from sixtyforty.spec import clock

ACCOUNT_PAGE = "/account"
UNKNOWN_NAME = "(no account)"  # in the security log, because people sometimes type their password as the name


class WrongPasswordError(Exception):
    """The name or the password is wrong."""


def login_page(desk: Desk) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of the log-in page. It redirects logged-in people to the first page of their role."""

    async def endpoint(request: Request) -> Response:
        form = await read_form(request)
        return await run_in_threadpool(_answer, desk, request, form)

    return endpoint


def _answer(desk: Desk, request: Request, form: Mapping[str, str] | None) -> Response:
    visitor = request.cookies.get(desk.visitor_cookie, "")
    session_token = request.cookies.get(desk.session_cookie, "")
    session = sessions.find_session(desk.database, session_token, clock.now())
    if form is None and session:
        returned = read_return_address(request.cookies, desk.secure)
        return RedirectResponse(_page_after_login(desk, session, returned), 303)
    if form is None:
        return render_login(desk, visitor)
    name, client = form.get("name", ""), client_of(request)
    try:
        check_form_token(form, visitor)
        token = log_in(desk.database, name, form.get("password", ""), client, clock.now())
    except Problem:
        return render_login(desk, visitor, 403, "The log-in page was out of date. Please try again.", name)
    except TooManyAttemptsError as refusal:
        return _render_wait(desk, visitor, refusal, name)
    except WrongPasswordError:
        _record_failure(desk, name, client)
        return render_login(desk, visitor, 401, "The name or the password is wrong. Check both and try again.", name)
    return open_desk(desk, normalize_name(name), client, token, session)


def open_desk(desk: Desk, person: str, client: Client, token: str, earlier: sessions.Session | None) -> Response:
    """Return the answer to a log-in: it leads to the first page, and replaces an earlier session of this browser."""
    if earlier:
        sessions.close_session(desk.database, earlier.token)
        desk.record("log-out", earlier.person, client)
    desk.record("log-in", person, client)
    response = RedirectResponse("/", 303)
    response.delete_cookie(desk.visitor_cookie, secure=desk.secure)
    return desk.set_session(response, token)


def _page_after_login(desk: Desk, session: sessions.Session, returned: ReturnAddress | None) -> str:
    """Return the address of the page that the person wanted, if the person may open it; else of the first page."""
    pages = pages_anywhere(session.grants, (ws.use_case for ws in desk.workspaces.values()))
    return returned.address if returned and returned.path in pages else first_page(desk, session)


def first_page(desk: Desk, session: sessions.Session) -> str:
    """Return the address of the page that opens after the log-in."""
    pages = pages_anywhere(session.grants, (ws.use_case for ws in desk.workspaces.values()))
    return ACCOUNT_PAGE if session.must_change or not pages else pages[0]


def _render_wait(desk: Desk, visitor: str, refusal: TooManyAttemptsError, name: str) -> Response:
    text = f"Too many failed log-in attempts. Wait {describe_wait(refusal.wait)} and try again."
    response = render_login(desk, visitor, 429, text, name)
    response.headers["Retry-After"] = f"{refusal.wait:.0f}"
    return response


def render_login(desk: Desk, visitor: str, status: int = 200, message: str = "", name: str = "") -> Response:
    """Return the log-in page. visitor: the visitor's token; empty: the page gives the visitor a new random token."""
    visitor = visitor or sessions.new_token()
    page = desk.render_logged_out(
        "login.html",
        status,
        csrf=sessions.csrf_of(visitor),
        message=message,
        name=name,
        provider=desk.provider_name,
    )
    return desk.set_visitor(page, visitor)


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
        request.record("log-out")
        response.delete_cookie(request.desk.session_cookie, secure=request.desk.secure)
        forget_return_address(response, request.desk.secure)
        response.headers["Clear-Site-Data"] = '"cache", "storage"'  # also pages that "back" would show
    return response


def log_in(database: sa.Engine, name: str, password: str, client: Client, now: datetime) -> str:
    """Check a person's password, open a session and return the session's token.

    name: the account's name. now: the current time (UTC, naive). Raises WrongPasswordError if the name or password is
    wrong, and TooManyAttemptsError after too many failed attempts.
    """
    account = normalize_name(name)[:MAX_PASSWORD]
    confirm_password(database, account, password, client, now)
    with database.begin() as connection:
        return sessions.open_session(connection, account, client, now)


def confirm_password(database: sa.Engine, account: str, password: str, client: Client, now: datetime) -> None:
    """Check the password of an account. now: UTC, naive. Raises WrongPasswordError and TooManyAttemptsError."""
    count_attempt(database, account, client.address, now)
    with database.connect() as connection:
        stored = connection.scalar(sa.select(ACCOUNTS.c.password).where(ACCOUNTS.c.name == account))
    if not password_matches(password[: MAX_PASSWORD + 1], stored):
        raise WrongPasswordError("The name or the password is wrong.")
    with database.begin() as connection:
        forget_attempts(connection, account, client.address)


def _record_failure(desk: Desk, name: str, client: Client) -> None:
    """Record a failed log-in. An attempt that has to wait isn't recorded again, so that nobody fills the log."""
    account = normalize_name(name)[:MAX_PASSWORD]
    with desk.database.connect() as connection:
        known = connection.scalar(sa.select(ACCOUNTS.c.name).where(ACCOUNTS.c.name == account))
    wait = next_wait(desk.database, account, client.address, clock.now())
    detail = f"the next attempt from there has to wait {describe_wait(wait)}" if wait else ""
    desk.record("log-in failed", known or UNKNOWN_NAME, client, detail=detail)
