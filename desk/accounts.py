"""The desk's accounts. Only the command line creates, changes and removes accounts with a password; no page does.

People change their own password on the page `/account`. The OpenID provider's people get an account at their log-in.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce

import sqlalchemy as sa

from desk.passwords import hash_password
from desk.roles import PAGES_OF_ROLE, Grant, format_grants, parse_grants
from desk.sessions import end_sessions
from desk.tables import ACCOUNTS, open_database
from sixtyforty.spec.errors import SixtyfortyError

MIN_PASSWORD, MAX_PASSWORD = 12, 256  # allowed lengths of a password, in characters
MIN_SCORE = 3  # of zxcvbn, from 0 to 4: a password that isn't guessed within 100 million tries
ESTIMATED = 72  # characters that zxcvbn estimates; longer texts take it too long
OWN_WORDS = ("sixtyforty", "desk")
SHORTEST_WORD = 3  # a shorter part of a name is in many words
SEPARATORS = re.compile(r"[\W_]+")
ACCOUNT_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}", re.ASCII)


class AccountError(SixtyfortyError):
    """An account of the desk can't be created, changed or removed."""


@dataclass(frozen=True)
class SavedAccount:
    """An account after it was saved. old, new: its grants as stored. old is None if the account is new."""

    name: str
    old: str | None
    new: str

    @property
    def has_changed(self) -> bool:
        """Whether the account is new, or has other grants than before."""
        return self.old != self.new

    def describe(self) -> str:
        """Return the change of the grants for the security log."""
        new = self.new.replace("\n", ", ")
        return f"roles: {new}" if self.old is None else f"roles: {new}; before: {self.old.replace(chr(10), ', ')}"


def normalize_name(name: str) -> str:
    """Return an account name in the stored form: in lower case, without leading or trailing spaces."""
    return name.strip().casefold()


def check_name(name: str) -> str:
    """Return an account name in the stored form. Raises AccountError if it isn't valid."""
    normalized = normalize_name(name)
    if not ACCOUNT_NAME.fullmatch(normalized):
        raise AccountError(
            f"'{normalized}' is not a valid account name. Use up to 64 letters, digits and . _ @ + - and start with a"
            " letter or digit."
        )
    return normalized


def check_password(password: str, name: str) -> None:
    """Raise AccountError if a new password is too short, too long, or easy to guess. name: the account's name."""
    from zxcvbn import zxcvbn

    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise AccountError(
            f"The password has {len(password)} characters. Use {MIN_PASSWORD} to {MAX_PASSWORD} characters."
        )
    known_words = [*SEPARATORS.split(name), name, *OWN_WORDS]
    # zxcvbn takes "-owner" for random characters, so a password must also be hard to guess without the known words.
    lowered = password.lower()
    rest = reduce(lambda text, word: text.replace(word, ""), filter(_is_long, known_words), lowered)
    texts = [password] if rest == lowered else [password, SEPARATORS.sub("", rest) or "a"]
    estimate = min((zxcvbn(text[:ESTIMATED], user_inputs=known_words) for text in texts), key=lambda e: int(e["score"]))
    if estimate["score"] < MIN_SCORE:
        reason = estimate["feedback"]["warning"] or "It is similar to a common password."
        raise AccountError(f"The password is easy to guess. {reason} Use several words that don't belong together.")


def _is_long(word: str) -> bool:
    return len(word) >= SHORTEST_WORD


def save_account(
    database: sa.Engine, name: str, grants: str | Iterable[Grant], password: str, *, must_change: bool = False
) -> SavedAccount:
    """Create an account of the desk, or change its grants and password, and end its sessions.

    grants: as grants, or in the form of `roles.format_grants`, such as `decider`. must_change: the person must choose
    another password at the next log-in. Raises AccountError if the name or password is invalid, or if the account
    belongs to the OpenID provider, and GrantError for an unknown role.
    """
    name = check_name(name)
    stored = format_grants(parse_grants(grants) if isinstance(grants, str) else grants)
    if not stored:
        raise AccountError(f"The account {name} needs a role. Use one of: {', '.join(PAGES_OF_ROLE)}.")
    check_password(password, name)
    values = {"role": stored, "password": hash_password(password), "must_change": must_change}
    return _save(database, name, values, subject="")


