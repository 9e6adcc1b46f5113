"""The request that a page of the desk receives (person, use case, form), and the methods to render the answer.

A page is a plain function from a PageRequest to a response. It runs in a thread of its own, so it may wait for a
database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from desk import sessions
from desk.cache import PageCache
from desk.roles import covers_everything, labels_of, pages_anywhere, pages_in
from desk.sessions import Client
from sixtyforty.decisions.column_labels import ColumnLabels, read_labels
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.ledger_check import check_deciding_ledgers
from sixtyforty.decisions.unscored import current_outage
from sixtyforty.spec.clock import now
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.track import Track
from sixtyforty.storage.security_log import DEFAULT_ADDRESS_DAYS, EventKind, SecurityEvent, SecurityLog
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import sqlalchemy as sa
    from jinja2 import Environment

    from desk.return_address import ReturnAddress

SESSION_COOKIE, VISITOR_COOKIE = "desk", "desk-visitor"
HOST_PREFIX = "__Host-"  # by https, browsers then take the cookie only from this host itself, not from a neighbour
MAX_WORDS, MAX_SEARCH = 10, 200  # words and characters of a search; what is longer is ignored
MAX_DIGITS = 9  # of a page number; Python refuses to read numbers of thousands of digits
CARRIED_PARAMETERS = ("use_case", "track", "date", "show", "open", "q", "page")  # links to the same page repeat them
FILTER_PREFIX = "only_"  # starts the name of a parameter that filters by a declared fact; links repeat it, too
TRACKS: tuple[Track, ...] = get_args(Track)


class Problem(Exception):
    """A page can't be shown. People see the problem's title and text instead. status: the HTTP status."""

    def __init__(self, status: int, title: str, text: str) -> None:
        super().__init__(text)
        self.status, self.title, self.text = status, title, text


@dataclass(frozen=True)
class Desk:
    """The objects that all pages of the desk share.

    - secure: whether people reach the desk by https only.
    - address_days: the days after which the security log deletes the addresses of clients.
    - provider_name: the host of the OpenID provider; empty without one.
    """

    workspaces: Mapping[str, Workspace]
    database: sa.Engine
    templates: Environment
    secure: bool = False
    address_days: int = DEFAULT_ADDRESS_DAYS
    provider_name: str = ""
    cache: PageCache = field(default_factory=PageCache)

    @cached_property
    def security_log(self) -> SecurityLog:
        """The security log, in the desk's database."""
        return SecurityLog(self.database, self.address_days)

    def record(self, kind: EventKind, person: str, client: Client, use_case: str = "", detail: str = "") -> None:
        """Record an event in the security log."""
        self.security_log.record(SecurityEvent(kind, person, client.address, use_case, detail))

    @property
    def session_cookie(self) -> str:
        """The name of the cookie with the token of a session."""
        return HOST_PREFIX * self.secure + SESSION_COOKIE

    @property
    def visitor_cookie(self) -> str:
        """The name of the cookie with the token of a visitor who isn't logged in."""
        return HOST_PREFIX * self.secure + VISITOR_COOKIE

    def render(self, template: str, status: int = 200, **variables: Any) -> HTMLResponse:
        """Return the page of a template as an HTML response. Variables are escaped, unless they are `Markup`."""
        return HTMLResponse(self.templates.get_template(template).render(**variables), status)

    def render_logged_out(self, template: str, status: int = 200, **variables: Any) -> HTMLResponse:
        """Return the page of a template for a person who isn't logged in."""
        return self.render(template, status, frame="desk.html", session=None, **variables)

    def set_session(self, response: Response, token: str) -> Response:
        """Set a session's token as a cookie of a response, and return the response.

        Scripts can't read the cookie, and browsers don't send it with forms of other sites.
        """
        response.set_cookie(self.session_cookie, token, httponly=True, samesite="lax", secure=self.secure)
        return response

    def set_visitor(self, response: Response, token: str) -> Response:
        """Set the token of a visitor who isn't logged in as a cookie of a response, and return the response."""
        response.set_cookie(self.visitor_cookie, token, httponly=True, samesite="lax", secure=self.secure)
        return response


def client_of(request: Request) -> Client:
    """Return where a request comes from."""
    return Client(request.client.host if request.client else "", request.headers.get("user-agent", ""))


