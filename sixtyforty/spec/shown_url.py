"""Show URLs to people, without the passwords and keys that they may hold."""

from __future__ import annotations

import re

SCHEME = r"[A-Za-z][A-Za-z0-9+.\-]*://"
# The next URL of a line starts after a space, so a password may hold the characters of a scheme.
URL = re.compile(rf"({SCHEME})((?:(?!\s[\"'(\[<{{=]*{SCHEME}).)*)")
USER = re.compile(r"[^\s/?#:@]*:")  # a password follows, which may hold spaces
MASKED = re.compile(r"[^\s/?#:@]+:\*\*\*@[^\s?#]*(\s|$)")  # as SQLAlchemy writes a URL without its password
WORD = re.compile(r"\S*")
QUERY = re.compile(r"([^\s?#]*)[?#]\S*?(?=[\"'<>)\]},.;:]*(?:\s|$))")


def hide_passwords(text: str) -> str:
    """Return a text whose URLs have neither user, password, query nor fragment. A user before `:***@` stays.

    A password may hold an unescaped `@`, `/`, `?`, quote or space. So everything up to the last `@` counts as user and
    password: of the line if a colon follows the user, otherwise of the word. If an `@` follows the URL in its line, the
    words before this `@` are hidden, too.
    """
    return URL.sub(lambda url: url[1] + _without_secrets(url[2]), text) if "://" in text else text


def _without_secrets(address: str) -> str:
    """Return the text after a URL's scheme, without user, password and query. The text may go on after the URL."""
    word = WORD.match(address)
    if MASKED.match(address) and address.count("@") == 1:
        return address
    end = len(address) if USER.match(address) or word is None else word.end()
    shown = address[address.rfind("@", 0, end) + 1 :]
    query = QUERY.match(shown)
    return query[1] + shown[query.end() :] if query else shown
