"""Access to the desk: people must log in, open only the pages of their role, and send only forms made by the desk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from desk.forms import check_form_token, read_form
from desk.page_request import COOKIE, Desk, Page, PageRequest, Problem
from desk.roles import MENU_LABELS, OUTPUT_OF_PAGE, PAGES_OF_ROLE
from desk.sessions import find_session
from sixtyforty.reports.readership import record_reading
from sixtyforty.spec.clock import now


def guard_page(desk: Desk, page: Page, menu_address: str | None) -> Callable[[Request], Any]:
    """Return the endpoint of a page for logged-in people. It redirects everybody else to the log-in page.

    menu_address: the address that `roles.PAGES_OF_ROLE` must list for the person's role; None if every role may open
    the page.
    """

    async def endpoint(request: Request) -> Response:
        form = await read_form(request)
        return await run_in_threadpool(_answer, desk, page, menu_address, request, form)

    return endpoint


def _answer(
    desk: Desk, page: Page, menu_address: str | None, request: Request, form: Mapping[str, str] | None
) -> Response:
    session = find_session(desk.database, request.cookies.get(COOKIE, ""), now())
    if session is None:
        return RedirectResponse("/", 303)
    page_request = PageRequest(desk, request.url.path, request.query_params, form, session)
    try:
        if menu_address is not None:
            check_role(session.role, menu_address)
        if form is not None:
            check_form_token(form, session.token)
        response = page(page_request)
        _record_reading(page_request)
        return response
    except Problem as problem:
        return page_request.render_problem(problem)


def check_role(role: str, address: str) -> None:
    """Raise Problem if a role may not open the page at this address."""
    pages = PAGES_OF_ROLE[role]
    if address not in pages:
        labels = ", ".join(MENU_LABELS[page] for page in pages)
        raise Problem(
            403,
            "You don't have access to this page",
            f"You are logged in as {role}. You can open: {labels}.",
        )


def _record_reading(request: PageRequest) -> None:
    if request.form is None and request.path in OUTPUT_OF_PAGE:
        record_reading(request.ws, OUTPUT_OF_PAGE[request.path], now())
