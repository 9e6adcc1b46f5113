"""The security log: rows stay, a change is found, and addresses go after some days."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from sixtyforty.storage import security_log
from sixtyforty.storage.databases import open_engine
from sixtyforty.storage.security_log import SecurityEvent, SecurityLog, SecurityLogError, open_security_log

NOW = datetime(2013, 3, 14, 12)
ADOPTION = SecurityEvent("adoption", "ann", "192.0.2.7", "calls", "it paid")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.e2e)])
def log(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[SecurityLog, sa.Engine]]:
    """A log with three events, and an engine of its database."""
    monkeypatch.setattr(security_log, "now", lambda: NOW)
    is_sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'new' / 'x.db'}" if is_sqlite else request.getfixturevalue("postgres").database()
    with open_security_log(url, address_days=30) as opened:
        for event in (ADOPTION, SecurityEvent("log-in", "bo", "192.0.2.8"), SecurityEvent("log-out", "bo")):
            opened.record(event)
        engine = open_engine(url)
        yield opened, engine
        engine.dispose()


def change(engine: sa.Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text(statement))


def drop_triggers(engine: sa.Engine) -> None:
    """Do what only the owner of the database can do."""
    if engine.dialect.name == "sqlite":
        for name in ("update", "delete"):
            change(engine, f"drop trigger security_log_no_{name}")
    else:
        change(engine, "drop trigger security_log_append_only on security_log")


def test_events_are_read_newest_first_and_by_use_case(log: tuple[SecurityLog, sa.Engine]) -> None:
    events = log[0].read(10)
    assert [(e.seq, e.kind, e.person, e.address) for e in events] == [
        (3, "log-out", "bo", ""),
        (2, "log-in", "bo", "192.0.2.8"),
        (1, "adoption", "ann", "192.0.2.7"),
    ]
    assert [e.seq for e in log[0].read(1, offset=1)] == [2]
    assert [e.seq for e in log[0].read(10, kind="log-in")] == [2]
    assert [e.seq for e in log[0].read(10, use_cases=["calls"])] == [1]
    assert log[0].read(10, use_cases=[]) == []
    assert log[0].verify() == 3


@pytest.mark.parametrize(
    "statement", ["update security_log set person = 'bo' where seq = 1", "delete from security_log where seq = 3"]
)
def test_the_database_refuses_to_change_rows(statement: str, log: tuple[SecurityLog, sa.Engine]) -> None:
    with pytest.raises(sa.exc.DBAPIError, match=r"append-only|SQLSTATE P0001"):
        change(log[1], statement)
    assert log[0].verify() == 3


def test_sqlite_replaces_no_row(tmp_path: Path) -> None:
    """Once, `insert or replace` put another row in the place of a recorded one, because it fires no delete trigger."""
    with open_security_log(f"sqlite:///{tmp_path / 'log.db'}") as log:
        log.record(SecurityEvent("log-in", "ann"))
        engine = sa.create_engine(f"sqlite:///{tmp_path / 'log.db'}")
        with pytest.raises(sa.exc.DBAPIError, match="append-only"):
            change(engine, "insert or replace into security_log select * from security_log")
        engine.dispose()
        assert log.verify() == 1


@pytest.mark.parametrize(
    ("statement", "row"),
    [
        ("update security_log set person = 'bo' where seq = 1", 1),
        ("update security_log set at = '2013-03-14 11:00:00.000000' where seq = 2", 2),
        ("update security_log set use_case = '' where seq = 1", 1),
        ("delete from security_log where seq = 2", 2),
        ("delete from security_log where seq = 1", 1),
        ("update security_addresses set address = '192.0.2.9' where seq = 2", 2),
    ],
)
def test_a_change_by_the_owner_of_the_database_is_found(
    statement: str, row: int, log: tuple[SecurityLog, sa.Engine]
) -> None:
    drop_triggers(log[1])
    change(log[1], statement)
    with pytest.raises(SecurityLogError, match=f"row {row} doesn't match its hash"):
        log[0].verify()


def test_addresses_go_after_the_days_of_the_setting_and_the_chain_stays_valid(
    log: tuple[SecurityLog, sa.Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(security_log, "now", lambda: NOW + timedelta(days=30) - timedelta(seconds=1))
    assert [e.address for e in log[0].read(10)] == ["", "192.0.2.8", "192.0.2.7"]
    monkeypatch.setattr(security_log, "now", lambda: NOW + timedelta(days=30))
    log[0].record(SecurityEvent("log-in", "bo", "192.0.2.10"))
    assert [e.address for e in log[0].read(10)] == ["192.0.2.10", "", "", ""]
    with log[1].connect() as connection:
        stored = [
            [f"{cell}" for cell in row] for row in connection.execute(sa.text("select * from security_addresses"))
        ]
    assert "192.0.2.7" not in f"{stored}" and len(stored) == 1
    assert log[0].verify() == 4


def test_processes_append_at_the_same_time(log: tuple[SecurityLog, sa.Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    class NoLock:
        def __enter__(self) -> None: ...
        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(security_log, "_APPENDS", NoLock())  # as if each thread were a process
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: log[0].record(SecurityEvent("log-in", f"person{i}")), range(12)))
    assert log[0].verify() == 15


def test_texts_stay_in_one_line_and_within_bounds(log: tuple[SecurityLog, sa.Engine]) -> None:
    log[0].record(SecurityEvent("log-in failed", "a\nb\0c", detail="x" * 10_000))
    newest = log[0].read(1)[0]
    assert newest.person == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"
    assert len(newest.detail) == security_log.MAX_TEXT
