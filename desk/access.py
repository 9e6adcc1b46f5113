"""Access to the desk: people must log in, open only the pages of their role, and send only forms made by the desk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from desk.forms import check_form_token, read_form
from desk.login import ACCOUNT_PAGE
from desk.page_request import Desk, Page, PageRequest, Problem, client_of
from desk.request_guard import OWN_SITES
from desk.return_address import ReturnAddress, forget_return_address, read_return_address
from desk.roles import OUTPUT_OF_PAGE, labels_of
from desk.sessions import find_session
from sixtyforty.reports.readership import record_reading
from sixtyforty.spec.clock import now

# A browser sends one of them, such as `Sec-Purpose: prefetch;prerender`, if it loads a page that nobody opened yet.
AHEAD_HEADERS = ("sec-purpose", "purpose", "x-purpose", "x-moz")
OPEN_BEFORE_CHANGE = (ACCOUNT_PAGE, "/logout")  # the pages of a person who must choose a new password first


def guard_page(
    desk: Desk, page: Page, menu_address: str | None, keeps_session: bool = True
) -> Callable[[Request], Any]:
    """Return the endpoint of a page for logged-in people. It redirects everybody else to the log-in page.

    - menu_address: the address that `roles.PAGES_OF_ROLE` must list for the person's role; None if every role may open
      the page.
    - keeps_session: whether a request keeps the session open, because a person makes it.
    """

    async def endpoint(request: Request) -> Response:
        form = await read_form(request)
        return await run_in_threadpool(_answer, desk, page, menu_address, request, form, keeps_session)

    return endpoint


def _answer(
    desk: Desk,
    page: Page,
    menu_address: str | None,
    request: Request,
    form: Mapping[str, str] | None,
    keeps_session: bool,
) -> Response:
    session = find_session(desk.database, request.cookies.get(desk.session_cookie, ""), now(), keeps_session)
    if session is None:
        address = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
        return ReturnAddress.from_request(address, form).set_cookie(RedirectResponse("/", 303), desk.secure)
    returned = read_return_address(request.cookies, desk.secure)
    if session.must_change and request.url.path not in OPEN_BEFORE_CHANGE:
        return RedirectResponse(ACCOUNT_PAGE, 303)
    page_request = PageRequest(
        desk,
        request.url.path,
        request.query_params,
        form,
        session,
        client=client_of(request),
        menu_address=menu_address,
        is_reading=_is_reading(request),
        returned=returned if returned and returned.person == session.person else None,
    )
    try:
        check_access(page_request)
        if form is not None:
            check_form_token(form, session.token)
        response = page(page_request)
        _record_reading(page_request)
        is_back = returned is not None and page_request.is_reading and request.url.path == returned.path
        return forget_return_address(response, desk.secure) if is_back else response
    except Problem as problem:
        if problem.status == 403:
            page_request.record("access denied", f"{request.method} {request.url.path}: {problem.title}")
        return page_request.render_problem(problem)


def check_access(request: PageRequest) -> None:
    """Raise Problem if the person may not open the requested page, in the requested use case if one is named.

    To a person without a role in a use case, the use case doesn't exist.
    """
    if request.menu_address is None:
        return
    name = request.query.get("use_case")
    if name and name not in request.workspaces:
        if name in request.desk.workspaces:
            request.record("access denied", f"{request.path} of the use case {name}")
        raise Problem(404, "This use case doesn't exist", "Choose a use case in the menu.")
    if request.menu_address not in request.pages:
        labels = ", ".join(labels_of(request.pages).values()) or "no page"
        raise Problem(
            403,
            "You don't have access to this page",
            f"You are logged in as {request.session.roles}. You can open: {labels}.",
        )


def _is_reading(request: Request) -> bool:
    """Return whether a person opened the page: not a check with HEAD, another website, or a browser ahead of time."""
    is_ahead = any(request.headers.get(name, "") for name in AHEAD_HEADERS)
    return request.method == "GET" and request.headers.get("sec-fetch-site", "") in OWN_SITES and not is_ahead


def _record_reading(request: PageRequest) -> None:
    if request.is_reading and request.path in OUTPUT_OF_PAGE:
        record_reading(request.ws, OUTPUT_OF_PAGE[request.path], now())
