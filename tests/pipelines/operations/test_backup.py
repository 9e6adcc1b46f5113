"""Backups are made in generations: an interrupted one harms nothing, and a later one replaces nothing."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipelines.cli.app import main
from pipelines.operations import backup as backups
from pipelines.operations.backup import backup, verify_backup
from pipelines.operations.backup_folder import MANIFEST, WRITING, BackupError, list_generations
from pipelines.operations.backup_restore import restore_backup
from pipelines.operations.postgres_dump import PostgresDumpError
from pipelines.settings import prepare_dagster_home
from sixtyforty.storage.files import FileAccessError
from tests.dagster_runs import idle_job
from tests.pipelines.operations.backed_up_home import MODEL, append_verdict, at, files_below, newest
from tests.postgres import Postgres


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
    copy_file, copied = backups._copy_file, list[str]()

    def copy_while_a_run_writes(source: Any, target: Path, *same: Any) -> str | None:
        if not copied:
            append_verdict("two")
            monkeypatch.setattr(backups, "_was_run_active_since", lambda started: len(copied) == 1)
            copied.append("first file")
        elif source.path.name == "champion.jsonl":
            copied.append("ledger")
        return copy_file(source, target, *same)

    monkeypatch.setattr(backups, "_copy_file", copy_while_a_run_writes)
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


def test_a_backup_without_pg_dump_is_refused(
    small_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: Postgres
) -> None:
    monkeypatch.setenv("SIXTYFORTY_DATABASE_URL", postgres.database())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PostgresDumpError, match="postgresql-client"):
        backup(tmp_path / "copy")
    assert list_generations(tmp_path / "copy") == []


def test_a_file_that_can_not_be_copied_is_named(tmp_path: Path) -> None:
    source = backups._SourceFile("source", tmp_path / "source")
    source.path.write_bytes(b"content")
    (tmp_path / "file").touch()
    with pytest.raises(FileAccessError, match="Move that file or folder away"):
        backups._copy_file(source, tmp_path / "file" / "copy")
    source.path.write_bytes(backups.SQLITE_HEADER + b"damaged" * 100)
    with pytest.raises(BackupError, match=rf"^{tmp_path}/source can't be copied to .*Check the free space"):
        backups._copy_file(source, tmp_path / "copy")


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
    """Once, an interrupted backup removed the manifest of the last good one, and all later ones were refused."""
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


@pytest.mark.parametrize("content", [b"", b'{"made": "2024', b"{}"])
def test_a_damaged_backup_blocks_no_later_one(
    content: bytes, small_home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, a manifest that lost its content with the power of the machine had every later backup refused."""
    copy = tmp_path / "copy"
    with at("02:00"):
        (backup(copy).generation / MANIFEST).write_bytes(content)
    with at("03:00"):
        backup(copy)
    assert verify_backup(copy).generation.name == "2024-05-01T03-00-00Z"
    assert "This backup copies all files." in caplog.text


def test_folders_behind_links_are_backed_up(small_home: Path, tmp_path: Path) -> None:
    """Once, extracts on another disk, to which a link leads, were silently left out."""
    landing, disk = small_home / "data" / "landing", tmp_path / "disk"
    (disk / "calls").mkdir(parents=True)
    (disk / "calls" / "calls.csv").write_text("a\n1\n")
    (disk / "calls" / "planted").symlink_to(tmp_path)
    (disk / "loop").symlink_to(disk)
    (disk / "backups").symlink_to(tmp_path / "copy")
    landing.symlink_to(disk)
    with at("02:00"):
        backup(tmp_path / "copy")
    with at("03:00"):
        files = backup(tmp_path / "copy").manifest.files
    assert [name for name in files if "landing" in name] == ["home/data/landing/calls/calls.csv"]
    shutil.rmtree(small_home)
    restore_backup(tmp_path / "copy")
    assert (landing / "calls" / "calls.csv").read_text() == "a\n1\n"


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
    copy_file = backups._copy_file

    def copy(source: Any, target: Path, *same: Any) -> str | None:
        if source.path.name == "moves.csv":
            source.path.rename(landing / "archived.txt")
        sha = copy_file(source, target, *same)
        if source.path.name == "grows.csv":
            source.path.write_bytes(source.path.read_bytes() + b"3,4\n")
        return sha

    monkeypatch.setattr(backups, "_copy_file", copy)
    files = backup(tmp_path / "copy").manifest.files
    assert "home/data/landing/moves.csv" not in files and "home/data/landing/grows.csv" in files
    verify_backup(tmp_path / "copy")


def test_a_link_that_a_sender_planted_brings_no_file_into_a_backup(
    small_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once, a link in the landing zone brought any file that the services may read into each backup."""
    secret, landing = tmp_path / "secret", small_home / "data" / "landing"
    secret.write_text("a secret of the machine")
    (landing / "calls").mkdir(parents=True)
    for folder in (landing, landing / "calls"):
        (folder / "link.csv").symlink_to(secret)
    (landing / "calls" / "extract.csv").write_text("a\n1\n")
    (landing / "calls" / "newest.csv").symlink_to("extract.csv")
    copy = tmp_path / "copy"
    assert main(["backup", "--to", str(copy)]) == 0
    text = capsys.readouterr().out
    assert text.count("Left out home/data/landing/") == 2
    assert "Left out home/data/landing/calls/link.csv: link.csv links to a file outside the folder" in text
    assert not [path for path in copy.rglob("*") if path.is_file() and b"a secret" in path.read_bytes()]
    names = [name for name in verify_backup(copy).manifest.files if "landing" in name]
    assert names == ["home/data/landing/calls/extract.csv", "home/data/landing/calls/newest.csv"]


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
