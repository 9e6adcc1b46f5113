"""The desk's accounts. Only the command line creates, changes and removes accounts; no page does."""

from __future__ import annotations

import re
import secrets

import sqlalchemy as sa

from desk.passwords import hash_password
from desk.roles import PAGES_OF_ROLE
from desk.tables import ACCOUNTS, SESSIONS
from sixtyforty.spec.errors import SixtyfortyError

MIN_PASSWORD, MAX_PASSWORD = 12, 256  # allowed lengths of a password, in characters
ACCOUNT_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}", re.ASCII)


class AccountError(SixtyfortyError):
    """An account of the desk can't be created, changed or removed."""


def normalize_name(name: str) -> str:
    """Return an account name in the stored form: in lower case, without leading or trailing spaces."""
    return name.strip().casefold()


def save_account(database: sa.Engine, name: str, role: str, password: str) -> bool:
    """Create an account of the desk, or change the role and password of an account that exists, and end its sessions.

    Returns True if the account is new. Raises AccountError if the name, role or password is invalid.
    """
    name = normalize_name(name)
    if not ACCOUNT_NAME.fullmatch(name):
        raise AccountError(
            f"'{name}' is not a valid account name. Use up to 64 letters, digits and . _ @ + - and start with a letter"
            " or digit."
        )
    if role not in PAGES_OF_ROLE:
        raise AccountError(f"'{role}' is not a role of the desk. Use one of: {', '.join(PAGES_OF_ROLE)}.")
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise AccountError(
            f"The password has {len(password)} characters. Use {MIN_PASSWORD} to {MAX_PASSWORD} characters."
        )
    password_hash = hash_password(password)
    with database.begin() as connection:
        is_new = not connection.execute(sa.delete(ACCOUNTS).where(ACCOUNTS.c.name == name)).rowcount
        connection.execute(sa.delete(SESSIONS).where(SESSIONS.c.account == name))
        connection.execute(sa.insert(ACCOUNTS).values(name=name, role=role, password=password_hash))
    return is_new


def remove_account(database: sa.Engine, name: str) -> None:
    """Remove an account of the desk and end its sessions. The person's answers stay in the response log.

    Raises AccountError if the account doesn't exist.
    """
    name = normalize_name(name)
    with database.begin() as connection:
        connection.execute(sa.delete(SESSIONS).where(SESSIONS.c.account == name))
        if not connection.execute(sa.delete(ACCOUNTS).where(ACCOUNTS.c.name == name)).rowcount:
            raise AccountError(f"The desk has no account '{name}'. Check the spelling of the name.")


def create_first_accounts(database: sa.Engine) -> dict[str, str]:
    """Create one account for each role, named after the role, and return the new passwords by account name."""
    passwords = {role: secrets.token_urlsafe(12) for role in PAGES_OF_ROLE}
    for role, password in passwords.items():
        save_account(database, role, role, password)
    return passwords
