"""Log-in to the desk through an OpenID provider: OpenID Connect's authorization code flow with PKCE.

authlib builds the requests, exchanges the code and checks the claims; joserfc checks the signature of the ID token. The
values that protect a log-in (state, nonce and PKCE's verifier) are derived from the visitor's cookie with a secret of
this process. So they belong to one browser, and nothing has to be stored for visitors who never come back.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from desk.oidc_settings import ProviderSettings, is_private
from desk.roles import Grant
from sixtyforty.spec.errors import SixtyfortyError

CALLBACK = "/login/callback"
SIGNATURES = ["RS256", "PS256", "ES256"]  # never `none`, and no algorithm whose key the desk shares with the provider
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
SECONDS_PER_REQUEST = 5.0
LOGIN_SECONDS = 600  # from the log-in page to the return from the provider
METADATA_SECONDS = 3600.0  # for which the provider's addresses and keys are cached
LEEWAY = 60  # seconds by which the clocks may differ


class OidcError(SixtyfortyError):
    """The provider can't be reached, or its answer doesn't prove who the person is."""


@dataclass(frozen=True)
class ProvidedPerson:
    """A person whom the provider has logged in. subject: identifies the person at the provider, for ever."""

    name: str
    subject: str
    grants: tuple[Grant, ...]


@dataclass(frozen=True)
class Metadata:
    """The provider's addresses and keys. read_at: seconds of a monotonic clock."""

    endpoints: Mapping[str, str]
    keys: KeySet
    read_at: float