@dataclass(frozen=True)
class PageRequest:
    """A logged-in person's request for a page.

    - form: the fields of the sent form by name; None without a form.
    - menu_address: the address of the page in the menu; None for a page that every role may open.
    - is_reading: whether a person opens the page, which counts as use of the decisions and reports on it.
    - returned: the answer that the person sent before the log-in, without a session; None without one.
    """

    desk: Desk
    path: str
    query: Mapping[str, str]
    form: Mapping[str, str] | None
    session: sessions.Session
    client: Client = field(default_factory=Client, kw_only=True)
    menu_address: str | None = field(default=None, kw_only=True)
    is_reading: bool = field(default=False, kw_only=True)
    returned: ReturnAddress | None = field(default=None, kw_only=True)

    @cached_property
    def workspaces(self) -> Mapping[str, Workspace]:
        """The workspaces of the use cases in which the person has a role, by name of the use case."""
        grants = self.session.grants
        return {name: ws for name, ws in self.desk.workspaces.items() if pages_in(grants, ws.use_case)}

    @cached_property
    def page_workspaces(self) -> Mapping[str, Workspace]:
        """The workspaces of the use cases in which the person may open the requested page."""
        if self.menu_address is None:
            return self.workspaces
        grants = self.session.grants
        return {name: ws for name, ws in self.workspaces.items() if self.menu_address in pages_in(grants, ws.use_case)}

    @cached_property
    def pages(self) -> tuple[str, ...]:
        """The pages of the menu: those that the person may open in the requested use case, or in any of them."""
        named = self.workspaces.get(self.query.get("use_case", ""))
        shown = [named] if named else self.workspaces.values()
        return pages_anywhere(self.session.grants, (ws.use_case for ws in shown))

    @property
    def sees_everything(self) -> bool:
        """Whether the person may open the requested page for all use cases, also for those that are removed."""
        return covers_everything(self.session.grants, self.menu_address or "")

    @cached_property
    def ws(self) -> Workspace:
        """The workspace of the requested use case; by default of the first one in which the person may open the page.

        Raises Problem if it doesn't exist.
        """
        name = self.query.get("use_case") or next(iter(self.page_workspaces), "")
        if name not in self.page_workspaces:
            raise Problem(404, "This use case doesn't exist", "Choose a use case in the menu.")
        return self.page_workspaces[name]

    @cached_property
    def labels(self) -> ColumnLabels:
        """What people read instead of the codes in columns of the requested use case."""
        return read_labels(self.ws)

    def record(self, kind: EventKind, detail: str = "", use_case: str = "") -> None:
        """Record in the security log what the person did."""
        self.desk.record(kind, self.session.person, self.client, use_case, detail)

    @cached_property
    def track(self) -> Track:
        """The requested track. The default is live if live decisions exist, otherwise replay.

        Raises Problem if the track doesn't exist.
        """
        has_live = bool(self.ws.lake.entries(decisions_dataset("live")))
        name = self.query.get("track") or ("live" if has_live else "replay")
        if name not in TRACKS:
            raise Problem(404, f"The track “{name}” doesn't exist", f"Choose one of the tracks: {', '.join(TRACKS)}.")
        return name

    @cached_property
    def notice(self) -> str:
        """The warning at the top of every page of the requested use case; empty if there is nothing to warn of.

        The use case can't run after an edit of its calendar, a source's key or the units' key. The page also warns if
        a ledger that deciding reads differs, or if the champion can't score the units.
        """
        name = self.query.get("use_case") or next(iter(self.page_workspaces or self.workspaces), "")
        ws = self.workspaces.get(name)
        if ws is None:
            return ""
        if ws.refusal:
            return ws.refusal
        try:
            if doubt := check_deciding_ledgers(ws).reason:
                return f"{ws.use_case.title}: {doubt}."
            outage = current_outage(ws, "live", now())
        except SixtyfortyError as error:  # show the error as the warning, so that the page opens
            return f"{ws.use_case.title}: {error}"
        if outage is None:
            return ""
        return f"{ws.use_case.title}: {outage.text} The decisions shown here are those of the current process."

    def link(self, **changes: Any) -> str:
        """Return the address of this page with some of its parameters changed; None or "" removes a parameter."""
        return self.path + self.parameters(**changes)

    def parameters(self, **changes: Any) -> str:
        """Return the parameters of this page's address, such as `?track=live`, with some of them changed."""
        filters = [name for name in self.query if name.startswith(FILTER_PREFIX)]
        current = {name: self.query[name] for name in (*CARRIED_PARAMETERS, *filters) if self.query.get(name)}
        return _encode(current | changes)

    def menu_link(self, address: str) -> str:
        """Return the address of another page, for the same use case and track."""
        return address + _encode({name: self.query.get(name) for name in ("use_case", "track")})

    def render(self, template: str, status: int = 200, **variables: Any) -> HTMLResponse:
        """Return the page of a template as an HTML response, with the menu of the person's role.

        The browser loads the page again when the session has expired, so that nobody else reads it on the screen.
        """
        page = self.desk.render(
            template,
            status,
            frame="desk.html",
            request=self,
            session=self.session,
            menu={} if self.session.must_change else labels_of(self.pages),
            csrf=sessions.csrf_of(self.session.token),
            **variables,
        )
        page.headers["Refresh"] = f"{(sessions.MAX_IDLE + sessions.SEEN_PRECISION).total_seconds():.0f}"
        return page

    def render_problem(self, problem: Problem) -> HTMLResponse:
        """Return the page that tells the person about a problem."""
        return self.render("problem.html", problem.status, title=problem.title, text=problem.text)


Page = Callable[[PageRequest], Response]


def _encode(parameters: Mapping[str, Any]) -> str:
    filled_in = {name: text for name, text in parameters.items() if text not in (None, "")}
    return f"?{urlencode(filled_in)}" if filled_in else ""


def page_number(text: str, pages: int) -> int:
    """Return the page number in a request, from 1 to `pages`. Raises Problem if that page doesn't exist."""
    is_number = text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS
    if not is_number or not 1 <= int(text) <= pages:
        raise Problem(404, "This page doesn't exist", f"Choose a page from 1 to {pages}.")
    return int(text)


def search_words(text: str) -> str:
    """Return the words of a search, separated by spaces: at most MAX_WORDS words, and MAX_SEARCH characters."""
    return " ".join(text[:MAX_SEARCH].replace("\0", "").split()[:MAX_WORDS])
