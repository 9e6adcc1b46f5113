"""The tables of a use case are renamed, exported and dropped, on SQLite and on PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from sixtyforty.decisions import database_tables
from sixtyforty.decisions.database_tables import (
    drop_tables,
    existing_tables,
    export_tables,
    rename_tables,
    table_names,
)
from sixtyforty.storage.response_log import define_table, open_response_log
from tests.postgres import Postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'data' / 'x.db'}"
    postgres: Postgres = request.getfixturevalue("postgres")
    return postgres.database()


def index_names(url: str, table: str) -> set[str]:
    engine = sa.create_engine(url)
    names = {
        str(index["name"]) for index in sa.inspect(engine).get_indexes(table) if not index.get("duplicates_constraint")
    }
    engine.dispose()
    return names


def counts(use_case: str) -> dict[str, int]:
    """Return the number of rows of each table after `fill`."""
    return {f"{use_case}_decisions": 2, f"{use_case}_responses": 0, f"{use_case}_response_seals": 0}


def fill(url: str, use_case: str, lock: Path) -> None:
    """Create the tables of responses and of live decisions, with two rows of decisions."""
    open_response_log(use_case, url, lock)
    engine = sa.create_engine(url)
    metadata = sa.MetaData()
    table = sa.Table(
        f"{use_case}_decisions",
        metadata,
        sa.Column("decision_id", sa.String, primary_key=True),
        sa.Column("partition", sa.String, index=True),
    )
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(table.insert(), [{"decision_id": name, "partition": "p"} for name in "ab"])
    engine.dispose()


def test_tables_are_renamed_with_their_indexes(url: str, tmp_path: Path) -> None:
    assert rename_tables(url, "calls", "visits") == []
    fill(url, "calls", tmp_path / "lock")
    before = {table: index_names(url, table) for table in existing_tables(url, table_names("calls"))}
    for _ in range(2):  # the second call changes nothing
        assert rename_tables(url, "calls", "visits") == [
            "visits_decisions",
            "visits_responses",
            "visits_response_seals",
        ]
        assert existing_tables(url, table_names("calls")) == {}
        assert existing_tables(url, table_names("visits")) == {
            "visits_decisions": 2,
            "visits_responses": 0,
            "visits_response_seals": 0,
        }
        for table, names in before.items():
            expected = {name.replace("calls", "visits", 1) for name in names}
            assert index_names(url, table.replace("calls", "visits")) == expected
    fill(url, "calls", tmp_path / "lock")  # the old name is free again


def test_a_rename_that_was_killed_between_table_and_indexes_is_finished(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(url, "calls", tmp_path / "lock")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(database_tables, "_rename_indexes", die)
        rename_tables(url, "calls", "visits")
    open_response_log("visits", url, tmp_path / "lock")  # a page that opens now creates an empty table
    rename_tables(url, "calls", "visits")
    assert existing_tables(url, table_names("visits")) == {
        "visits_decisions": 2,
        "visits_responses": 0,
        "visits_response_seals": 0,
    }
    assert not any(
        "calls" in name for name in index_names(url, "visits_decisions") | index_names(url, "visits_responses")
    )


def test_an_answer_is_still_taken_once(url: str, tmp_path: Path) -> None:
    fill(url, "calls", tmp_path / "lock")
    rename_tables(url, "calls", "visits")
    table = define_table("visits", sa.MetaData())
    row = {
        "decision_id": "a",
        "person": "ann",
        "role": "decider",
        "at": sa.func.now(),
        "event": "accepted",
        "simulated": False,
    }
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(table.insert().values(response_id="1", **row))
    with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
        connection.execute(table.insert().values(response_id="2", **row))
    engine.dispose()


def test_tables_are_exported_then_dropped(url: str, tmp_path: Path) -> None:
    assert export_tables(url, "calls", tmp_path) == {}
    fill(url, "calls", tmp_path / "lock")
    assert export_tables(url, "calls", tmp_path) == {
        "calls_decisions": 2,
        "calls_responses": 0,
        "calls_response_seals": 0,
    }
    assert pq.read_table(tmp_path / "calls_decisions.parquet")["decision_id"].to_pylist() == ["a", "b"]
    assert pq.read_table(tmp_path / "calls_responses.parquet").num_rows == 0
    for _ in range(2):
        drop_tables(url, "calls")
        assert existing_tables(url, table_names("calls")) == {}
