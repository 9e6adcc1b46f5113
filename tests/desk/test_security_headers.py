"""Every response carries the security headers."""

from __future__ import annotations

from sixtyforty.workspace import Workspace
from tests.desk.conftest import PASSWORD, Person, RunningDesk, csrf_in


def test_cookies_and_headers_keep_other_sites_out(desk: RunningDesk, decider: Person) -> None:
    cookie = desk.client().get("/").headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Secure" not in cookie
    for address in ("/", "/decisions", "/impact", "/static/desk.css", "/static/nothing", "/static/../roles.py"):
        answer = decider.get(address)
        headers = answer.headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'self';") and "frame-ancestors 'none'" in policy, address
        assert "object-src 'none'" in policy and "base-uri 'none'" in policy and "unsafe" not in policy
        assert headers["referrer-policy"] == "same-origin"
        assert not answer.content or headers["content-type"].endswith("; charset=utf-8"), address
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers
        assert "strict-transport-security" not in headers


def test_folders_are_not_listed_and_requests_not_echoed(desk: RunningDesk, decider: Person) -> None:
    assert decider.get("/static/").status_code == 404
    for client in (decider.client, desk.client()):
        answer = client.request("TRACE", "/", headers={"X-Secret": "echo"})
        assert answer.status_code == 405 and "echo" not in answer.text


def test_by_https_cookies_belong_to_this_host_and_http_is_over(ws: Workspace) -> None:
    """Otherwise a neighbour such as evil.example of desk.example could plant a cookie, or read one by http."""
    desk = RunningDesk({ws.use_case.name: ws}, host="desk.example", secure=True)
    client = desk.client()
    client.headers["host"] = "desk.example"
    page = client.get("/")
    assert page.headers["strict-transport-security"] == "max-age=31536000"
    name, _, attributes = page.headers["set-cookie"].partition("=")
    assert name == "__Host-desk-visitor"
    assert {"Path=/", "Secure", "HttpOnly"} <= {part.strip() for part in attributes.split(";")}
    assert "domain" not in attributes.lower()
    cookie = {"cookie": page.headers["set-cookie"].partition(";")[0]}
    form = {"csrf": csrf_in(page.text), "name": "decider", "password": PASSWORD}
    answer = client.post("/", data=form, headers=cookie)
    cookies = [text.partition(";")[0] for text in answer.headers.get_list("set-cookie")]
    assert answer.status_code == 303 and sum(text.startswith("__Host-desk=") for text in cookies) == 1
    assert client.get("/decisions", headers={"cookie": cookies[-1]}).status_code == 200
    assert client.get("/decisions", headers={"cookie": cookies[-1].removeprefix("__Host-")}).status_code == 303
    desk.stop()
