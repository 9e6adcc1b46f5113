"""The way in and the way out: the log-in page, and logging out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from desk import sessions
from desk.login import Refused, log_in
from desk.roles import MAY
from desk.web import COOKIE, Asked, Desk, Problem, belongs, read_form
from sixtyforty.spec.clock import now


def entry(desk: Desk) -> Callable[[Request], Awaitable[Response]]:
    """The log-in page; whoever is logged in is led on. Its form, too, must come from the browser it was made for."""

    async def endpoint(request: Request) -> Response:
        form = await read_form(request)
        return await run_in_threadpool(_answer, desk, request, form)

    return endpoint


def _answer(desk: Desk, request: Request, form: Mapping[str, str] | None) -> Response:
    token = request.cookies.get(COOKIE, "")
    who = sessions.find(desk.database, token, now())
    if form is None:
        return RedirectResponse(MAY[who.role][0], 303) if who else _page(desk, token)
    name, address = form.get("name", ""), request.client.host if request.client else ""
    try:
        belongs(form, token)
        new = log_in(desk.database, name, form.get("password", ""), address, now())
    except Problem:
        return _page(desk, token, 403, "This page was out of date. Please try again.", name)
    except Refused as refused:
        if not refused.wait:
            return _page(desk, token, 401, "The name or the password is wrong.", name)
        told = f"Too many tries have failed. Please wait {waiting(refused.wait)} before the next one."
        page = _page(desk, token, 429, told, name)
        page.headers["Retry-After"] = f"{refused.wait:.0f}"
        return page
    if who:
        sessions.close(desk.database, token)
    return desk.remember(RedirectResponse("/", 303), new)


def _page(desk: Desk, token: str, status: int = 200, told: str = "", name: str = "") -> Response:
    token = token or sessions.token()
    return desk.remember(desk.bare("login.html", status, csrf=sessions.csrf(token), told=told, name=name), token)


def waiting(seconds: float) -> str:
    """A time to wait, in words: '40 seconds', '3 minutes'."""
    return f"{seconds:.0f} seconds" if seconds < 90 else f"{-(-seconds // 60):.0f} minutes"


def leave(asked: Asked) -> Response:
    """Logs out."""
    left = RedirectResponse("/", 303)
    if asked.form is not None:
        sessions.close(asked.desk.database, asked.who.token)
        left.delete_cookie(COOKIE)
    return left
