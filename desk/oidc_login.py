"""The two addresses of the log-in through the OpenID provider: the way there, and the way back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from desk import sessions
from desk.accounts import AccountError, normalize_name, remove_provided_account, save_provided_account
from desk.login import open_desk, render_login
from desk.oidc import OidcError, OidcProvider
from desk.page_request import Desk, client_of
from desk.request_guard import OWN_SITES
from desk.sessions import Client
from sixtyforty.spec.clock import now

FAILED = "The single sign-on failed. Please try again. If it fails again, tell the person who runs the desk."
NO_ROLE = "You are known, but you have no role on the desk. Ask the person who runs the desk for one."
UNKNOWN_PERSON = "(single sign-on)"


def start_page(desk: Desk, provider: OidcProvider) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint that sends a visitor to the provider, with a new token for the way back.

    A link of another website leads to the page of the log-in, so that a session starts only by an action there.
    """

    def answer(request: Request) -> Response:
        if request.headers.get("sec-fetch-site", "") not in OWN_SITES:
            return RedirectResponse("/", 303)
        visitor = sessions.new_token()
        try:
            return desk.set_visitor(RedirectResponse(provider.start_url(visitor), 303), visitor)
        except OidcError as error:
            desk.record("log-in failed", UNKNOWN_PERSON, client_of(request), detail=str(error))
            return render_login(desk, visitor, 502, FAILED)

    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(answer, request)

    return endpoint


def callback_page(desk: Desk, provider: OidcProvider) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint to which the provider sends a visitor back."""

    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(_answer, desk, provider, request)

    return endpoint


def _answer(desk: Desk, provider: OidcProvider, request: Request) -> Response:
    visitor, client = request.cookies.get(desk.visitor_cookie, ""), client_of(request)
    try:
        person = provider.finish(visitor, request.query_params)
        if not person.grants:
            remove_provided_account(desk.database, person.subject)
            desk.record("access denied", normalize_name(person.name), client, detail="no group has a role on the desk")
            return render_login(desk, "", 403, NO_ROLE)
        saved = save_provided_account(desk.database, person.name, person.grants, person.subject)
    except (OidcError, AccountError) as error:
        desk.record("log-in failed", UNKNOWN_PERSON, client, detail=str(error))
        return render_login(desk, "", 403, FAILED)
    if saved.has_changed:
        desk.record("account changed", saved.name, client, detail=saved.describe())
    return _open(desk, saved.name, client, request)


def _open(desk: Desk, person: str, client: Client, request: Request) -> Response:
    earlier = sessions.find_session(desk.database, request.cookies.get(desk.session_cookie, ""), now())
    with desk.database.begin() as connection:
        token = sessions.open_session(connection, person, client, now())
    return open_desk(desk, person, client, token, earlier)
