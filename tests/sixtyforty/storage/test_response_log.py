"""Each decision is answered once, each person's first look is recorded once, and engines don't pile up."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sixtyforty.storage import response_log
from sixtyforty.storage.bounded_cache import BoundedCache
from sixtyforty.storage.databases import DatabaseError
from sixtyforty.storage.files import canonical_json
from sixtyforty.storage.response_log import find_seals, open_response_log
from sixtyforty.storage.response_seals import find_seal_problems
from tests.postgres import Postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new folder' / 'deliveries.sqlite'}"
    postgres: Postgres = request.getfixturevalue("postgres")
    return postgres.database()


@pytest.fixture(autouse=True)
def open_logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[BoundedCache[Any, Any]]:
    """The test's own cache of two open logs."""
    cache: BoundedCache[Any, Any] = BoundedCache(2, on_evict=response_log._dispose)
    monkeypatch.setattr(response_log, "_OPEN_LOGS", cache)
    yield cache
    cache.clear()


def insert(engine: sa.Engine, table: sa.Table, response_id: str, **fields: Any) -> None:
    row = {"decision_id": "d1", "person": "Ada", "role": "decider", "at": datetime(2013, 4, 1), "simulated": False}
    with engine.begin() as connection:
        connection.execute(table.insert().values(response_id=response_id, **row | fields))


@pytest.mark.parametrize(
    ("first", "second", "is_allowed"),
    [
        ({"event": "accepted"}, {"event": "overridden", "person": "Bo"}, False),
        ({"event": "accepted"}, {"event": "accepted", "decision_id": "d2"}, True),
        ({"event": "accepted"}, {"event": "overridden", "attempt": 2}, True),
        ({"event": "withdrawn"}, {"event": "withdrawn"}, False),
        ({"event": "withdrawn"}, {"event": "withdrawn", "attempt": 2}, True),
        ({"event": "seen"}, {"event": "seen"}, False),
        ({"event": "seen"}, {"event": "seen", "person": "Bo"}, True),
        ({"event": "seen"}, {"event": "accepted"}, True),
        ({"event": "rated", "rating": 3}, {"event": "rated", "rating": 4}, True),
    ],
)
def test_the_database_refuses_a_second_answer_and_a_second_first_look(
    database_url: str, tmp_path: Path, first: dict[str, Any], second: dict[str, Any], is_allowed: bool
) -> None:
    engine, table = open_response_log("calls", database_url, tmp_path / "lock")
    insert(engine, table, "r1", **first)
    if is_allowed:
        insert(engine, table, "r2", **second)
    else:
        with pytest.raises(sa.exc.IntegrityError):
            insert(engine, table, "r2", **second)


def test_a_log_of_an_earlier_release_gets_attempts(
    database_url: str, tmp_path: Path, open_logs: BoundedCache[Any, Any]
) -> None:
    engine, table = open_response_log("calls", database_url, tmp_path / "lock")
    name = table.name
    with engine.begin() as connection:
        for index in ("attempt_answered_once", "attempt_withdrawn_once"):
            connection.exec_driver_sql(f"drop index {name}_{index}")
        connection.exec_driver_sql(f"alter table {name} drop column attempt")
        connection.exec_driver_sql(
            f"create unique index {name}_answered_once on {name} (decision_id)"
            " where event in ('accepted', 'overridden')"
        )
        for number, event in enumerate(("accepted", "withdrawn", "withdrawn")):
            connection.exec_driver_sql(
                f"insert into {name} (response_id, decision_id, person, role, at, event, simulated) values"
                f" ('r{number}', 'd1', 'Ada', 'decider', '2013-04-01 00:00:00.000000', '{event}', false)"
            )
        seals, key = find_seals(table, tmp_path / "lock")
        row = {"response_id": "r0", "decision_id": "d1", "person": "Ada", "role": "decider", "event": "accepted"}
        row |= {"at": datetime(2013, 4, 1), "action": None, "reason": None, "rating": None, "simulated": False}
        sealed = hmac.new(key, canonical_json(row | {"at": "2013-04-01T00:00:00"}).encode(), "sha256").hexdigest()
        connection.execute(seals.insert().values(response_id="r0", seal=sealed))
    for _ in range(2):
        open_logs.clear()
        engine, table = open_response_log("calls", database_url, tmp_path / "lock")
        with engine.connect() as connection:
            attempts = list(connection.execute(sa.select(table.c.event, table.c.attempt).order_by("number")).tuples())
            assert attempts == [("accepted", 1), ("withdrawn", 1), ("withdrawn", -3)]
            assert next(find_seal_problems(connection, table, seals, key)) == "", "the earlier seal is valid"
    with pytest.raises(sa.exc.IntegrityError):
        insert(engine, table, "r8", event="overridden")
    insert(engine, table, "r9", event="overridden", attempt=2)


def test_numbers_only_grow(database_url: str, tmp_path: Path) -> None:
    engine, table = open_response_log("calls", database_url, tmp_path / "lock")
    for number in (1, 2):
        insert(engine, table, f"r{number}", event="rated")
    with engine.connect() as connection:
        assert list(connection.scalars(sa.select(table.c.number).order_by(table.c.response_id))) == [1, 2]


def test_an_error_names_no_person_and_no_reason(database_url: str, tmp_path: Path) -> None:
    engine, table = open_response_log("calls", database_url, tmp_path / "lock")
    insert(engine, table, "r1", event="accepted", reason="a secret")
    with pytest.raises(sa.exc.IntegrityError) as error:
        insert(engine, table, "r1", event="rated", reason="a secret", person="Bo Secret")
    assert "secret" not in str(error.value).lower().replace("hide_parameters", "")


def test_a_log_stays_open_until_others_take_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def open_log(number: int) -> sa.Engine:
        return open_response_log("calls", f"sqlite:///{tmp_path / str(number)}.sqlite", tmp_path / "lock")[0]

    disposed: list[str] = []
    original = sa.Engine.dispose

    def dispose(engine: sa.Engine, close: bool = True) -> None:
        disposed.append(Path(str(engine.url.database)).stem)
        original(engine, close)

    monkeypatch.setattr(sa.Engine, "dispose", dispose)
    first = open_log(1)
    assert open_log(1) is first
    open_log(2)
    open_log(3)
    assert disposed == ["1"]
    assert open_log(1) is not first


def test_an_unreachable_database_is_one_error_and_is_tried_again(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(DatabaseError, match="Connection refused"):
            open_response_log("calls", "postgresql+psycopg2://ann:geheim@127.0.0.1:1/x", tmp_path / "lock")
