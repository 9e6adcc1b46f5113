"""Every response carries the security headers."""

from __future__ import annotations

from tests.desk.conftest import Person, RunningDesk


def test_cookies_and_headers_keep_other_sites_out(desk: RunningDesk, decider: Person) -> None:
    cookie = desk.client().get("/").headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Secure" not in cookie
    for address in ("/", "/decisions", "/impact", "/static/desk.css", "/static/nothing", "/static/../roles.py"):
        headers = decider.get(address).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'self';") and "frame-ancestors 'none'" in policy, address
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers
