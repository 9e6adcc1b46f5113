"""Show URLs to people, without the passwords and keys that they may hold."""

from __future__ import annotations

import re

URL = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*://)([^\s'\"<>]*)")


def hide_passwords(text: str) -> str:
    """Return a text whose URLs have neither user, password, query nor fragment.

    A password may hold an unescaped `@`, `/` or `?`. So everything up to the last `@` counts as user and password.
    """
    return URL.sub(lambda url: url[1] + re.split(r"[?#]", url[2].rpartition("@")[2], maxsplit=1)[0], text)
