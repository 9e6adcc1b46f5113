"""Bring a person back to the page, and keep a typed reason, if a session ended before the log-in.

A cookie holds both for ten minutes. Only this browser gets it, and scripts can't read it.
"""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

from starlette.responses import Response

from desk.roles import MENU_LABELS

COOKIE = "desk-return"
MAX_AGE = 600  # seconds
MAX_ADDRESS, MAX_TEXT = 800, 500  # characters; browsers keep cookies of up to 4,096 bytes


@dataclass(frozen=True)
class ReturnAddress:
    """A page of the desk, and the answer that a person sent to it without a session.

    - address: path and parameters of the page.
    - person, decision_id, action, reason: of an override that was not recorded; empty without one.
    """

    address: str
    person: str = ""
    decision_id: str = ""
    action: str = ""
    reason: str = ""

    @classmethod
    def from_request(cls, address: str, form: Mapping[str, str] | None) -> ReturnAddress:
        """Return the address of a request, with the reason that its form holds."""
        sent = {name: (form or {}).get(name, "")[:MAX_TEXT] for name in ("person", "decision_id", "action", "reason")}
        return cls(address, **sent) if sent["reason"].strip() else cls(address)

    @property
    def path(self) -> str:
        """The path of the page; empty if the address isn't a page in the menu of this desk."""
        if len(self.address) > MAX_ADDRESS or not (self.address.isascii() and self.address.isprintable()):
            return ""
        parts = urlsplit(self.address)
        return parts.path if parts.path in MENU_LABELS and not parts.scheme and not parts.netloc else ""

    def set_cookie(self, response: Response, secure: bool) -> Response:
        """Set the cookie of a response, and return the response. An address outside the menu sets nothing.

        secure: whether people reach the desk by https only.
        """
        if self.path:
            text = json.dumps(asdict(self), ensure_ascii=False).encode()
            response.set_cookie(
                cookie_name(secure),
                urlsafe_b64encode(text).decode(),
                max_age=MAX_AGE,
                httponly=True,
                samesite="lax",
                secure=secure,
            )
        return response


def cookie_name(secure: bool) -> str:
    """Return the name of the cookie. By https, browsers take it only from this host itself."""
    return "__Host-" * secure + COOKIE


def read_return_address(cookies: Mapping[str, str], secure: bool) -> ReturnAddress | None:
    """Return the return address of a browser; None without one, or if it isn't a page in the menu."""
    try:
        fields = json.loads(urlsafe_b64decode(cookies.get(cookie_name(secure), "")))
        returned = ReturnAddress(**{name: str(text) for name, text in fields.items()})
    except (binascii.Error, ValueError, TypeError, AttributeError, RecursionError):
        return None
    return returned if returned.path else None


def forget_return_address(response: Response, secure: bool) -> Response:
    """Delete the cookie, and return the response."""
    response.delete_cookie(cookie_name(secure), secure=secure, httponly=True, samesite="lax")
    return response
