"""The rows of a query are profiled with the types of their values, and the database's own nulls."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import pytest
import sqlalchemy as sa

from sixtyforty.ingest import query_profiling
from sixtyforty.ingest.formats.base import UnreadableExtractError
from sixtyforty.ingest.query_profiling import profile_query


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("create table orders (id integer, code text, country text, changed text)"))
        for n in range(40):
            row = {"i": n, "c": f"{n:05}", "l": "NA" if n % 2 else None, "t": f"2024-01-{n % 28 + 1:02} 10:00:00"}
            connection.execute(sa.text("insert into orders values (:i, :c, :l, :t)"), row)
    engine.dispose()
    return url


def test_types_and_nulls_are_those_of_the_database(url: str) -> None:
    profile = profile_query("select * from orders where id < 30;", url)
    assert (profile.rows, profile.files) == (30, ())
    assert {column.name: column.kind for column in profile.columns} == {
        "id": "BIGINT",
        "code": "VARCHAR",
        "country": "VARCHAR",
        "changed": "TIMESTAMP",
    }
    assert profile.column("country").nulls == 15 and profile.column("country").values == ("NA",)


@pytest.mark.parametrize("query", ["select * from absent", "selct 1"])
def test_a_query_that_fails_is_an_error_without_the_url(query: str, url: str) -> None:
    with pytest.raises(UnreadableExtractError, match="Check that the database runs") as error:
        profile_query(query, url)
    assert "sqlite://" not in str(error.value)


def test_the_database_is_read_with_the_options_of_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the JSON of PostgreSQL is profiled as it will be landed."""
    options: list[dict[str, Any]] = []

    def open_engine(_url: str, **given_options: Any) -> NoReturn:
        options.append(given_options)
        raise ValueError("no server")

    monkeypatch.setattr(query_profiling, "open_engine", open_engine)
    with pytest.raises(UnreadableExtractError, match="no server"):
        profile_query("select 1", "postgresql+psycopg2://me@127.0.0.1:9/none")
    assert options == [{"json_deserializer": str}]
