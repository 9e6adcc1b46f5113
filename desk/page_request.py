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

from starlette.responses import HTMLResponse, Response

from desk import sessions
from desk.cache import PageCache
from desk.roles import MENU_LABELS, PAGES_OF_ROLE
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.unscored import current_outage
from sixtyforty.spec.clock import now
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.track import Track
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import sqlalchemy as sa
    from jinja2 import Environment

COOKIE = "desk"
CARRIED_PARAMETERS = ("use_case", "track", "date", "show", "q", "page")  # parameters that links to the same page repeat
TRACKS: tuple[Track, ...] = get_args(Track)


class Problem(Exception):
    """A page can't be shown. People see the problem's title and text instead. status: the HTTP status."""

    def __init__(self, status: int, title: str, text: str) -> None:
        super().__init__(text)
        self.status, self.title, self.text = status, title, text


@dataclass(frozen=True)
class Desk:
    """The objects that all pages of the desk share. secure: whether browsers send the desk's cookies by https only."""

    workspaces: Mapping[str, Workspace]
    database: sa.Engine
    templates: Environment
    secure: bool = False
    cache: PageCache = field(default_factory=PageCache)

    def render(self, template: str, status: int = 200, **variables: Any) -> HTMLResponse:
        """Return the page of a template as an HTML response. Variables are escaped, unless they are `Markup`."""
        return HTMLResponse(self.templates.get_template(template).render(**variables), status)

    def render_logged_out(self, template: str, status: int = 200, **variables: Any) -> HTMLResponse:
        """Return the page of a template for a person who isn't logged in."""
        return self.render(template, status, frame="desk.html", session=None, **variables)

    def set_cookie(self, response: Response, token: str) -> Response:
        """Set a session token as a cookie of a response, and return the response.

        Scripts can't read the cookie, and browsers don't send it with forms of other sites.
        """
        response.set_cookie(COOKIE, token, httponly=True, samesite="lax", secure=self.secure)
        return response


@dataclass(frozen=True)
class PageRequest:
    """A logged-in person's request for a page. form: the fields of the sent form by name; None without a form."""

    desk: Desk
    path: str
    query: Mapping[str, str]
    form: Mapping[str, str] | None
    session: sessions.Session

    @cached_property
    def ws(self) -> Workspace:
        """The workspace of the requested use case; by default of the first one. Raises Problem if it doesn't exist."""
        name = self.query.get("use_case") or next(iter(self.desk.workspaces))
        if name not in self.desk.workspaces:
            raise Problem(404, "This use case doesn't exist", "Choose a use case in the menu.")
        return self.desk.workspaces[name]

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
        the champion can't score the units.
        """
        if self.query.get("use_case", "") not in {"", *self.desk.workspaces}:
            return ""
        if self.ws.refusal:
            return self.ws.refusal
        try:
            outage = current_outage(self.ws, "live", now())
        except SixtyfortyError as error:  # show the error as the warning, so that the page opens
            return f"{self.ws.use_case.title}: {error}"
        if outage is None:
            return ""
        return f"{self.ws.use_case.title}: {outage.text} The decisions shown here are those of the current process."

    def link(self, **changes: Any) -> str:
        """Return the address of this page with some of its parameters changed; None or "" removes a parameter."""
        return self.path + self.parameters(**changes)

    def parameters(self, **changes: Any) -> str:
        """Return the parameters of this page's address, such as `?track=live`, with some of them changed."""
        current = {name: self.query[name] for name in CARRIED_PARAMETERS if self.query.get(name)}
        parameters = {k: v for k, v in (current | changes).items() if v not in (None, "")}
        return f"?{urlencode(parameters)}" if parameters else ""

    def render(self, template: str, status: int = 200, **variables: Any) -> HTMLResponse:
        """Return the page of a template as an HTML response, with the menu of the person's role."""
        return self.desk.render(
            template,
            status,
            frame="desk.html",
            request=self,
            session=self.session,
            menu={address: MENU_LABELS[address] for address in PAGES_OF_ROLE[self.session.role]},
            csrf=sessions.csrf_of(self.session.token),
            **variables,
        )

    def render_problem(self, problem: Problem) -> HTMLResponse:
        """Return the page that tells the person about a problem."""
        return self.render("problem.html", problem.status, title=problem.title, text=problem.text)


Page = Callable[[PageRequest], Response]
