"""The guard passes the server's own pages and programs on the same machine, and refuses every other website."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.request_guard import LOOPBACK_NAMES, SAFE_METHODS, RequestGuard, WebRequest, find_refusal
from tests.desk.conftest import Person, RunningDesk

METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "WEBSOCKET"]
CHANGING = [method for method in METHODS if method not in SAFE_METHODS]
HOST = "127.0.0.1:3000"
LINK = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


def status_of(method: str, **headers: str) -> int:
    """Return the status of a refused request, or 200 if it passes. Underscores in names of headers are hyphens."""
    named = {"host": HOST} | {name.replace("_", "-"): text for name, text in headers.items()}
    refusal = find_refusal(WebRequest(method, "/graphql", "", named), LOOPBACK_NAMES | {"pages.example"})
    return refusal.status if refusal else 200


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:3000", "LOCALHOST:3000", "[::1]:3000", "pages.example"])
def test_programs_and_own_pages_pass(method: str, host: str) -> None:
    assert status_of(method, host=host) == 200
    assert status_of(method, host=host, origin=f"http://{host}", sec_fetch_site="same-origin") == 200
    assert status_of(method, host=host, sec_fetch_site="none") == 200


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "host",
    [
        *("", "attacker.example", "attacker.example:3000", "127.0.0.1.attacker.example", "localhost.", "0.0.0.0:3000"),
        *("127.0.0.1@attacker.example", "localhost:3000, attacker.example", "localhost:port", "[::1", "localhost/x"),
        *(
            "pages.example.attacker.example",
            "169.254.169.254",
            "127.0.0.1 attacker.example",
            "localhost#x",
            "a@localhost",
        ),
    ],
)
def test_other_host_names_are_refused(method: str, host: str) -> None:
    assert status_of(method, host=host) == 400


@pytest.mark.parametrize("method", CHANGING)
@pytest.mark.parametrize(
    "origin",
    [
        *("http://attacker.example", "https://attacker.example:3000", "null", "", "http://localhost:3000"),
        *(
            "http://127.0.0.1",
            "http://127.0.0.1:8888",
            "http://127.0.0.1:3000.attacker.example",
            "file://127.0.0.1:3000",
        ),
        *(
            "chrome-extension://127.0.0.1:3000",
            "http://127.0.0.1:3000, http://attacker.example",
            "http://[",
            "127.0.0.1:3000",
        ),
    ],
)
def test_changes_and_websockets_from_other_origins_are_refused(method: str, origin: str) -> None:
    """Another port of this machine is another origin: a notebook server shows pages of other people."""
    assert status_of(method, origin=origin) == 403
    assert status_of(method, origin=origin, sec_fetch_site="same-origin") == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "unknown"])
def test_other_sites_may_only_link_to_a_page(site: str) -> None:
    for method in METHODS:
        assert status_of(method, sec_fetch_site=site) == 403, method
        assert status_of(method, sec_fetch_site=site, origin=f"http://{HOST}", sec_fetch_mode="cors") == 403, method
        link = {name.replace("-", "_"): text for name, text in (LINK | {"sec-fetch-site": site}).items()}
        assert status_of(method, **link) == (200 if method in SAFE_METHODS else 403), method
    for kind in ("iframe", "image", "script", "empty", "object", "embed", "frame"):
        assert status_of("GET", sec_fetch_site=site, sec_fetch_mode="navigate", sec_fetch_dest=kind) == 403, kind


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_behind_a_proxy_the_default_port_may_be_left_out(scheme: str) -> None:
    port = {"http": 80, "https": 443}[scheme]
    for host in ("pages.example", f"pages.example:{port}"):
        assert status_of("POST", host=host, origin=f"{scheme}://pages.example", sec_fetch_site="same-origin") == 200
    assert status_of("POST", host="pages.example", origin=f"{scheme}://pages.example:8443") == 403


@given(st.text(max_size=40), st.sampled_from(CHANGING))
def test_only_the_own_origin_passes(origin: str, method: str) -> None:
    """No text, however odd, passes as an origin of this server or ends in an error."""
    assert status_of(method, origin=origin) == (200 if origin.lower() == f"http://{HOST}" else 403)
    assert status_of(method, host=origin) in (200, 400)


def test_a_websocket_is_closed_before_it_is_accepted_and_startup_passes() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    async def send(message: Any) -> None:
        seen.append(message["type"])

    async def receive() -> Any: ...

    for kind, origin in (("lifespan", ""), ("websocket", "http://attacker.example"), ("websocket", f"http://{HOST}")):
        headers = [(b"host", HOST.encode()), (b"origin", origin.encode())]
        scope = {"type": kind, "path": "/graphql", "query_string": b"", "headers": headers}
        asyncio.run(RequestGuard(app)(scope, receive, send))
    assert seen == ["lifespan", "websocket.close", "websocket"]


def test_the_desk_refuses_forms_of_other_websites(desk: RunningDesk, decider: Person) -> None:
    foreign = {"Origin": "http://attacker.example", "Sec-Fetch-Site": "cross-site"}
    assert decider.client.post("/logout", headers=foreign).status_code == 403
    assert decider.client.get("/decisions", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert decider.client.get("/decisions", headers=LINK).status_code == 200
    assert decider.client.post("/logout", headers={"Origin": desk.url}).status_code != 400
    assert desk.client().post("/", headers=foreign).status_code == 403


def test_a_refusal_is_a_line_of_the_log(desk: RunningDesk, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("uvicorn.error").addHandler(caplog.handler)
    desk.client().get("/trace?q=miller", headers={"host": "attacker.example"})
    logging.getLogger("uvicorn.error").removeHandler(caplog.handler)
    assert set(caplog.messages) == {"guard: refused (GET '/trace' from 127.0.0.1, status 400)"}
