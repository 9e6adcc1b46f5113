"""Backed up, destroyed, brought back: the chain says the same as before."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from pipelines.authoring import catalog
from pipelines.cli import main
from pipelines.demo import flights
from pipelines.operations import backup as made
from pipelines.operations.backup import CONTENTS, BackupError, backup, recover
from pipelines.operations.run import run_range
from pipelines.settings import prepare
from sixtyforty.storage.champion_ledger import LedgerError
from tests.e2e.test_production import STAGES
from tests.pipelines.operations.test_services import idle, set_up
from tests.postgres import PASSWORD, Postgres, rows

DAY = date(2013, 6, 12)
KEY = dg.AssetKey(["flight_delays", "delivery"])


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs the command line and returns its answer."""

    def run(*words: str, code: int = 0) -> Any:
        capsys.readouterr()
        assert main([*words, "--json"]) == code
        return json.loads(capsys.readouterr().out)

    return run


def told(say: Callable[..., Any]) -> dict[str, Any]:
    """What the chain says of itself: money, decisions, a decision's thread, the ledger, and what Dagster knows."""
    day = say("decisions", "flight_delays", "--date", DAY.isoformat())
    with dg.DagsterInstance.get() as instance:
        materialized = instance.get_latest_materialization_event(KEY)
        dagster = [r.run_id for r in instance.get_runs()], materialized and materialized.timestamp
    return {
        "impact": say("impact", "flight_delays"),
        "decisions": day,
        "thread": say("explain", "flight_delays", day["decisions"][7]["decision_id"]),
        "ledger": say("champion", "flight_delays", "--history"),
        "findings": say("record", "flight_delays", "--find", "standby"),
        "dagster": dagster,
    }


def judged(version: str) -> None:
    catalog.workspace("flight_delays").ledger.append(
        track="replay",
        version=version,
        verdict="HOLD",
        kind="first",
        as_of="2013-06-01",
        effective_from="2013-06-01T04:00:00",
        reasons=["to have something to lose"],
    )


@pytest.mark.e2e
@pytest.mark.parametrize("where", ["embedded", "production"])
def test_after_everything_was_lost_the_chain_says_the_same(where, tmp_path, monkeypatch, request, say):
    url = None
    if where == "production":
        postgres: Postgres = request.getfixturevalue("postgres")
        url = postgres.database()
        monkeypatch.setenv("PATH", f"{postgres.bin}:/usr/bin:/bin")  # pg_dump as old as the server, or newer
    chosen = set_up(monkeypatch, tmp_path / "home", url)
    monkeypatch.setenv("SIXTYFORTY_LAKE", str(tmp_path / "lake"))
    flights.land(catalog.workspace("flight_delays").landing.folder, DAY, DAY)
    run_range("flight_delays", DAY, DAY, select=STAGES)
    judged("one")
    judged("two")
    say("finding", "flight_delays", "--by", "Ada", "--text", "Standby crews live in Queens.")
    before = told(say)
    assert before["findings"]["hits"]
    assert say("backup", "--to", str(tmp_path / "copy"))["files"] > 20
    assert not [p for p in (tmp_path / "copy").rglob("*") if p.is_file() and PASSWORD.encode() in p.read_bytes()]

    shutil.rmtree(chosen.home)
    shutil.rmtree(tmp_path / "lake")
    if url:
        with pytest.raises(BackupError, match="the database isn't empty"):
            recover(tmp_path / "copy")
        drop_everything(url)
    assert say("impact", "flight_delays", code=1)
    found = say("recover", "--from", str(tmp_path / "copy"))

    assert found["ledgers"]["flight_delays"] == 2  # which verifies the chain of hashes
    assert told(say) == before
    files = len([p for p in (tmp_path / "lake").rglob("*") if p.is_file() and p.suffix != ".lock"])
    run_range("flight_delays", DAY, DAY, select=STAGES)  # and it goes on
    assert len([p for p in (tmp_path / "lake").rglob("*") if p.is_file() and p.suffix != ".lock"]) == files
    assert told(say)["decisions"] == before["decisions"]


