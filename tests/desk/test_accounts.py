"""Accounts: valid ones are stored, invalid ones are refused with the allowed form."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from desk import accounts, passwords, sessions, tables
from desk.accounts import AccountError
from desk.login import WrongPasswordError, log_in
from desk.roles import PAGES_OF_ROLE, Grant, GrantError
from desk.sessions import Client
from tests.desk.conftest import PASSWORD
from tests.desk.test_login import NOW


def test_a_password_is_stored_as_a_salted_hash(database: sa.Engine) -> None:
    assert accounts.save_account(database, "ann", "decider", PASSWORD).old is None
    accounts.save_account(database, "bo", "decider", PASSWORD)
    with database.connect() as connection:
        stored = connection.scalars(sa.select(tables.ACCOUNTS.c.password)).all()
    assert len(set(stored)) == 2  # each has its own salt
    assert all(PASSWORD not in s and passwords.password_matches(PASSWORD, s) for s in stored)
    assert not passwords.password_matches(PASSWORD + " ", stored[0])


def test_saving_an_account_again_changes_it_and_ends_its_sessions(database: sa.Engine) -> None:
    accounts.save_account(database, "Ann", "decider", PASSWORD)
    token = log_in(database, " ANN ", PASSWORD, Client("here"), NOW)
    assert accounts.save_account(database, "ann", "owner", PASSWORD + "!").old == "decider"
    assert sessions.find_session(database, token, NOW) is None
    with pytest.raises(WrongPasswordError):
        log_in(database, "ann", PASSWORD, Client("here"), NOW)
    session = sessions.find_session(database, log_in(database, "ann", PASSWORD + "!", Client("here"), NOW), NOW)
    assert session is not None and (session.person, session.grants) == ("ann", (Grant("owner"),))
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
        ("ann", "owner", "password1234", "This is a very common password"),
        ("ann", "owner", "P@ssw0rd2024", "easy to guess"),
        ("ann", "owner", "sixtyforty26", "easy to guess"),
        ("ann", "owner", "qwertyuiop123", "easy to guess"),
        ("owner", "owner", "sixtyforty-owner", "easy to guess"),
        ("decider", "decider", "desk-decider-1", "easy to guess"),
    ],
)
def test_an_invalid_account_is_refused(database: sa.Engine, name: str, role: str, password: str, message: str) -> None:
    with pytest.raises((AccountError, GrantError), match=message):
        accounts.save_account(database, name, role, password)


def test_the_first_accounts_cover_each_role_with_passwords_of_their_own(database: sa.Engine) -> None:
    created = accounts.create_first_accounts(database)
    assert list(created) == list(PAGES_OF_ROLE)
    assert len(set(created.values())) == len(created)
    assert all(len(password) * 6 >= 128 for password in created.values())  # random bits
    for role, password in created.items():
        session = sessions.find_session(database, log_in(database, role, password, Client("here"), NOW), NOW)
        assert session is not None and session.roles == role and session.must_change


@pytest.mark.parametrize("length", [64, accounts.MAX_PASSWORD])
def test_a_long_password_counts_to_its_last_character(database: sa.Engine, length: int) -> None:
    password = (PASSWORD + " " + "in lower case, with spaces, " * 9)[: length - 1]
    accounts.save_account(database, "ann", "decider", password + "a")
    for other in (password + "b", password, password + "A"):
        with pytest.raises(WrongPasswordError):
            log_in(database, "ann", other, Client("here"), NOW)
    assert log_in(database, "ann", password + "a", Client("here"), NOW)


def test_roles_follow_a_renamed_use_case(database: sa.Engine, tmp_path: Path) -> None:
    accounts.save_account(database, "ann", "auditor\ndecider:calls\ndecider:calls_abroad", PASSWORD)
    url = database.url.render_as_string(hide_password=False)
    for _ in range(2):  # a killed rename is repeated
        accounts.rename_use_case(url, "calls", "visits")
    renamed = (Grant("auditor"), Grant("decider", "calls_abroad"), Grant("decider", "visits"))
    assert accounts.read_grants(database, "ann") == renamed
    accounts.rename_use_case(f"sqlite:///{tmp_path / 'empty.db'}", "calls", "visits")


def test_accounts_of_an_earlier_version_stay(tmp_path: Path) -> None:
    engine = tables.open_database(f"sqlite:///{tmp_path / 'desk.db'}")
    with engine.begin() as connection:
        connection.execute(
            sa.text("create table desk_accounts (name varchar primary key, role varchar, password varchar)")
        )
        stored = passwords.hash_password(PASSWORD)
        connection.execute(sa.text("insert into desk_accounts values ('ann', 'decider', :p)"), {"p": stored})
    assert not tables.create_tables(engine)
    session = sessions.find_session(engine, log_in(engine, "ann", PASSWORD, Client("here"), NOW), NOW)
    assert session is not None and (session.roles, session.must_change) == ("decider", False)
    engine.dispose()
