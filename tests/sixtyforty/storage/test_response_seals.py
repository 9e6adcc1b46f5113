"""A response that Sixtyforty didn't record is named, and so is one that was changed or deleted."""

from __future__ import annotations

import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sixtyforty.storage.databases import open_engine
from sixtyforty.storage.response_log import (
    ResponseKeyError,
    close_response_logs,
    define_table,
    find_seals,
    key_path,
    open_response_log,
    replace_seal_key,
)
from sixtyforty.storage.response_seals import create_key, find_seal_problems, read_key, write_seals
from tests.postgres import Postgres


def response(name: str) -> dict[str, Any]:
    """Return a row of the response log."""
    at = datetime(2013, 4, 1, 12, 30, 0, 125)
    fields = {"response_id": name, "decision_id": f"live-{name}", "person": "bo", "role": "decider", "at": at}
    return fields | {"event": "rated", "rating": 4, "simulated": False}


def problems(url: str, lock: Path) -> list[str]:
    engine, table = open_response_log("calls", url, lock)
    with engine.connect() as connection:
        return [text for text in find_seal_problems(connection, table, *find_seals(table, lock)) if text]


def test_the_responses_of_an_early_release_are_sealed_once_and_later_ones_must_be(tmp_path: Path) -> None:
    url, lock = f"sqlite:///{tmp_path}/x.db", tmp_path / "responses.lock"
    engine = open_engine(url)
    table = define_table("calls", sa.MetaData())
    table.create(engine)
    with engine.begin() as connection:
        connection.execute(table.insert(), [response("a"), response("b"), response("c")])
    assert problems(url, lock) == []
    with engine.begin() as connection:
        connection.execute(table.insert(), [response("d")])
        connection.execute(table.update().where(table.c.response_id == "b").values(rating=5))
        connection.execute(table.delete().where(table.c.response_id == "c"))
    close_response_logs()
    assert problems(url, lock) == [
        "response b to live-b differs from its seal: it was changed or forged",
        "response d to live-d has no seal: Sixtyforty didn't record it",
        "response c was deleted: only its seal is left",
    ]


def test_a_missing_key_is_an_error_and_no_new_key_is_made_silently(tmp_path: Path) -> None:
    url, lock = f"sqlite:///{tmp_path}/x.db", tmp_path / "responses.lock"
    engine, table = open_response_log("calls", url, lock)
    path = key_path(lock)
    assert isinstance(path, Path)
    assert path.stat().st_mode & 0o077 == 0
    with engine.begin() as connection:
        connection.execute(table.insert(), [response("a")])
        write_seals(connection, table, *find_seals(table, lock))
    path.unlink()
    with pytest.raises(ResponseKeyError, match="Restore the file from a backup"):
        find_seals(table, lock)
    close_response_logs()
    with pytest.raises(ResponseKeyError, match="Restore the file from a backup"):
        open_response_log("calls", url, lock)


@pytest.fixture
def log(tmp_path: Path) -> tuple[str, Path]:
    """The URL and the lock of a log with two sealed responses."""
    url, lock = f"sqlite:///{tmp_path}/x.db", tmp_path / "responses.lock"
    engine, table = open_response_log("calls", url, lock)
    with engine.begin() as connection:
        connection.execute(table.insert(), [response("a"), response("b")])
        write_seals(connection, table, *find_seals(table, lock))
    return url, lock


def test_a_new_key_seals_every_response_again(log: tuple[str, Path]) -> None:
    url, lock = log
    engine, table = open_response_log("calls", url, lock)
    earlier = read_key(key_path(lock))
    assert replace_seal_key(engine, table, lock) == 2
    assert problems(url, lock) == []
    assert read_key(key_path(lock)) != earlier
    assert [path.name for path in lock.parent.iterdir() if "key" in path.name] == [key_path(lock).name]
    with engine.connect() as connection:
        assert sum(map(bool, find_seal_problems(connection, table, find_seals(table, lock)[0], earlier or b""))) == 2


@pytest.mark.parametrize("place", ["write_seals", "Path.unlink"])
def test_a_replacement_that_was_killed_is_finished(
    place: str, log: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before the new seals are stored, or before the earlier key is deleted."""
    url, lock = log
    engine, table = open_response_log("calls", url, lock)
    target = "pathlib.Path.unlink" if place == "Path.unlink" else f"sixtyforty.storage.response_log.{place}"

    def kill(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(target, kill)
        replace_seal_key(engine, table, lock)
    assert bool(problems(url, lock)) == (place == "write_seals")
    assert replace_seal_key(engine, table, lock) == 2
    assert problems(url, lock) == []


def test_a_forged_response_gets_no_new_seal(log: tuple[str, Path]) -> None:
    url, lock = log
    engine, table = open_response_log("calls", url, lock)
    earlier = read_key(key_path(lock))
    with engine.begin() as connection:
        connection.execute(table.update().where(table.c.response_id == "b").values(rating=5))
    with pytest.raises(ResponseKeyError, match="because response b to live-b differs from its seal"):
        replace_seal_key(engine, table, lock)
    assert read_key(key_path(lock)) == earlier
    assert len(problems(url, lock)) == 1


@pytest.mark.e2e
def test_a_response_that_is_recorded_meanwhile_gets_a_seal_of_the_new_key(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, lock = postgres.database(), tmp_path / "responses.lock"
    engine, table = open_response_log("calls", url, lock)
    waiting = threading.Event()

    def record() -> None:
        with engine.begin() as connection:
            waiting.set()
            connection.execute(table.insert(), [response("b")])
            write_seals(connection, table, *find_seals(table, lock), ["b"])

    def create_key_while_another_records(path: Path) -> bytes:
        thread.start()
        assert waiting.wait(30)
        return create_key(path)

    thread = threading.Thread(target=record)
    with engine.begin() as connection:
        connection.execute(table.insert(), [response("a")])
        write_seals(connection, table, *find_seals(table, lock))
    monkeypatch.setattr("sixtyforty.storage.response_log.create_key", create_key_while_another_records)
    assert replace_seal_key(engine, table, lock) == 1
    thread.join(60)
    assert problems(url, lock) == []
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(table)) == 2
    close_response_logs()
