"""A database that can't be used gives one clear error without its password; a wrong statement stays SQLAlchemy's."""

from __future__ import annotations

import copy
import sqlite3
import traceback
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.databases import (
    DatabaseError,
    create_database_folder,
    is_sqlite,
    open_engine,
    parse_database_url,
    unusable_database,
)
from sixtyforty.storage.files import FileAccessError
from tests.postgres import Postgres

UNREACHABLE = "postgresql+psycopg2://ann:geheim@127.0.0.1:1/x?sslpassword=verborgen"


def connect_error(url: str) -> DatabaseError:
    """Return the error of a connection that must fail."""
    with pytest.raises(DatabaseError) as error:
        open_engine(url).connect()
    return error.value


def test_an_unreachable_server_is_named_without_its_passwords() -> None:
    error = connect_error(UNREACHABLE)
    assert isinstance(error, SixtyfortyError)
    assert str(error).startswith("The database postgresql+psycopg2://ann:***@127.0.0.1:1/x can't be used: connection")
    assert str(error).endswith(
        "refused. Check that the database runs, that its URL holds the right password, and that the database user may"
        " read and write."
    )
    assert "\n" not in str(error)
    assert error.reason.endswith("Connection refused")
    assert isinstance(error.__cause__, Exception)


def test_a_missing_folder_of_a_sqlite_file_is_an_error_until_it_is_created(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/missing/x.sqlite"
    error = connect_error(url)
    assert "can't be used: unable to open database file. Check that the folder of the database exists" in str(error)
    create_database_folder(url)
    open_engine(url).connect().close()


def test_a_folder_that_can_not_be_created_is_an_access_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileAccessError, match="Not a directory"):
        create_database_folder(f"sqlite:///{tmp_path}/file/deeper/x.sqlite")


def test_only_the_file_of_a_sqlite_database_needs_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    create_database_folder("postgresql+psycopg2://host/deeper/name")
    create_database_folder("sqlite://")
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_is_restored_from_a_backup(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(DatabaseError, match=r"file is not a database\. Restore the database file from a backup\."):
        sa.inspect(open_engine(f"sqlite:///{tmp_path}/x.sqlite")).get_table_names()


def test_a_locked_or_read_only_file_is_an_error_of_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "x.sqlite"
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("create table t (x)")
        other.execute("begin exclusive")
        engine = open_engine(f"sqlite:///{file}", connect_args={"timeout": 0})
        with pytest.raises(DatabaseError, match=r"database is locked.*no other process locks"), engine.begin() as db:
            db.execute(sa.text("insert into t values (1)"))
    with pytest.raises(DatabaseError, match="readonly"), open_engine(f"sqlite:///{file}").begin() as db:
        db.execute(sa.text("pragma query_only = 1"))
        db.execute(sa.text("insert into t values (1)"))


@pytest.mark.parametrize("name", ["sqlite", "postgresql"])
def test_a_wrong_statement_stays_an_error_of_sqlalchemy(name: str, request: pytest.FixtureRequest) -> None:
    url = "sqlite://" if name == "sqlite" else request.getfixturevalue("postgres").database()
    with open_engine(url).connect() as db:
        with pytest.raises(sa.exc.SQLAlchemyError, match="nowhere"):
            db.execute(sa.text("select * from nowhere"))
        db.rollback()
        db.execute(sa.text("create table t (x integer primary key)"))
        db.execute(sa.text("insert into t values (1)"))
        with pytest.raises(sa.exc.IntegrityError):
            db.execute(sa.text("insert into t values (1)"))


def test_an_error_does_not_show_the_parameters_of_its_statement() -> None:
    with open_engine("sqlite://").connect() as db, pytest.raises(sa.exc.OperationalError) as error:
        db.execute(sa.text("select :secret from nowhere"), {"secret": "geheim"})
    assert "geheim" not in str(error.value)


@pytest.mark.parametrize(
    "statement",
    [
        "insert into people values ('ada@example.org', 1)",
        "insert into people values ('bo', 'ada@example.org'::int)",
        "select 'ada@example.org'::int from people",
        "do $$ begin raise exception 'ada@example.org'; end $$",
    ],
)
def test_an_error_does_not_show_stored_data(postgres: Postgres, statement: str) -> None:
    with open_engine(postgres.database()).begin() as db:
        db.execute(sa.text("create table people (mail varchar primary key, age integer)"))
        db.execute(sa.text("insert into people values ('ada@example.org', 1)"))
        with pytest.raises(sa.exc.DBAPIError) as error:
            db.execute(sa.text(statement.replace(":", r"\:")))
        text = "".join(traceback.format_exception(error.value))
        db.rollback()
    shown = [line for line in text.splitlines() if "Error" in line or "SQLSTATE" in line or "DETAIL" in line]
    assert any("SQLSTATE" in line for line in shown), text
    assert not [line for line in shown if "ada" in line and "[SQL:" not in line], shown


@pytest.mark.parametrize("pool_pre_ping", [False, True])
def test_an_engine_reconnects_after_the_server_closed_its_connection(postgres: Postgres, pool_pre_ping: bool) -> None:
    url = postgres.database()
    engine = open_engine(url, pool_pre_ping=pool_pre_ping)
    with engine.connect() as db:
        process = db.execute(sa.text("select pg_backend_pid()")).scalar()
    with open_engine(url).connect() as other:
        other.execute(sa.text("select pg_terminate_backend(:process, 5000)"), {"process": process})
    if not pool_pre_ping:
        with (
            pytest.raises(DatabaseError, match=r"terminating connection|server closed the connection"),
            engine.connect() as db,
        ):
            db.execute(sa.text("select 1"))
    with engine.connect() as db:
        assert db.execute(sa.text("select 1")).scalar() == 1


def test_a_server_that_refuses_writes_is_an_error_with_postgresqls_code(postgres: Postgres) -> None:
    with open_engine(postgres.database()).connect() as db:
        db.execute(sa.text("set transaction read only"))
        with pytest.raises(DatabaseError, match="read-only transaction") as error:
            db.execute(sa.text("create table t (x integer)"))
    assert error.value.code == "25006"


@pytest.mark.parametrize("url", ["nonsense", "postgresql://u:geheim@h:port/d", "postgresql://u:x@geheim@h/d"])
def test_a_malformed_url_is_not_shown(url: str) -> None:
    with pytest.raises(DatabaseError, match=r"is not a SQLAlchemy URL.*Write it as") as error:
        open_engine(url)
    assert "geheim" not in str(error.value)
    assert error.value.__context__ is None


@pytest.mark.parametrize("driver", ["nonsense", "mysql+nonsense", "postgresql+asyncpg"])
def test_a_missing_driver_is_named(driver: str) -> None:
    with pytest.raises(DatabaseError, match=rf"the driver {driver.replace('+', '.')} is not installed. Install the"):
        open_engine(f"{driver}://u:geheim@h/d")


def test_a_url_names_its_database() -> None:
    assert is_sqlite(parse_database_url("sqlite:///x"))
    assert not is_sqlite(parse_database_url("postgresql+psycopg2://h/x"))


def test_an_error_can_be_sent_between_processes() -> None:
    error = unusable_database(UNREACHABLE, OSError("gone."))
    received = copy.deepcopy(error)  # rebuilds the error as another process does, which gets it pickled
    assert (str(received), received.reason) == (str(error), "gone")
