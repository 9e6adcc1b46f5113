"""Backed up, destroyed, restored: the chain gives the same answers as before."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from pipelines.authoring import catalog
from pipelines.cli.app import main
from pipelines.demo import flights
from pipelines.operations import backup as backups
from pipelines.operations import backup_restore
from pipelines.operations.backup import backup, verify_backup
from pipelines.operations.backup_folder import MANIFEST, WRITING, BackupError, BackupManifest, list_generations
from pipelines.operations.backup_receipt import read_receipt
from pipelines.operations.backup_restore import restore_backup
from pipelines.operations.postgres_dump import PostgresDumpError
from pipelines.operations.run import run_range
from pipelines.settings import load_settings, prepare_dagster_home
from sixtyforty.storage.files import FileAccessError
from sixtyforty.storage.hash_chain import LedgerError
from tests.dagster_runs import idle_job
from tests.homes import use_home
from tests.postgres import PASSWORD, Postgres, rows

DAY = date(2013, 6, 12)
SOURCES = ("timetable", "movements", "weather", "planes", "airports", "airlines")
STAGES = [f"{kind}/{source}" for source in SOURCES for kind in ("raw", "validated")]
STAGES += ["features", "outcomes", "decisions", "delivery", "kpi_impact"]
DELIVERY = dg.AssetKey(["flight_delays", "delivery"])
MODEL = "home/data/models/flight_delays/a b.skops"
Answer = Callable[..., Any]


@pytest.fixture
def answer(capsys: pytest.CaptureFixture[str]) -> Answer:
    """Run a command and return its JSON answer."""

    def run(*words: str, code: int = 0) -> Any:
        capsys.readouterr()
        assert main([*words, "--json"]) == code
        return json.loads(capsys.readouterr().out)

    return run


def describe_chain(answer: Answer) -> dict[str, Any]:
    """Return the chain's money, decisions, one decision's thread, its ledger and findings, and Dagster's records."""
    day = answer("decisions", "flight_delays", "--date", DAY.isoformat())
    with dg.DagsterInstance.get() as instance:
        materialization = instance.get_latest_materialization_event(DELIVERY)
        run_ids = [run.run_id for run in instance.get_runs()]
    return {
        "impact": answer("impact", "flight_delays"),
        "decisions": day,
        "thread": answer("explain", "flight_delays", day["decisions"][7]["decision_id"]),
        "ledger": answer("champion", "flight_delays", "--history"),
        "findings": answer("model-record", "flight_delays", "--search", "standby"),
        "dagster": (run_ids, materialization and materialization.timestamp),
    }


def newest(copy: Path) -> Path:
    """Return the newest generation in a folder of backups."""
    return list_generations(copy)[-1]


