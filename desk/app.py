"""The desk as a web application: which page is where, and who must have it in the menu to see it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from desk.day import clock, local
from desk.decisions import decisions
from desk.entry import entry, leave
from desk.impact import Impact
from desk.maturity import maturity
from desk.people import people
from desk.portfolio import Portfolio
from desk.record import record
from desk.review import review
from desk.thread import thread
from desk.web import Asked, Desk, Headers, Page, Problem, guarded
from sixtyforty.reports import impact_report
from sixtyforty.workspace import Workspace

HERE = ("127.0.0.1", "localhost")


def build(
    workspaces: Mapping[str, Workspace], database: sa.Engine, host: str | None = None, secure: bool = False
) -> ASGIApp:
    """The desk of these use cases. `host`: by which other name it is reached; `secure`: by https only.

    Requests under any other name are refused: a page elsewhere whose name is made to lead here gets nothing.
    """
    desk, impact = Desk(workspaces, database, impact_report.pages("desk"), secure), Impact()
    style = Response(files("sixtyforty.reports").joinpath("templates", "style.css").read_bytes(), media_type="text/css")

    def behind(path: str, page: Page, needs: str | None, *methods: str) -> Route:
        return Route(path, guarded(desk, page, needs), methods=["GET", *methods])

    async def problem(_: Request, error: Exception) -> Response:
        one = error if isinstance(error, Problem) else Problem(500, "Something went wrong", "It isn't your fault.")
        return desk.bare("problem.html", one.status, title=one.title, text=one.text)

    desk.pages.filters["moment"] = lambda at, ws: f"{local(ws.use_case, at):%Y-%m-%d %H:%M}"
    desk.pages.filters["clock"] = clock
    routes = [
        Route("/", entry(desk), methods=["GET", "POST"]),
        Route("/static/style.css", style),
        Mount("/static", StaticFiles(packages=[("desk", "static")])),
        behind("/decisions", decisions, "/decisions", "POST"),
        behind("/review", review, "/review", "POST"),
        behind("/impact", impact.page, "/impact"),
        behind("/impact/picture", impact.picture, "/impact"),
        behind("/portfolio", Portfolio().page, "/portfolio"),
        behind("/people", people, "/people", "POST"),
        behind("/maturity", maturity, "/maturity"),
        behind("/thread", thread, "/thread"),
        behind("/record", record, "/record"),
        behind("/logout", leave, None, "POST"),
        behind("/{elsewhere:path}", _nowhere, None, "POST"),
    ]
    told = {Problem: problem, Exception: problem}
    names = [*HERE, *([host] if host else [])]
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=names, www_redirect=False)
    return Headers(Starlette(routes=routes, middleware=[hosts], exception_handlers=told))


def _nowhere(_: Asked) -> Response:
    raise Problem(404, "There is no such page", "Choose one from the menu.")
