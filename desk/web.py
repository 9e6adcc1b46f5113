"""What every page goes by: who asks, whether they may, whether the form is theirs, and how the answer looks.

A page is a plain function of an `Asked`; it runs in a thread of its own, so it may wait for a database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hmac import compare_digest
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from desk import sessions
from desk.roles import MAY, PAGES, READS
from desk.why import Why
from sixtyforty.decisions.deciding import dataset
from sixtyforty.reports import readership
from sixtyforty.spec.clock import now
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import sqlalchemy as sa
    from jinja2 import Environment

COOKIE = "desk"
KEPT = ("use_case", "track", "date", "show", "q", "page")  # of an address, when one goes on from it
LARGEST = 32_768  # bytes of a form
TRACKS = ("live", "replay")
POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; frame-src 'none'; "
    "object-src 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Problem(Exception):
    """What a person is told instead of the page, in plain words, with its HTTP status."""

    def __init__(self, status: int, title: str, text: str) -> None:
        super().__init__(text)
        self.status, self.title, self.text = status, title, text


@dataclass(frozen=True)
class Desk:
    """What all pages share. `secure`: it is reached by https only, and so are its cookies sent."""

    workspaces: Mapping[str, Workspace]
    database: sa.Engine
    pages: Environment
    secure: bool = False
    why: Why = field(default_factory=Why)

    def render(self, page: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page. Nothing in it but what is marked as such is taken for HTML."""
        return HTMLResponse(self.pages.get_template(page).render(**values), status)

    def bare(self, page: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page for whom isn't logged in."""
        return self.render(page, status, frame="desk.html", who=None, **values)

    def remember(self, response: Response, token: str) -> Response:
        """Gives the browser the token: for scripts out of reach, and only with requests that begin here."""
        response.set_cookie(COOKIE, token, httponly=True, samesite="lax", secure=self.secure)
        return response


@dataclass(frozen=True)
class Asked:
    """A request of somebody who is logged in and may make it. `form` is None unless a form was sent."""

    desk: Desk
    path: str
    query: Mapping[str, str]
    form: Mapping[str, str] | None
    who: sessions.Session

    @cached_property
    def ws(self) -> Workspace:
        """The use case asked for; by default the first."""
        name = self.query.get("use_case") or next(iter(self.desk.workspaces))
        if name not in self.desk.workspaces:
            raise Problem(404, "There is no such use case", "Choose one from the menu.")
        return self.desk.workspaces[name]

    @cached_property
    def track(self) -> str:
        """The track asked for; by default live decisions, once there are any."""
        name = self.query.get("track") or ("live" if self.ws.lake.entries(dataset("live")) else "replay")
        if name not in TRACKS:
            raise Problem(404, "There is no such track", f"There are: {', '.join(TRACKS)}.")
        return name

    def at(self, **changes: Any) -> str:
        """The address of this page with some of its parameters changed; None or '' takes one away."""
        return self.path + self.asking(**changes)

    def asking(self, **changes: Any) -> str:
        """The parameters of this page's address, with some changed, as `?…`."""
        kept = {k: self.query[k] for k in KEPT if self.query.get(k)} | changes
        kept = {k: v for k, v in kept.items() if v not in (None, "")}
        return f"?{urlencode(kept)}" if kept else ""

    def page(self, page: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page in the desk's frame."""
        menu = {address: PAGES[address] for address in MAY[self.who.role]}
        frame = {
            "frame": "desk.html",
            "asked": self,
            "who": self.who,
            "menu": menu,
            "csrf": sessions.csrf(self.who.token),
        }
        return self.desk.render(page, status, **frame, **values)

    def problem(self, problem: Problem) -> HTMLResponse:
        """The page that tells of a problem."""
        return self.page("problem.html", problem.status, title=problem.title, text=problem.text)


Page = Callable[[Asked], Response]


def guarded(desk: Desk, page: Page, needs: str | None) -> Callable[[Request], Any]:
    """The page behind its log-in. `needs`: the address in roles.MAY that one's role must have; None: any will do."""

    async def endpoint(request: Request) -> Response:
        form = await read_form(request)
        return await run_in_threadpool(answer, request, form)

    def answer(request: Request, form: Mapping[str, str] | None) -> Response:
        who = sessions.find(desk.database, request.cookies.get(COOKIE, ""), now())
        if who is None:
            return RedirectResponse("/", 303)
        asked = Asked(desk, request.url.path, request.query_params, form, who)
        try:
            if needs is not None and needs not in MAY[who.role]:
                mine = " and ".join(f"“{PAGES[a]}”" for a in MAY[who.role])
                text = f"You are logged in as {who.role}. To you belongs {mine}; this page is for others."
                raise Problem(403, "This page isn't yours", text)
            if form is not None:
                belongs(form, who.token)
            response = page(asked)
            if asked.path in READS and form is None:
                readership.note(asked.ws, READS[asked.path], now())
            return response
        except Problem as problem:
            return asked.problem(problem)

    return endpoint


def belongs(form: Mapping[str, str], token: str) -> None:
    """Raises Problem unless the form was made for the browser that holds this token."""
    if not compare_digest(form.get("csrf", "").encode(), sessions.csrf(token).encode()):
        raise Problem(403, "This form is out of date", "Nothing was done. Open the page again, and send it from there.")


async def read_form(request: Request) -> Mapping[str, str] | None:
    """The form that was sent, or None. Raises Problem when it can't be one of the desk's."""
    if request.method != "POST":
        return None
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST:
            raise Problem(413, "That is too long", "Nothing was done. Write less.")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=50))
    except ValueError as error:
        raise Problem(400, "That can't be read", "Nothing was done. Open the page again.") from error


class Headers:
    """Puts the security headers on every answer that doesn't say otherwise, errors included."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                more = [(k.lower().encode(), v.encode()) for k, v in HEADERS.items()]
                message["headers"] = [*message["headers"], *((k, v) for k, v in more if k not in given)]
            await send(message)

        await self.app(scope, receive, sending)
