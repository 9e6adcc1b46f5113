"""Refuse requests that another website makes: the guard before every web port that the project serves.

A browser sends requests to 127.0.0.1 for any page that a person opens. Ports on this machine are therefore not private.
The guard is ASGI middleware for HTTP and WebSocket. Programs on the same machine, which send neither `Origin` nor
`Sec-Fetch-Site`, pass. The rules follow the W3C's Fetch Metadata and the WHATWG's Fetch standard (`Origin`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOG = logging.getLogger("uvicorn.error.guard")  # uvicorn writes the lines of its loggers to the log of the service
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OWN_SITES = frozenset({"", "same-origin", "none"})  # values of Sec-Fetch-Site; none: typed or bookmarked by the person
DEFAULT_PORTS = {"http": 80, "https": 443}
POLICY_VIOLATION = 1008  # close code of a refused WebSocket, RFC 6455 section 7.4.1

UNKNOWN_HOST = (
    "Refused: this server isn't known by the host name of the request. It answers to 127.0.0.1 and localhost. Behind a"
    " proxy, set SIXTYFORTY_PAGES_HOSTS for Dagster's pages, or SIXTYFORTY_DESK_URL for the desk, and pass the header"
    " Host on unchanged."
)
FOREIGN_PAGE = (
    "Refused: a page of another website made this request. Open the address of this server itself. Behind a proxy, pass"
    " the headers Host and Origin on unchanged."
)


@dataclass(frozen=True)
class WebRequest:
    """The parts of a request that the guard checks.

    method: such as GET; WEBSOCKET for the handshake of a WebSocket.
    query: the text after the question mark.
    headers: by name in lower case. Repeated headers are joined by a comma.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Refusal:
    """HTTP status and text of a refused request. The text says what to do."""

    status: int
    text: str


Rule = Callable[[WebRequest], Refusal | None]


def allow_every_request(_: WebRequest) -> None:
    """Refuse nothing: the rule of a server that needs no rule of its own."""


class RequestGuard:
    """ASGI middleware that refuses the requests of other websites, and requests for another host name.

    hosts: host names under which people reach the server, in addition to LOOPBACK_NAMES. rule: a further rule of the
    server, for requests that the guard would pass.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str] = (), rule: Rule = allow_every_request) -> None:
        self.app, self.rule = app, rule
        self.hosts = LOOPBACK_NAMES | {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        request = _read_request(scope)
        refusal = find_refusal(request, self.hosts) or self.rule(request)
        if refusal is None:
            return await self.app(scope, receive, send)
        LOG.warning("guard: refused (%s %.100r from %s, status %d)", *_describe(scope, request), refusal.status)
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": ""})
        await PlainTextResponse(refusal.text, refusal.status)(scope, receive, send)


def _describe(scope: Scope, request: WebRequest) -> tuple[str, str, str]:
    """Return method, path and client of a request for the log. The query is left out: it may hold personal data."""
    client = scope.get("client") or ("an unknown client",)
    return request.method, request.path, client[0]


def _read_request(scope: Scope) -> WebRequest:
    method = "WEBSOCKET" if scope["type"] == "websocket" else scope["method"]
    headers = Headers(scope=scope)
    joined = {name: ", ".join(headers.getlist(name)) for name in headers}
    return WebRequest(method, scope["path"], scope["query_string"].decode("latin-1"), joined)


def find_refusal(request: WebRequest, hosts: frozenset[str]) -> Refusal | None:
    """Return why a request is refused, or None if it passes. hosts: the server's host names, in lower case.

    A request for another host name is refused, which prevents DNS rebinding. A request that changes something, and a
    WebSocket, must come from a page of the server or from a program. Another website may only link to a page.
    """
    host = request.headers.get("host", "")
    if _host_name(host) not in hosts:
        return Refusal(400, UNKNOWN_HOST)
    comes_from_own_page = request.headers.get("sec-fetch-site", "") in OWN_SITES
    if request.method in SAFE_METHODS:
        return None if comes_from_own_page or _is_link(request) else Refusal(403, FOREIGN_PAGE)
    origin = request.headers.get("origin")
    is_own_origin = origin is None or _is_origin_of(origin, host)
    return None if comes_from_own_page and is_own_origin else Refusal(403, FOREIGN_PAGE)


def _is_link(request: WebRequest) -> bool:
    """Return whether a person followed a link: the answer replaces the page in the window, and no script can read it.

    An image, a script, a form's answer in a frame, or a frame is not a link.
    """
    headers = request.headers
    return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"


def _host_name(host: str) -> str | None:
    """Return the name in a Host header, in lower case, without port and brackets. None: the header isn't valid."""
    try:
        address = urlsplit(f"//{host}")
        is_valid = address.netloc == host and address.username is None and address.port != 0
        return address.hostname if is_valid else None
    except ValueError:  # the port or the IPv6 address isn't valid
        return None


def _is_origin_of(origin: str, host: str) -> bool:
    """Return whether an Origin header names the same host and port as a Host header."""
    try:
        page = urlsplit(origin)
        default = DEFAULT_PORTS.get(page.scheme)
        server = urlsplit(f"//{host}")
        return default is not None and (page.hostname, page.port or default) == (
            server.hostname,
            server.port or default,
        )
    except ValueError:
        return False
