"""Accounts: valid ones are stored, invalid ones are refused with the allowed form."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from desk import accounts, passwords, sessions, tables
from desk.accounts import AccountError
from desk.login import LoginRefusedError, log_in
from desk.roles import PAGES_OF_ROLE
from tests.desk.conftest import PASSWORD
from tests.desk.test_login import NOW


def test_a_password_is_stored_as_a_salted_hash(database: sa.Engine) -> None:
    assert accounts.save_account(database, "ann", "decider", PASSWORD)
    accounts.save_account(database, "bo", "decider", PASSWORD)
    with database.connect() as connection:
        stored = connection.scalars(sa.select(tables.ACCOUNTS.c.password)).all()
    assert len(set(stored)) == 2  # each has its own salt
    assert all(PASSWORD not in s and passwords.password_matches(PASSWORD, s) for s in stored)
    assert not passwords.password_matches(PASSWORD + " ", stored[0])


def test_saving_an_account_again_changes_it_and_ends_its_sessions(database: sa.Engine) -> None:
    accounts.save_account(database, "Ann", "decider", PASSWORD)
    token = log_in(database, " ANN ", PASSWORD, "here", NOW)
    assert not accounts.save_account(database, "ann", "owner", PASSWORD + "!")
    assert sessions.find_session(database, token, NOW) is None
    with pytest.raises(LoginRefusedError):
        log_in(database, "ann", PASSWORD, "here", NOW)
    session = sessions.find_session(database, log_in(database, "ann", PASSWORD + "!", "here", NOW), NOW)
    assert session is not None and (session.person, session.role) == ("ann", "owner")
    accounts.remove_account(database, "ann")
    assert sessions.find_session(database, session.token, NOW) is None
    with pytest.raises(AccountError, match="The desk has no account 'ann'"):
        accounts.remove_account(database, "ann")


@pytest.mark.parametrize(
    ("name", "role", "password", "message"),
    [
        ("", "owner", PASSWORD, "is not a valid account name"),
        ("a b", "owner", PASSWORD, "is not a valid account name"),
        ("<b>", "owner", PASSWORD, "is not a valid account name"),
        ("ann", "root", PASSWORD, "Use one of: decider, expert, owner, auditor"),
        ("ann", "owner", "short", "The password has 5 characters. Use 12 to 256"),
        ("ann", "owner", "x" * 257, "Use 12 to 256"),
    ],
)
def test_an_invalid_account_is_refused(database: sa.Engine, name: str, role: str, password: str, message: str) -> None:
    with pytest.raises(AccountError, match=message):
        accounts.save_account(database, name, role, password)


def test_the_first_accounts_cover_each_role_with_passwords_of_their_own(database: sa.Engine) -> None:
    created = accounts.create_first_accounts(database)
    assert list(created) == list(PAGES_OF_ROLE)
    assert len(set(created.values())) == len(created)
    for role, password in created.items():
        session = sessions.find_session(database, log_in(database, role, password, "here", NOW), NOW)
        assert session is not None and session.role == role
