"""A response that Sixtyforty didn't record is named, and so is one that was changed or deleted."""

from __future__ import annotations

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
)
from sixtyforty.storage.response_seals import find_seal_problems, write_seals


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