@dataclass
class OidcProvider:
    """An OpenID provider. desk_url: the address at which people reach the desk."""

    settings: ProviderSettings
    desk_url: str
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    _metadata: Metadata | None = field(default=None, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def start_url(self, visitor: str) -> str:
        """Return the address of the provider's log-in page. visitor: the token of the visitor's cookie."""
        state = f"{secrets.token_urlsafe(16)}.{int(time.time()) + LOGIN_SECONDS}"
        state = f"{state}.{self._derive(visitor, state, 'state')}"
        nonce, verifier = (self._derive(visitor, state, purpose) for purpose in ("nonce", "verifier"))
        endpoint = self._read_metadata().endpoints["authorization_endpoint"]
        with self._session() as session:
            url, _ = session.create_authorization_url(endpoint, state=state, nonce=nonce, code_verifier=verifier)
        return str(url)

    def finish(self, visitor: str, answer: Mapping[str, str]) -> ProvidedPerson:
        """Return who has logged in. answer: the parameters with which the provider sent the person back.

        visitor: the token of the visitor's cookie. Raises OidcError.
        """
        state = answer.get("state", "")
        self._check_state(visitor, state)
        if answer.get("iss", self.settings.issuer) != self.settings.issuer:  # RFC 9207: the answer of another provider
            raise OidcError("The answer comes from another provider.")
        if answer.get("error") or not answer.get("code"):
            raise OidcError("The provider didn't log the person in.")
        token = self._exchange(answer["code"], self._derive(visitor, state, "verifier"))
        claims = self._check_token(token, self._derive(visitor, state, "nonce"))
        return self._person(claims)

    def _derive(self, visitor: str, state: str, purpose: str) -> str:
        text = "\n".join((purpose, visitor, state))
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()

    def _check_state(self, visitor: str, state: str) -> None:
        start, _, signature = state.rpartition(".")
        expected = self._derive(visitor, start, "state")
        if not visitor or not hmac.compare_digest(signature.encode(), expected.encode()):
            raise OidcError("The log-in wasn't started in this browser.")
        if int(start.rpartition(".")[2]) < time.time():
            raise OidcError("The log-in took too long.")

    def _session(self) -> OAuth2Session:
        return OAuth2Session(
            self.settings.client_id,
            self.settings.client_secret,
            scope="openid profile email",
            redirect_uri=self.desk_url.rstrip("/") + CALLBACK,
            code_challenge_method="S256",
            default_timeout=SECONDS_PER_REQUEST,
        )

    def _exchange(self, code: str, verifier: str) -> Mapping[str, Any]:
        endpoint = self._read_metadata().endpoints["token_endpoint"]
        try:
            with self._session() as session:
                token: Mapping[str, Any] = session.fetch_token(
                    endpoint, code=code, code_verifier=verifier, grant_type="authorization_code", allow_redirects=False
                )
                return token
        except (AuthlibBaseError, requests.RequestException, ValueError) as error:
            raise OidcError(f"The provider didn't accept the code ({type(error).__name__}).") from error

    def _check_token(self, token: Mapping[str, Any], nonce: str) -> CodeIDToken:
        """Return the claims of the ID token in the provider's answer, once its signature and claims are checked."""
        text = token.get("id_token")
        if not isinstance(text, str):
            raise OidcError("The provider's answer has no ID token.")
        options = {
            "iss": {"essential": True, "value": self.settings.issuer},
            "aud": {"essential": True, "value": self.settings.client_id},
        }
        params = {"nonce": nonce, "client_id": self.settings.client_id, "access_token": token.get("access_token")}
        try:
            decoded = self._decode(text)
            claims = CodeIDToken(decoded.claims, decoded.header, options, params)
            claims.validate(leeway=LEEWAY)
        except (JoseError, ValueError) as error:
            raise OidcError(f"The ID token isn't valid ({type(error).__name__}: {error}).") from error
        return claims

    def _decode(self, text: str) -> jwt.Token:
        """Check the signature of an ID token. A provider that changed its keys is asked for them again, once."""
        try:
            return jwt.decode(text, self._read_metadata().keys, algorithms=SIGNATURES)
        except (JoseError, ValueError):
            return jwt.decode(text, self._read_metadata(max_age=LEEWAY).keys, algorithms=SIGNATURES)

    def _person(self, claims: Mapping[str, Any]) -> ProvidedPerson:
        settings = self.settings
        name, groups = claims.get(settings.name_claim), claims.get(settings.groups_claim, [])
        if not isinstance(name, str) or not name:
            raise OidcError(f"The ID token has no claim '{settings.name_claim}' with the name of the account.")
        if settings.name_claim == "email" and claims.get("email_verified") is not True:
            raise OidcError("The provider hasn't verified the person's e-mail address.")
        listed = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
        grants = settings.grants_of(group for group in listed if isinstance(group, str))
        return ProvidedPerson(name, f"{settings.issuer} {claims['sub']}", grants)

    def _read_metadata(self, max_age: float = METADATA_SECONDS) -> Metadata:
        """Return the provider's addresses and keys, at most `max_age` seconds old. Raises OidcError."""
        with self._lock:
            if self._metadata is None or time.monotonic() - self._metadata.read_at > max_age:
                self._metadata = self._load_metadata()
            return self._metadata

    def _load_metadata(self) -> Metadata:
        issuer = self.settings.issuer
        document = _get_json(issuer.rstrip("/") + "/.well-known/openid-configuration")
        if document.get("issuer") != issuer:
            raise OidcError("The provider names another issuer than SIXTYFORTY_OIDC_ISSUER.")
        endpoints = {name: str(document.get(name, "")) for name in ENDPOINTS}
        exposed = [name for name, url in endpoints.items() if not is_private(url)]
        if exposed:
            raise OidcError(f"The provider's {', '.join(exposed)} can't be reached by https.")
        try:
            keys = KeySet.import_key_set(_get_json(endpoints["jwks_uri"]))  # type: ignore[arg-type]
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise OidcError("The provider's keys can't be read.") from error
        return Metadata(endpoints, keys, time.monotonic())


def _get_json(url: str) -> dict[str, Any]:
    try:
        response = requests.get(url, timeout=SECONDS_PER_REQUEST, allow_redirects=False)
        response.raise_for_status()
        document = response.json()
    except (requests.RequestException, ValueError) as error:
        raise OidcError(f"The provider can't be reached ({type(error).__name__}).") from error
    if not isinstance(document, dict):
        raise OidcError("The provider's answer can't be read.")
    return document
