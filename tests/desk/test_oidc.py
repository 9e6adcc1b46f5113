"""The log-in through an OpenID provider: who is proven gets the roles of the groups, and nothing else is believed.

A small provider runs in the test. It signs real tokens, and can be told to send wrong ones.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import sqlalchemy as sa
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from desk import accounts
from desk.oidc import CALLBACK, OidcError, OidcProvider
from desk.oidc_settings import ProviderSettings
from desk.roles import Grant
from desk.sessions import RECENT_LOGIN
from desk.tables import SESSIONS
from sixtyforty.spec.clock import now
from sixtyforty.storage.security_log import SecurityLog
from sixtyforty.workspace import Workspace
from tests.desk.conftest import PASSWORD, RunningDesk, csrf_in

KEY, OTHER_KEY = (RSAKey.generate_key(2048, {"kid": "1", "use": "sig"}, private=True) for _ in range(2))
SECRET = "the client's secret"
DISCOVERY = "/.well-known/openid-configuration"


@dataclass
class Provider:
    """An OpenID provider on this machine. changes: claims that replace those of the tokens; None removes a claim."""

    url: str = ""
    groups: list[str] = field(default_factory=lambda: ["deciders"])
    changes: dict[str, Any] = field(default_factory=dict)
    key: Any = field(default_factory=lambda: KEY)
    algorithm: str = "RS256"
    requests: dict[str, dict[str, str]] = field(default_factory=dict)

    def authorize(self, url: str) -> dict[str, str]:
        """Log a person in at the address to which the desk sent the browser; return the parameters of the way back."""
        parameters = {name: texts[0] for name, texts in parse_qs(urlsplit(url).query).items()}
        assert parameters["response_type"] == "code" and parameters["code_challenge_method"] == "S256"
        code = f"code{len(self.requests)}"
        self.requests[code] = parameters
        return {"code": code, "state": parameters["state"]}

    def token(self, form: dict[str, str], authorization: str) -> dict[str, Any] | None:
        """Return the answer for a code; None if the code, the client or PKCE's verifier is wrong."""
        request = self.requests.pop(form.get("code", ""), None)
        client = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        if request is None or client.partition(":")[0] != "desk" or form["redirect_uri"] != request["redirect_uri"]:
            return None
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).decode().rstrip("=") != request["code_challenge"]:
            return None
        claims = {
            "iss": self.url,
            "sub": "person 1",
            "aud": "desk",
            "exp": int(time.time()) + 300,
            "iat": int(time.time()),
            "nonce": request["nonce"],
            "preferred_username": "Ann",
            "groups": self.groups,
        } | self.changes
        return {"access_token": "x", "token_type": "Bearer", "id_token": self.sign(claims)}

    def sign(self, claims: dict[str, Any]) -> str:
        claims = {name: claim for name, claim in claims.items() if claim is not None}
        if self.algorithm == "none":
            parts = (json.dumps(part).encode() for part in ({"alg": "none"}, claims))
            return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."
        return jwt.encode({"alg": self.algorithm, "kid": "1"}, claims, self.key, algorithms=[self.algorithm])


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A provider that is served."""
    running = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            documents: dict[str, Any] = {
                DISCOVERY: {
                    "issuer": running.url,
                    "authorization_endpoint": f"{running.url}/authorize",
                    "token_endpoint": f"{running.url}/token",
                    "jwks_uri": f"{running.url}/keys",
                },
                "/keys": {"keys": [KEY.as_dict(private=False)]},
            }
            self.send(documents.get(self.path))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            form = {name: texts[0] for name, texts in parse_qs(body).items()}
            self.send(running.token(form, self.headers.get("authorization", "")))

        def send(self, document: Any) -> None:
            content = json.dumps(document or {"error": "invalid_grant"}).encode()
            self.send_response(200 if document else 400)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", f"{len(content)}")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
    yield running
    server.shutdown()
    server.server_close()


def settings_of(provider: Provider, use_case: str = "") -> ProviderSettings:
    """Return the settings of the provider. use_case: where the group `deciders` has a role; empty: everywhere."""
    roles = {"deciders": (Grant("decider", use_case=use_case),), "auditors": (Grant("auditor"),)}
    return ProviderSettings(provider.url, "desk", SECRET, roles)


@pytest.fixture
def desk(ws: Workspace, provider: Provider) -> Iterator[RunningDesk]:
    """A desk whose people can log in through the provider."""
    connection = OidcProvider(settings_of(provider, ws.use_case.name), "http://127.0.0.1:3002")
    running = RunningDesk({ws.use_case.name: ws}, provider=connection)
    yield running
    running.stop()


def log_in(
    desk: RunningDesk, provider: Provider, client: httpx.Client | None = None
) -> tuple[httpx.Client, httpx.Response]:
    """Log in as a person would: to the provider, and back to the desk."""
    client = client or desk.client()
    start = client.get("/login/provider")
    assert start.status_code == 303 and start.headers["location"].startswith(f"{provider.url}/authorize?")
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    return client, client.get(CALLBACK, params=provider.authorize(start.headers["location"]), headers=link)


def kinds(desk: RunningDesk) -> list[str]:
    """Return the kinds of the events in the security log, oldest first."""
    return [event.kind for event in SecurityLog(desk.database).read(50)][::-1]


def test_a_person_gets_the_roles_of_the_groups_at_each_log_in(desk: RunningDesk, provider: Provider) -> None:
    assert 'href="/login/provider"' in desk.client().get("/").text
    client, answer = log_in(desk, provider)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert client.get("/decisions").status_code == 200
    assert client.get("/trace").status_code == 403
    assert "single sign-on. Change your password there" in client.get("/account").text
    provider.groups = ["auditors", "others"]
    again, _ = log_in(desk, provider)
    assert client.get("/decisions").headers["location"] == "/"  # other roles end the earlier session
    assert again.get("/trace").status_code == 200
    provider.groups = ["others"]
    _, answer = log_in(desk, provider)
    assert answer.status_code == 403 and "no role on the desk" in answer.text
    assert again.get("/trace").headers["location"] == "/"
    log = ["account changed", "log-in", "access denied", "account changed", "log-in", "access denied"]
    assert kinds(desk) == log


def test_a_person_of_the_provider_ends_sessions_after_a_recent_log_in(desk: RunningDesk, provider: Provider) -> None:
    client, _ = log_in(desk, provider)
    other, _ = log_in(desk, provider)

    def end_others() -> str:
        form = {"do": "end", "key": "", "csrf": csrf_in(client.get("/account").text)}
        return client.post("/account", data=form).text

    with desk.database.begin() as connection:
        connection.execute(sa.update(SESSIONS).values(opened_at=now() - RECENT_LOGIN - timedelta(seconds=1)))
    assert "log in again" in end_others()
    assert other.get("/decisions").status_code == 200
    with desk.database.begin() as connection:
        connection.execute(sa.update(SESSIONS).values(opened_at=now()))
    assert end_others() == ""
    assert other.get("/decisions").headers["location"] == "/"
    assert client.get("/decisions").status_code == 200


WRONG_TOKENS: dict[str, dict[str, Any]] = {
    "another nonce": {"changes": {"nonce": "another"}},
    "no nonce": {"changes": {"nonce": None}},
    "another issuer": {"changes": {"iss": "https://evil.example"}},
    "another audience": {"changes": {"aud": "another client"}},
    "one audience of several, for another party": {"changes": {"aud": ["desk", "x"], "azp": "x"}},
    "expired": {"changes": {"exp": int(time.time()) - 3600}},
    "no expiry": {"changes": {"exp": None}},
    "issued in the future": {"changes": {"iat": int(time.time()) + 3600}},
    "no subject": {"changes": {"sub": None}},
    "no name": {"changes": {"preferred_username": None}},
    "a name that is no account name": {"changes": {"preferred_username": "<b>"}},
    "unsigned": {"algorithm": "none"},
    "signed with another key": {"key": OTHER_KEY},
    "signed with the client's secret": {"key": OctKey.import_key(SECRET * 3), "algorithm": "HS256"},
}


@pytest.mark.parametrize("fault", WRONG_TOKENS)
def test_a_wrong_token_logs_nobody_in(fault: str, desk: RunningDesk, provider: Provider) -> None:
    for name, content in WRONG_TOKENS[fault].items():
        setattr(provider, name, content)
    client, answer = log_in(desk, provider)
    assert answer.status_code == 403 and "The single sign-on failed" in answer.text
    assert client.get("/decisions").headers["location"] == "/"
    assert kinds(desk) == ["log-in failed"]


def test_an_answer_belongs_to_one_browser_and_one_log_in(desk: RunningDesk, provider: Provider) -> None:
    """Otherwise an attacker would log a person in to the attacker's account."""
    attacker, victim = desk.client(), desk.client()
    answer = provider.authorize(attacker.get("/login/provider").headers["location"])
    for client in (victim, log_in(desk, provider)[0]):
        assert client.get(CALLBACK, params=answer).status_code == 403
    victim.get("/login/provider")
    for wrong in ({}, {"code": "x"}, {"state": "x.9999999999.y"}, {"error": "access_denied"}, {"iss": "https://x"}):
        assert victim.get(CALLBACK, params=answer | wrong if wrong else {}).status_code == 403
    assert attacker.get(CALLBACK, params=answer).status_code == 303
    assert attacker.get(CALLBACK, params=answer).status_code == 403  # the code counts once


