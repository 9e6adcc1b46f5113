"""The page of one's own account: change the password, see and end one's sessions."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from desk import sessions
from desk.accounts import AccountError, change_password
from desk.login import ACCOUNT_PAGE, WrongPasswordError, confirm_password, describe_wait
from desk.page_request import PageRequest, Problem
from desk.throttle import TooManyAttemptsError
from sixtyforty.spec.clock import now


def account_page(request: PageRequest) -> Response:
    """Show the person's account. A sent form changes the password, or ends a session."""
    if request.form is None:
        return _render(request)
    if request.form.get("do") == "change":
        return _change_password(request)
    if request.form.get("do") == "end":
        return _end_sessions(request, request.form.get("key", ""))
    raise Problem(422, "This form can't be read", "Nothing was saved. Open the page and try again.")


def _render(request: PageRequest, status: int = 200, rejection: str = "") -> Response:
    return request.render(
        "account.html",
        status,
        rejection=rejection,
        was_changed=request.query.get("changed") == "yes",
        sessions=sessions.list_sessions(request.desk.database, request.session.person, now()),
        own_key=sessions.session_key(request.session.token),
    )


def _change_password(request: PageRequest) -> Response:
    """Change the password, end every session of the account, and open a new one for this browser."""
    form, person, database = request.form or {}, request.session.person, request.desk.database
    password = form.get("password", "")
    if not request.session.has_password:
        raise Problem(422, "This account has no password", "Change the password of your single sign-on instead.")
    if form.get("repeated", "") != password:
        return _render(request, 422, "The two new passwords differ. Nothing was changed.")
    if form.get("current", "") == password:
        return _render(request, 422, "The new password is the current one. Choose another one.")
    if rejection := _refuse_password(request, "the current password was wrong when a new one was chosen"):
        return rejection
    try:
        change_password(database, person, password)
    except AccountError as error:
        return _render(request, 422, str(error))
    with database.begin() as connection:
        token = sessions.open_session(connection, person, request.client, now())
    request.record("password changed", "all other sessions ended")
    target = "/" if request.session.must_change else f"{ACCOUNT_PAGE}?changed=yes"
    return request.desk.set_session(RedirectResponse(target, 303), token)


def _end_sessions(request: PageRequest, key: str) -> Response:
    """End one session of the person, or all except this one if the key is empty.

    A stolen session must not end the person's own ones. So the form needs the current password. An account of single
    sign-on has none, and needs a log-in that is at most RECENT_LOGIN old.
    """
    session, database = request.session, request.desk.database
    if session.has_password:
        if rejection := _refuse_password(request, "the current password was wrong when sessions were to end"):
            return rejection
    elif not sessions.is_recent(database, session.token, now()):
        return _render(request, 422, "Log out and log in again. You can then end sessions for ten minutes.")
    with database.begin() as connection:
        count = sessions.end_sessions(connection, session.person, key or None, except_token=session.token)
    if count:
        request.record("session ended", f"{count} of {session.person}'s own sessions")
    return RedirectResponse(ACCOUNT_PAGE, 303)


def _refuse_password(request: PageRequest, event: str) -> Response | None:
    """Return the page that says why the current password in a form isn't accepted; None if it is.

    event: what the security log says about a wrong password.
    """
    password = (request.form or {}).get("current", "")
    try:
        confirm_password(request.desk.database, request.session.person, password, request.client, now())
    except TooManyAttemptsError as error:
        return _render(request, 429, f"Too many failed attempts. Wait {describe_wait(error.wait)} and try again.")
    except WrongPasswordError:
        request.record("log-in failed", event)
        return _render(request, 422, "The current password is wrong. Nothing was changed.")
    return None