def drop_everything(url: str) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("drop schema public cascade; create schema public")
    assert rows(url, "select count(*) from pg_tables where schemaname = 'public'") == [(0,)]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a ledger, a model and a database in it."""
    chosen = set_up(monkeypatch, tmp_path / "home")
    judged("one")
    (chosen.home / "data" / "models" / "flight_delays" / "a b.skops").write_bytes(b"model")
    with sqlite3.connect(chosen.home / "data" / "deliveries.sqlite") as database:
        database.execute("create table t (n integer)")
        database.execute("insert into t values (1)")
    return chosen.home


def test_a_database_that_is_written_to_is_copied_whole(home, tmp_path):
    writer = sqlite3.connect(home / "data" / "deliveries.sqlite")
    writer.execute("pragma journal_mode = wal")
    writer.execute("insert into t values (2)")
    writer.commit()
    writer.execute("insert into t values (3)")  # not committed: not in the copy
    backup(tmp_path / "copy")
    copy = tmp_path / "copy" / "home" / "data"
    assert list(copy.glob("deliveries.sqlite-*")) == []
    with sqlite3.connect(copy / "deliveries.sqlite") as found:
        assert found.execute("select n from t order by n").fetchall() == [(1,), (2,)]
    writer.close()


def test_a_later_back_up_renews_an_older_one(home, tmp_path):
    first = backup(tmp_path / "copy")
    model = home / "data" / "models" / "flight_delays" / "a b.skops"
    model.unlink()
    judged("two")
    second = backup(tmp_path / "copy")
    name = "home/data/models/flight_delays/champion.jsonl"
    assert first["files"][name] != second["files"][name]
    assert "home/data/models/flight_delays/a b.skops" not in second["files"]
    there = {p.relative_to(tmp_path / "copy").as_posix() for p in (tmp_path / "copy").rglob("*") if p.is_file()}
    assert there == {*second["files"], CONTENTS}


def test_both_ledgers_are_in_it_and_are_verified_when_they_come_back(home, tmp_path):
    catalog.workspace("flight_delays").rollout.take("holdout", by="Ada", why="x", effective_from="2013-06-01T04:00:00")
    backup(tmp_path / "copy")
    shutil.rmtree(home)
    assert recover(tmp_path / "copy")["ledgers"]["flight_delays"] == 2  # a judgement and a step
    ledger = catalog.workspace("flight_delays").rollout.path
    ledger.write_text(ledger.read_text().replace("Ada", "Eve"))
    shutil.rmtree(tmp_path / "copy")
    backup(tmp_path / "copy")
    shutil.rmtree(home)
    with pytest.raises(LedgerError, match=r"rollout\.jsonl, row 1: was changed"):
        recover(tmp_path / "copy")


def test_it_waits_for_runs_and_gives_up_in_words(home, tmp_path):
    prepare()
    with dg.DagsterInstance.get() as instance:
        run = instance.create_run_for_job(idle, status=dg.DagsterRunStatus.STARTED)
        with pytest.raises(BackupError, match="1 runs are under way"):
            backup(tmp_path / "copy", patience=0)
        assert not (tmp_path / "copy" / CONTENTS).exists()
        instance.report_run_failed(run)
    backup(tmp_path / "copy", patience=0)


def test_what_a_run_changed_meanwhile_is_copied_again(home, tmp_path, monkeypatch):
    dump, copied = made._copy, []

    def copy(source: Path, target: Path) -> str:
        if not copied:
            judged("two")
            monkeypatch.setattr(made, "_runs_since", lambda began: len(copied) == 1)
            copied.append("once")
        elif source.name == "champion.jsonl":
            copied.append("again")
        return dump(source, target)

    monkeypatch.setattr(made, "_copy", copy)
    backup(tmp_path / "copy")
    assert copied.count("again") >= 1
    ledger = home / "data" / "models" / "flight_delays" / "champion.jsonl"
    assert (tmp_path / "copy" / ledger.relative_to(home.parent)).read_bytes() == ledger.read_bytes()


def test_a_folder_that_holds_something_else_is_left_alone(home, tmp_path):
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "thesis.tex").write_text("years of work")
    with pytest.raises(BackupError, match="something else"):
        backup(tmp_path / "copy")
    assert [p.name for p in (tmp_path / "copy").iterdir()] == ["thesis.tex"]


def damaged(copy: Path) -> str:
    (copy / "home" / "data" / "models" / "flight_delays" / "a b.skops").write_bytes(b"Model")
    return "a b.skops isn't as it was backed up"


def short(copy: Path) -> str:
    (copy / "home" / "data" / "models" / "flight_delays" / "a b.skops").unlink()
    return "a b.skops isn't as it was backed up"


def unfinished(copy: Path) -> str:
    (copy / CONTENTS).unlink()
    return "never finished"


@pytest.mark.parametrize("harm", [damaged, short, unfinished])
def test_a_back_up_that_is_not_whole_changes_nothing(harm, home, tmp_path):
    backup(tmp_path / "copy")
    shutil.rmtree(home)
    wanted = harm(tmp_path / "copy")
    with pytest.raises(BackupError, match=wanted):
        recover(tmp_path / "copy")
    assert not (home / "data" / "models").exists()


def test_what_is_there_is_not_overwritten(home, tmp_path):
    backup(tmp_path / "copy")
    with pytest.raises(BackupError, match="isn't empty"):
        recover(tmp_path / "copy")


def test_without_pg_dump_it_says_what_to_install(home, tmp_path, monkeypatch, postgres):
    monkeypatch.setenv("SIXTYFORTY_DATABASE_URL", postgres.database())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupError, match="postgresql-client"):
        backup(tmp_path / "copy")
    assert not (tmp_path / "copy" / CONTENTS).exists()
