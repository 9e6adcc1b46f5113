"""Read the forms that people send to the desk: within a size limit, and only from the session that opened the form."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from hmac import compare_digest
from urllib.parse import parse_qsl

from starlette.requests import Request

from desk.page_request import Problem
from desk.sessions import csrf_of

MAX_FORM_BYTES = 32_768
MAX_FIELDS = 50
BODY_SECONDS = 10.0  # for the body of a request


async def read_form(request: Request) -> Mapping[str, str] | None:
    """Return the fields of a POST request's form by name; None for other requests.

    Raises Problem if the form is too long, arrives too slowly or can't be read.
    """
    if request.method != "POST":
        return None
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await _read_body(request)
    except TimeoutError as error:
        raise Problem(408, "The form arrived too slowly", "Nothing was saved. Send the form again.") from error
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError as error:
        raise Problem(400, "The form can't be read", "Nothing was saved. Open the page and try again.") from error


async def _read_body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_FORM_BYTES:
            raise Problem(413, "The form is too long", "Nothing was saved. Shorten your text and send it again.")
    return body


def check_form_token(form: Mapping[str, str], session_token: str) -> None:
    """Raise Problem if a form wasn't made for the session with this token. This protects against CSRF.

    Without a token, nobody opened a page, so no form is accepted.
    """
    if not session_token or not compare_digest(form.get("csrf", "").encode(), csrf_of(session_token).encode()):
        raise Problem(
            403,
            "This form is out of date",
            "Nothing was saved. Open the page again, and send the form of the new page.",
        )
