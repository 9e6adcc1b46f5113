"""The web application of the desk: which address shows which page, and who may open the page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files

import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from desk.access import guard_page
from desk.account_page import account_page
from desk.afterwards_page import afterwards_page
from desk.decision_day import format_clock_time, format_fact, local_time
from desk.decisions_page import decisions_page, news_page
from desk.health import health_page
from desk.impact_page import impact_csv, impact_page
from desk.login import log_out, login_page
from desk.oidc import CALLBACK, OidcProvider
from desk.oidc_login import callback_page, start_page
from desk.page_request import Desk, Page, PageRequest, Problem
from desk.pages import maturity_page, people_page, portfolio_page, record_page
from desk.request_guard import RequestGuard
from desk.review_page import review_page
from desk.security_headers import SecurityHeaders
from desk.security_page import security_page
from desk.trace_page import trace_export, trace_page
from desk.what_if_page import what_if_page
from sixtyforty.reports.page_templates import page_environment
from sixtyforty.storage.security_log import DEFAULT_ADDRESS_DAYS
from sixtyforty.workspace import Workspace


def build_app(
    workspaces: Mapping[str, Workspace],
    database: sa.Engine,
    host: str | None = None,
    secure: bool = False,
    address_days: int = DEFAULT_ADDRESS_DAYS,
    provider: OidcProvider | None = None,
) -> ASGIApp:
    """Return the web application of the desk for some use cases.

    - database: holds accounts, sessions and the security log.
    - host: the host name at which people reach the desk, in addition to the names of this machine. The guard refuses
      other host names and requests of other websites.
    - secure: whether people reach the desk only by https.
    - address_days: the days after which the security log deletes addresses.
    - provider: the OpenID provider through which people can log in; None without one.
    """
    templates = page_environment(__package__)
    templates.filters["local_time"] = lambda time, ws: f"{local_time(ws.use_case, time):%Y-%m-%d %H:%M}"
    templates.filters["clock_time"] = format_clock_time
    templates.filters["fact"] = format_fact
    templates.filters["merged"] = lambda options, more: {**options, **more}
    desk = Desk(workspaces, database, templates, secure, address_days, provider.settings.host if provider else "")
    app = Starlette(
        routes=[*_provider_routes(desk, provider), *_routes(desk)],
        middleware=[Middleware(RequestGuard, hosts=[host] if host else [])],
        exception_handlers=dict.fromkeys((Problem, Exception), _problem_handler(desk)),
    )
    return SecurityHeaders(app, secure)


def _provider_routes(desk: Desk, provider: OidcProvider | None) -> list[Route]:
    if provider is None:
        return []
    return [
        Route("/login/provider", start_page(desk, provider), methods=["GET"]),
        Route(CALLBACK, callback_page(desk, provider), methods=["GET"]),
    ]


def _routes(desk: Desk) -> list[Route | Mount]:
    def guarded(path: str, page: Page, menu_address: str | None, *methods: str) -> Route:
        return Route(path, guard_page(desk, page, menu_address), methods=["GET", *methods])

    style = files("sixtyforty.reports").joinpath("templates", "style.css").read_bytes()
    return [
        Route("/", login_page(desk), methods=["GET", "POST"]),
        Route("/healthz", health_page(desk.database), methods=["GET"]),
        Route("/static/style.css", Response(style, media_type="text/css")),
        Mount("/static", StaticFiles(packages=[(__package__, "static")])),
        guarded("/decisions", decisions_page, "/decisions", "POST"),
        Route("/decisions/news", guard_page(desk, news_page, "/decisions", keeps_session=False), methods=["GET"]),
        guarded("/afterwards", afterwards_page, "/afterwards"),
        guarded("/review", review_page, "/review", "POST"),
        guarded("/impact", impact_page, "/impact"),
        guarded("/impact/csv", impact_csv, "/impact"),
        guarded("/what-if", what_if_page, "/what-if", "POST"),
        guarded("/portfolio", portfolio_page, "/portfolio"),
        guarded("/people", people_page, "/people", "POST"),
        guarded("/maturity", maturity_page, "/maturity"),
        guarded("/trace", trace_page, "/trace"),
        guarded("/trace/export", trace_export, "/trace"),
        guarded("/record", record_page, "/record"),
        guarded("/security", security_page, "/security"),
        guarded("/account", account_page, None, "POST"),
        guarded("/logout", log_out, None, "POST"),
        guarded("/{unknown:path}", _unknown_page, None, "POST"),
    ]


def _unknown_page(_: PageRequest) -> Response:
    raise Problem(404, "This page doesn't exist", "Choose a page in the menu.")


def _problem_handler(desk: Desk) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def show_problem(_: Request, error: Exception) -> Response:
        text = "Please try again. If the problem happens again, tell the person who runs the desk."
        unexpected = Problem(500, "Something went wrong", text)
        problem = error if isinstance(error, Problem) else unexpected
        return desk.render_logged_out("problem.html", problem.status, title=problem.title, text=problem.text)

    return show_problem
