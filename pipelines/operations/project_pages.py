"""Serve the project's own pages on the port of Dagster's pages: reports, Data Docs, rows, and the way to the desk.

Dagster's metadata links to these pages (`assets.page_links`). Reports hold texts of extracts and of people, and have
the same origin as Dagster's GraphQL. So the browser must run no script in them and load nothing from elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import PurePosixPath

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route, Router
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from assets.page_links import DESK, PREFIX
from desk.health import health_response
from pipelines.operations.service_health import HEALTH, NO_USE_CASES, shows_use_cases
from pipelines.operations.supervisor import read_addresses
from pipelines.settings import load_settings

CONTENT_SECURITY = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY,
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
SERVED = {".html", ".md", ".css", ".png", ".svg"}  # endings of the files that people read
DEFAULT_DESK = "http://127.0.0.1:3002"
NEARBY = 7  # number of partitions before and after the shown one, to which the page of rows links
UNKNOWN = "There is no such page. Open it from the asset's page in Dagster."
NOT_WRITTEN = "This page isn't written yet. Materialize the asset that writes it, then reload."


class ProjectPages:
    """ASGI middleware that answers HEALTH and every address below PREFIX, and passes on all other requests."""

    def __init__(self, app: ASGIApp, *, shows_rows: bool) -> None:
        self.app = app
        reports = Route(f"{PREFIX}/reports/{{use_case}}/{{file:path}}", _guard(show_report))
        rows = Route(f"{PREFIX}/rows/{{use_case}}/{{dataset:path}}", _guard(show_rows))
        routes = [Route(DESK, _guard(open_desk)), reports, *([rows] if shows_rows else [])]
        self.pages = Router([*routes, Route(HEALTH, show_health)], redirect_slashes=False, default=_unknown)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_own = scope["type"] == "http" and (scope["path"].startswith(f"{PREFIX}/") or scope["path"] == HEALTH)
        await (self.pages if is_own else self.app)(scope, receive, send)


Page = Callable[[Request], Awaitable[Response]]


def _guard(page: Page) -> Page:
    """Return the page with HEADERS in its answer."""

    async def guarded(request: Request) -> Response:
        response = await page(request)
        response.headers.update(HEADERS)
        return response

    return guarded


async def _unknown(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(UNKNOWN, 404)(scope, receive, send)


async def open_desk(_: Request) -> Response:
    """Redirect to the desk: the public address, or the port of the services of this home, or the usual port."""
    settings = load_settings()
    try:
        address = settings.desk_url or read_addresses(settings)["desk"]
    except (FileNotFoundError, KeyError, json.JSONDecodeError):  # the services were never started
        address = DEFAULT_DESK
    return RedirectResponse(address)


async def show_health(request: Request) -> Response:
    """Tell a program whether this server shows the use cases, as a browser would ask for them."""
    from starlette.concurrency import run_in_threadpool

    host, port = request.scope["server"]
    is_shown = await run_in_threadpool(shows_use_cases, f"http://{host}:{port}")
    return health_response([] if is_shown else [NO_USE_CASES])


async def show_report(request: Request) -> Response:
    """Return a file of a use case's reports. Only files that people read are served."""
    from starlette.exceptions import HTTPException

    from pipelines.authoring import catalog

    name, file = request.path_params["use_case"], request.path_params["file"]
    is_hidden = any(part.startswith(".") for part in PurePosixPath(file).parts)
    if name not in catalog.list_use_cases() or is_hidden or PurePosixPath(file).suffix not in SERVED:
        return PlainTextResponse(UNKNOWN, 404)
    files = StaticFiles(directory=load_settings().home / "data" / "reports" / name, check_dir=False)
    try:
        return await files.get_response(file, request.scope)
    except HTTPException as error:
        return PlainTextResponse(NOT_WRITTEN, error.status_code)


async def show_rows(request: Request) -> Response:
    """Return the page with the first rows of a partition: of `?partition=`, or of the newest partition."""
    from starlette.concurrency import run_in_threadpool

    use_case, dataset = request.path_params["use_case"], request.path_params["dataset"]
    page = await run_in_threadpool(draw_rows, use_case, dataset, request.query_params.get("partition"))
    return HTMLResponse(page) if page else PlainTextResponse(UNKNOWN, 404)


def draw_rows(name: str, dataset: str, partition: str | None) -> str | None:
    """Return the HTML page with the first rows of a partition. None: the use case has no such dataset."""
    from pipelines.authoring import catalog
    from sixtyforty.reports.page_templates import page_environment
    from sixtyforty.reports.row_preview import preview_rows, previewed_datasets
    from sixtyforty.spec.partitions import SNAPSHOT

    if name not in catalog.list_use_cases():
        return None
    ws = catalog.open_workspace(name)
    if dataset not in previewed_datasets(ws.use_case):
        return None
    preview = preview_rows(ws, dataset, partition)
    nearby: list[str] = []
    if preview and preview.partition != SNAPSHOT:
        position = list(preview.partitions).index(preview.partition)
        nearby = list(preview.partitions)[max(position - NEARBY, 0) : position + NEARBY + 1]
    template = page_environment().get_template("rows.html")
    return template.render(use_case=ws.use_case, dataset=dataset, preview=preview, nearby=nearby, snapshot=SNAPSHOT)