@contextmanager
def at(clock: str) -> Iterator[None]:
    """Make backups at a time of 2024-05-01, so that each has another name."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.fromisoformat(f"2024-05-01T{clock}+00:00")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backups, "datetime", Clock)
        patch.setattr(backups, "_was_run_active_since", lambda started: False)
        yield


def append_verdict(version: str) -> None:
    """Append a row to the champion ledger."""
    catalog.open_workspace("flight_delays").champion_ledger.append(
        track="replay",
        version=version,
        verdict="HOLD",
        kind="first",
        as_of="2013-06-01",
        effective_from="2013-06-01T04:00:00",
        reasons=["a row that can be lost"],
    )


def files_below(folder: Path) -> list[Path]:
    """Return the files below a folder, except locks."""
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]


@pytest.mark.e2e
@pytest.mark.parametrize("profile", ["embedded", "production"])
def test_a_destroyed_installation_is_restored(
    profile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, answer: Answer
) -> None:
    url = None
    if profile == "production":
        postgres: Postgres = request.getfixturevalue("postgres")
        url = postgres.database()
        monkeypatch.setenv("PATH", f"{postgres.bin}:/usr/bin:/bin")  # The server's own pg_dump has its version.
    settings = use_home(monkeypatch, tmp_path / "home", url)
    lake, copy = tmp_path / "lake", tmp_path / "copy"
    monkeypatch.setenv("SIXTYFORTY_LAKE", str(lake))
    flights.land(catalog.open_workspace("flight_delays").landing.folder, DAY, DAY)
    run_range("flight_delays", DAY, DAY, select=STAGES)
    append_verdict("one")
    append_verdict("two")
    answer("add-finding", "flight_delays", "--by", "Ada", "--text", "Standby crews live in Queens.")
    before = describe_chain(answer)
    assert before["findings"]["hits"]
    assert answer("backup", "--to", str(copy))["files"] > 20
    assert not [path for path in files_below(copy) if PASSWORD.encode() in path.read_bytes()]

    shutil.rmtree(settings.home)
    shutil.rmtree(lake)
    if url:
        with pytest.raises(BackupError, match="The database is not empty"):
            restore_backup(copy)
        drop_everything(url)
    assert answer("impact", "flight_delays", code=1)
    restored = answer("restore-backup", "--from", str(copy))

    assert restored["ledgers"]["flight_delays"] == 2  # Counting the rows verifies the hash chain.
    assert describe_chain(answer) == before
    files = len(files_below(lake))
    run_range("flight_delays", DAY, DAY, select=STAGES)  # The restored installation works.
    assert len(files_below(lake)) == files
    assert describe_chain(answer)["decisions"] == before["decisions"]


def drop_everything(url: str) -> None:
    """Empty a PostgreSQL database."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("drop schema public cascade; create schema public")
    assert rows(url, "select count(*) from pg_tables where schemaname = 'public'") == [(0,)]