def test_a_link_of_another_website_starts_no_log_in(desk: RunningDesk) -> None:
    link = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    for site in ("cross-site", "same-site"):
        answer = desk.client().get("/login/provider", headers=link | {"sec-fetch-site": site})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
    answer = desk.client().get("/login/provider", headers=link | {"sec-fetch-site": "same-origin"})
    assert "/authorize?" in answer.headers["location"]


def test_a_code_is_of_no_use_without_its_verifier(desk: RunningDesk, provider: Provider) -> None:
    client = desk.client()
    answer = provider.authorize(client.get("/login/provider").headers["location"])
    provider.requests[answer["code"]]["code_challenge"] = "of another log-in"
    assert client.get(CALLBACK, params=answer).status_code == 403


def test_nobody_takes_over_an_account_by_its_name(desk: RunningDesk, provider: Provider) -> None:
    accounts.save_account(desk.database, "ann", "owner", PASSWORD)
    assert log_in(desk, provider)[1].status_code == 403
    accounts.remove_account(desk.database, "ann")
    assert log_in(desk, provider)[1].status_code == 303
    provider.changes = {"sub": "person 2"}  # the name was given to another person
    assert log_in(desk, provider)[1].status_code == 403
    with pytest.raises(accounts.AccountError, match="belongs to somebody else"):
        accounts.save_account(desk.database, "ann", "owner", PASSWORD)


def test_an_earlier_start_has_expired(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = OidcProvider(settings_of(provider), "http://127.0.0.1:3002")
    answer = provider.authorize(connection.start_url("visitor"))
    monkeypatch.setattr("desk.oidc.time.time", lambda: 4_000_000_000)
    with pytest.raises(OidcError, match="took too long"):
        connection.finish("visitor", answer)


def test_a_provider_that_names_another_issuer_or_is_off_is_refused(provider: Provider) -> None:
    settings = settings_of(provider)
    wrong = ProviderSettings(provider.url + "/", "desk", SECRET, settings.roles)
    with pytest.raises(OidcError, match="names another issuer"):
        OidcProvider(wrong, "http://127.0.0.1:3002").start_url("visitor")
    with pytest.raises(OidcError, match="can't be reached"):
        OidcProvider(ProviderSettings("http://127.0.0.1:9", "desk", SECRET, {}), "").start_url("visitor")
