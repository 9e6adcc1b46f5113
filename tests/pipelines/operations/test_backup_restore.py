"""Backed up, destroyed, restored: the chain gives the same answers as before."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from pipelines.authoring import catalog
from pipelines.cli.app import main
from pipelines.demo import flights
from pipelines.operations import backup_restore
from pipelines.operations.backup import backup
from pipelines.operations.backup_folder import MANIFEST, BackupError, BackupManifest
from pipelines.operations.backup_receipt import read_receipt
from pipelines.operations.backup_restore import restore_backup
from pipelines.operations.run import run_range
from pipelines.settings import load_settings
from sixtyforty.storage.hash_chain import LedgerError
from tests.homes import use_home
from tests.pipelines.operations.backed_up_home import MODEL, append_verdict, files_below, newest
from tests.postgres import PASSWORD, Postgres, rows

DAY = date(2013, 6, 12)
SOURCES = ("timetable", "movements", "weather", "planes", "airports", "airlines")
STAGES = [f"{kind}/{source}" for source in SOURCES for kind in ("raw", "validated")]
STAGES += ["features", "outcomes", "decisions", "delivery", "kpi_impact"]
DELIVERY = dg.AssetKey(["flight_delays", "delivery"])
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


@pytest.mark.parametrize(
    "name",
    [
        *("home/../../evil", "/etc/cron.d/evil", "lake/../evil", "etc/evil", "home", "../evil"),
        *("", ".", "home//etc/evil", "./home/evil"),
    ],
)
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