@pytest.fixture
def small_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use a home with a ledger, a model and a database in it."""
    use_home(monkeypatch, tmp_path / "home")
    settings = prepare_dagster_home()
    append_verdict("one")
    (settings.home / "data" / "models" / "flight_delays" / "a b.skops").write_bytes(b"model")
    with sqlite3.connect(settings.home / "data" / "deliveries.sqlite") as database:
        database.execute("create table t (n integer)")
        database.execute("insert into t values (1)")
    return settings.home


def test_a_database_that_is_written_to_is_copied_consistently(small_home: Path, tmp_path: Path) -> None:
    writer = sqlite3.connect(small_home / "data" / "deliveries.sqlite")
    writer.execute("pragma journal_mode = wal")
    writer.execute("insert into t values (2)")
    writer.commit()
    writer.execute("insert into t values (3)")  # Not committed, so not in the copy.
    backup(tmp_path / "copy")
    copy = newest(tmp_path / "copy") / "home" / "data"
    assert list(copy.glob("deliveries.sqlite-*")) == []
    with sqlite3.connect(copy / "deliveries.sqlite") as database:
        assert database.execute("select n from t order by n").fetchall() == [(1,), (2,)]
    writer.close()


def test_a_later_backup_is_another_generation(small_home: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    with at("02:00"):
        first = backup(copy)
    (small_home / "data" / "models" / "flight_delays" / "a b.skops").unlink()
    append_verdict("two")
    with at("03:00"):
        second = backup(copy)
    ledger = "home/data/models/flight_delays/champion.jsonl"
    assert first.manifest.files[ledger] != second.manifest.files[ledger]
    assert MODEL in first.manifest.files and MODEL not in second.manifest.files
    for made in (first, second):
        names = {path.relative_to(made.generation).as_posix() for path in files_below(made.generation)}
        assert names == {*made.manifest.files, MANIFEST}
    shared = "home/data/home_format.json"
    assert (first.generation / shared).samefile(second.generation / shared)
    assert [path.name for path in list_generations(copy)] == ["2024-05-01T02-00-00Z", "2024-05-01T03-00-00Z"]
    with at("04:00"):
        third = backup(copy, keep=2)
    assert list_generations(copy) == [second.generation, third.generation]


@pytest.mark.parametrize("place", ["data/backup", "data/lake/backup", "data/models/../backup"])
def test_a_backup_in_the_home_does_not_copy_itself(place: str, small_home: Path) -> None:
    """Each later backup once held the ones before, so that its size doubled."""
    with at("02:00"):
        first = backup(small_home / place).manifest.files
    with at("03:00"):
        assert backup(small_home / place).manifest.files.keys() - first.keys() == {"home/data/newest_backup.json"}


def test_both_ledgers_are_restored_and_verified(small_home: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    rollout = catalog.open_workspace("flight_delays").rollout_ledger
    rollout.take_step("holdout", by="Ada", why="x", effective_from="2013-06-01T04:00:00")
    backup(copy)
    shutil.rmtree(small_home)
    assert restore_backup(copy).ledgers["flight_delays"] == 2  # A verdict and a rollout step.
    path = small_home / "data" / "models" / "flight_delays" / "rollout.jsonl"
    path.write_text(path.read_text().replace("Ada", "Eve"))
    shutil.rmtree(copy)
    backup(copy)
    shutil.rmtree(small_home)
    with pytest.raises(LedgerError, match=r"rollout\.jsonl, row 1"):
        restore_backup(copy)


def test_it_waits_for_runs_and_gives_up_with_a_reason(small_home: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    prepare_dagster_home()
    with dg.DagsterInstance.get() as instance:
        run = instance.create_run_for_job(idle_job, status=dg.DagsterRunStatus.STARTED)
        with pytest.raises(BackupError, match="1 run still active after 0 s"):
            backup(copy, wait_seconds=0)
        assert list_generations(copy) == []
        instance.report_run_failed(run)
    backup(copy, wait_seconds=0)


def test_what_a_run_changed_meanwhile_is_copied_again(
    small_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_file, copied = backups._copy, list[str]()

    def copy_while_a_run_writes(source: Path, target: Path, *same: Any) -> str | None:
        if not copied:
            append_verdict("two")
            monkeypatch.setattr(backups, "_was_run_active_since", lambda started: len(copied) == 1)
            copied.append("first file")
        elif source.name == "champion.jsonl":
            copied.append("ledger")
        return copy_file(source, target, *same)

    monkeypatch.setattr(backups, "_copy", copy_while_a_run_writes)
    backup(tmp_path / "copy")
    assert copied.count("ledger") >= 1
    ledger = small_home / "data" / "models" / "flight_delays" / "champion.jsonl"
    assert (newest(tmp_path / "copy") / ledger.relative_to(small_home.parent)).read_bytes() == ledger.read_bytes()


def test_runs_that_keep_starting_end_the_backup(
    small_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backups, "_was_run_active_since", lambda started: True)
    with pytest.raises(BackupError, match="Runs started during each of 3 attempts"):
        backup(tmp_path / "copy")


def test_a_folder_with_other_files_is_left_alone(small_home: Path, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "thesis.tex").write_text("years of work")
    with pytest.raises(BackupError, match="contains files that are not a backup"):
        backup(tmp_path / "copy")
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["thesis.tex"]


def test_a_folder_that_cannot_be_created_is_an_error_with_the_next_step(small_home: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BackupError, match="Choose a folder you can write to"):
        backup(tmp_path / "file" / "copy")


def change_a_file(copy: Path) -> str:
    (copy / MODEL).write_bytes(b"Model")
    return "a b.skops differs from the file that was backed up"


def remove_a_file(copy: Path) -> str:
    (copy / MODEL).unlink()
    return "a b.skops differs from the file that was backed up"


def remove_the_manifest(copy: Path) -> str:
    (copy / MANIFEST).unlink()
    return "was never finished"


def remove_the_format(copy: Path) -> str:
    manifest = json.loads((copy / MANIFEST).read_text())
    del manifest["files"]["home/data/home_format.json"]
    (copy / MANIFEST).write_text(json.dumps(manifest))
    return "was made by version 0.1"


def truncate_the_manifest(copy: Path) -> str:
    (copy / MANIFEST).write_bytes((copy / MANIFEST).read_bytes()[:40])
    return r"backup\.json is damaged: .* Use another backup"


def garble_the_manifest(copy: Path) -> str:
    (copy / MANIFEST).write_bytes(b"\xff" + (copy / MANIFEST).read_bytes())
    return r"backup\.json is damaged: .* Use another backup"


DAMAGES = (
    *(change_a_file, remove_a_file, remove_the_manifest, truncate_the_manifest, garble_the_manifest),
    remove_the_format,
)


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_unusable_backup_changes_nothing(damage: Callable[[Path], str], small_home: Path, tmp_path: Path) -> None:
    backup(tmp_path / "copy")
    shutil.rmtree(small_home)
    message = damage(newest(tmp_path / "copy"))
    with pytest.raises(BackupError, match=message):
        restore_backup(tmp_path / "copy")
    assert not (small_home / "data" / "models").exists()


@pytest.mark.parametrize("content", [b"mode1", b"", b"model and more"])
def test_a_file_that_is_damaged_while_it_is_copied_is_named(
    content: bytes, small_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup(tmp_path / "copy")
    shutil.rmtree(small_home)

    def copy_badly(source: Path, target: Path) -> None:
        target.write_bytes(content if source.name == "a b.skops" else source.read_bytes())

    monkeypatch.setattr(backup_restore.shutil, "copy2", copy_badly)
    with pytest.raises(BackupError, match=r"a b\.skops differs from the file in the backup after it was copied"):
        restore_backup(tmp_path / "copy")


def test_existing_files_are_not_overwritten(small_home: Path, tmp_path: Path) -> None:
    backup(tmp_path / "copy")
    with pytest.raises(BackupError, match="is not empty"):
        restore_backup(tmp_path / "copy")


def test_a_backup_without_pg_dump_is_refused(
    small_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: Postgres
) -> None:
    monkeypatch.setenv("SIXTYFORTY_DATABASE_URL", postgres.database())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PostgresDumpError, match="postgresql-client"):
        backup(tmp_path / "copy")
    assert list_generations(tmp_path / "copy") == []


def test_a_file_that_can_not_be_copied_is_named(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"content")
    (tmp_path / "file").touch()
    with pytest.raises(FileAccessError, match="Move that file or folder away"):
        backups._copy_file(tmp_path / "source", tmp_path / "file" / "copy")
    (tmp_path / "source").write_bytes(backups.SQLITE_HEADER + b"damaged" * 100)
    with pytest.raises(BackupError, match=rf"^{tmp_path}/source can't be copied to .*Check the free space"):
        backups._copy_file(tmp_path / "source", tmp_path / "copy")


def kill_in_the_middle(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let the next backup end while it copies the second file."""
    copied: list[str] = []
    copy_bytes = backups._copy_bytes

    def copy(file: Any, target: Path) -> str:
        copied.append(target.name)
        if len(copied) > 1:
            raise error
        return copy_bytes(file, target)

    monkeypatch.setattr(backups, "_share", lambda *_: False)
    monkeypatch.setattr(backups, "_copy_bytes", copy)