def save_provided_account(database: sa.Engine, name: str, grants: Iterable[Grant], subject: str) -> SavedAccount:
    """Create or update the account of a person whom the OpenID provider has logged in.

    subject: identifies the person at the provider. Sessions stay open, unless the grants changed. Raises AccountError
    if the name is invalid, or if an account of this name belongs to somebody else.
    """
    values = {"role": format_grants(grants), "password": "", "must_change": False}
    return _save(database, check_name(name), values, subject)


def _save(database: sa.Engine, name: str, values: dict[str, object], subject: str) -> SavedAccount:
    is_named = ACCOUNTS.c.name == name
    with database.begin() as connection:
        stored = connection.execute(sa.select(ACCOUNTS).where(is_named)).first()
        if stored is not None and stored.subject != subject:
            raise AccountError(
                f"The account {name} belongs to somebody else: it was created"
                f" {'through the OpenID provider' if stored.subject else 'with a password'}. Remove it first, with"
                f" sixtyforty desk-account {name} --remove."
            )
        if stored is None:
            connection.execute(sa.insert(ACCOUNTS).values(name=name, subject=subject, **values))
        else:
            connection.execute(sa.update(ACCOUNTS).where(is_named).values(**values))
        if not subject or (stored is not None and stored.role != values["role"]):
            end_sessions(connection, name)
    return SavedAccount(name, stored.role if stored is not None else None, str(values["role"]))


def remove_provided_account(database: sa.Engine, subject: str) -> None:
    """Remove the account of a person of the OpenID provider, if it exists, and end its sessions."""
    with database.begin() as connection:
        name = connection.scalar(sa.select(ACCOUNTS.c.name).where(ACCOUNTS.c.subject == subject))
        if name is not None:
            end_sessions(connection, name)
            connection.execute(sa.delete(ACCOUNTS).where(ACCOUNTS.c.name == name))


def read_grants(database: sa.Engine, name: str) -> tuple[Grant, ...]:
    """Return the grants of an account. Raises AccountError if the account doesn't exist."""
    with database.connect() as connection:
        stored = connection.scalar(sa.select(ACCOUNTS.c.role).where(ACCOUNTS.c.name == normalize_name(name)))
    if stored is None:
        raise _unknown(name)
    return parse_grants(stored)


def change_password(database: sa.Engine, name: str, password: str) -> None:
    """Change the password of an account at its owner's wish, and end all its sessions. Raises AccountError."""
    check_password(password, name)
    values = {"password": hash_password(password), "must_change": False}
    with database.begin() as connection:
        connection.execute(sa.update(ACCOUNTS).where(ACCOUNTS.c.name == name).values(**values))
        end_sessions(connection, name)


def remove_account(database: sa.Engine, name: str) -> None:
    """Remove an account of the desk and end its sessions. The person's answers stay in the response log.

    Raises AccountError if the account doesn't exist.
    """
    name = normalize_name(name)
    with database.begin() as connection:
        end_sessions(connection, name)
        if not connection.execute(sa.delete(ACCOUNTS).where(ACCOUNTS.c.name == name)).rowcount:
            raise _unknown(name)


def rename_use_case(database_url: str, old: str, new: str) -> None:
    """Let the roles that count in a use case count under its new name. Without accounts, do nothing."""
    database = open_database(database_url)
    try:
        if not sa.inspect(database).has_table(ACCOUNTS.name):
            return
        with database.begin() as connection:
            for name, lines in connection.execute(sa.select(ACCOUNTS.c.name, ACCOUNTS.c.role)).all():
                grants = [replace(g, use_case=new if g.use_case == old else g.use_case) for g in parse_grants(lines)]
                is_named = ACCOUNTS.c.name == name
                connection.execute(sa.update(ACCOUNTS).where(is_named).values(role=format_grants(grants)))
    finally:
        database.dispose()


def _unknown(name: str) -> AccountError:
    return AccountError(f"The desk has no account '{normalize_name(name)}'. Check the spelling of the name.")


def create_first_accounts(database: sa.Engine) -> dict[str, str]:
    """Create one account for each role, named after the role, and return the new passwords by account name.

    Each must choose another password at the first log-in.
    """
    passwords = {role: secrets.token_urlsafe(16) for role in PAGES_OF_ROLE}
    for role, password in passwords.items():
        save_account(database, role, role, password, must_change=True)
    return passwords
