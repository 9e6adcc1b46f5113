"""The desk's tables: created once, in a folder that need not exist, and discreet in errors."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from desk.tables import ACCOUNTS, create_tables, open_database
from sixtyforty.storage.databases import DatabaseError


def test_only_the_first_start_creates_the_tables(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'new' / 'folder' / 'desk.db'}")
    assert create_tables(database)
    assert not create_tables(database)
    database.dispose()


def test_an_error_does_not_show_the_parameters_of_its_statement(database: sa.Engine) -> None:
    statement = sa.insert(ACCOUNTS).values(name="ann", role="owner", password="a secret hash")
    with database.begin() as connection:
        connection.execute(statement)
    with pytest.raises(sa.exc.IntegrityError) as error, database.begin() as connection:
        connection.execute(statement)
    assert "a secret hash" not in str(error.value).replace(str(error.value.orig), "")


def test_an_unreachable_database_is_one_error_without_its_password() -> None:
    database = open_database("postgresql+psycopg2://ann:geheim@127.0.0.1:1/x")
    with pytest.raises(DatabaseError, match="Connection refused") as error:
        create_tables(database)
    assert "geheim" not in str(error.value)