@pytest.mark.parametrize("is_killed", [True, False], ids=["killed", "disk full"])
def test_an_interrupted_backup_neither_blocks_nor_harms(
    is_killed: bool, small_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, an interrupted backup had removed the manifest of the last good one, and was refused as a foreign folder."""
    copy = tmp_path / "copy"
    with at("02:00"):
        good = backup(copy)
    with monkeypatch.context() as patch, at("03:00"):
        kill_in_the_middle(patch, KeyboardInterrupt() if is_killed else OSError(28, "No space left on device"))
        if is_killed:  # A killed process cleans nothing up.
            patch.setattr(backups.shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises((KeyboardInterrupt, FileAccessError)):
            backup(copy)
    assert len([path for path in copy.iterdir() if path.name.startswith(WRITING)]) == is_killed
    assert list_generations(copy) == [good.generation]
    assert verify_backup(copy).generation == good.generation
    with at("04:00"):
        assert backup(copy).generation.name == "2024-05-01T04-00-00Z"
    assert not [path for path in copy.iterdir() if path.name.startswith(WRITING)]


def test_a_backup_of_an_earlier_version_stays_and_can_be_restored(small_home: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    backup(copy)
    for path in newest(copy).iterdir():
        path.rename(copy / path.name)
    newest_folder = list_generations(copy)
    assert newest_folder == [copy]
    assert backup(copy, keep=1).generation.parent == copy
    assert len(list_generations(copy)) == 2
    shutil.rmtree(newest(copy))
    shutil.rmtree(small_home)
    assert restore_backup(copy).ledgers["flight_delays"] == 1


@pytest.mark.parametrize("name", ["x.csv.part", "x.csv.tmp", ".x.csv"])
def test_unfinished_extracts_are_left_out(name: str, small_home: Path, tmp_path: Path) -> None:
    landing = small_home / "data" / "landing" / "calls"
    landing.mkdir(parents=True)
    (landing / name).write_text("a,b\n1,")
    (landing / "y.csv").write_text("a,b\n1,2\n")
    files = backup(tmp_path / "copy").manifest.files
    assert "home/data/landing/calls/y.csv" in files and f"home/data/landing/calls/{name}" not in files


def test_a_file_that_grows_or_moves_during_the_backup_harms_nothing(
    small_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing = small_home / "data" / "landing"
    landing.mkdir(parents=True, exist_ok=True)
    for name in ("grows.csv", "moves.csv"):
        (landing / name).write_bytes(b"a,b\n" * 10)
    copy_file = backups._copy

    def copy(source: Path, target: Path, *same: Any) -> str | None:
        if source.name == "moves.csv":
            source.rename(landing / "archived.txt")
        sha = copy_file(source, target, *same)
        if source.name == "grows.csv":
            source.write_bytes(source.read_bytes() + b"3,4\n")
        return sha

    monkeypatch.setattr(backups, "_copy", copy)
    files = backup(tmp_path / "copy").manifest.files
    assert "home/data/landing/moves.csv" not in files and "home/data/landing/grows.csv" in files
    verify_backup(tmp_path / "copy")


def test_verify_names_a_damaged_file_and_the_next_backup_does_not_share_it(small_home: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    with at("02:00"):
        first = backup(copy).generation
    (first / MODEL).write_bytes(b"Model")
    with pytest.raises(BackupError, match=r"a b\.skops differs from the file that was backed up"):
        verify_backup(copy)
    with at("03:00"):
        second = backup(copy).generation
    assert not (first / MODEL).samefile(second / MODEL)
    assert verify_backup(copy).generation == second


@pytest.mark.parametrize("name", ["home/../../evil", "/etc/cron.d/evil", "lake/../evil", "etc/evil", "home", "../evil"])
def test_a_backup_that_names_paths_outside_the_home_is_refused(name: str, small_home: Path, tmp_path: Path) -> None:
    generation = backup(tmp_path / "copy").generation
    manifest = BackupManifest.model_validate_json((generation / MANIFEST).read_bytes())
    manifest.files[name] = "0" * 64
    (generation / MANIFEST).write_text(manifest.model_dump_json())
    shutil.rmtree(small_home)
    with pytest.raises(BackupError, match="is outside of the home and the lake"):
        restore_backup(tmp_path / "copy")
    assert not (small_home / "data" / "models").exists()


def test_a_link_that_leads_out_of_the_home_is_refused(small_home: Path, tmp_path: Path) -> None:
    backup(tmp_path / "copy")
    shutil.rmtree(small_home)
    (small_home / "data").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (small_home / "data" / "models").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BackupError, match="leads out of"):
        restore_backup(tmp_path / "copy")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_another_home_takes_over_from_the_newest_backup(
    small_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy"
    made = backup(copy)
    receipt = read_receipt(load_settings())
    assert receipt and (receipt.folder, receipt.files) == (str(made.generation), len(made.manifest.files))
    assert receipt.age_hours(time.time()) < 1
    monkeypatch.setenv("SIXTYFORTY_HOME", str(tmp_path / "other"))
    restored = restore_backup(copy)
    assert restored.files == len(made.manifest.files) and 0 < restored.seconds < 600
    assert (tmp_path / "other" / "data" / "models" / "flight_delays" / "a b.skops").read_bytes() == b"model"
    assert restored.ledgers["flight_delays"] == 1
