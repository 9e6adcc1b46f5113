"""Add security headers, such as a content security policy, to every HTTP response of the desk."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; frame-src 'none'; "
    "object-src 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


HTTPS_HEADERS = {"Strict-Transport-Security": "max-age=31536000"}  # for a year, browsers don't use http


class SecurityHeaders:
    """ASGI middleware that adds HEADERS to every response, also to errors. Headers set by a response are kept.

    secure: whether people reach the desk by https only; then it adds HTTPS_HEADERS, too.
    """

    def __init__(self, app: ASGIApp, secure: bool = False) -> None:
        self.app = app
        self.headers = HEADERS | HTTPS_HEADERS if secure else HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                defaults = [(name.lower().encode(), text.encode()) for name, text in self.headers.items()]
                missing = [(name, text) for name, text in defaults if name not in present]
                message["headers"] = [*message["headers"], *missing]
            await send(message)

        await self.app(scope, receive, send_with_headers)
