"""Commands that copy an installation and restore it: their answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.operations.backup import Backup
from pipelines.operations.backup_folder import BackupManifest
from pipelines.operations.backup_restore import RestoredBackup
from tests.pipelines.conftest import RunCli

MADE = "2024-05-01T02:00:00+00:00"


def test_backup_counts_its_files(run_cli: RunCli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[tuple[Path, float, int]] = []
    manifest = BackupManifest(made=MADE, profile="embedded", files={"home/a": "0" * 64})

    def backup(folder: Path, wait_seconds: float, keep: int) -> Backup:
        calls.append((folder, wait_seconds, keep))
        return Backup(folder / "x", manifest, 1.25)

    monkeypatch.setattr("pipelines.operations.backup.backup", backup)
    monkeypatch.setattr("pipelines.operations.backup.verify_backup", lambda folder: backup(folder, 0, 0))
    answer = run_cli(f"backup --to {tmp_path} --wait-seconds 5 --json").answer
    assert answer["generation"] == str(tmp_path / "x")
    assert (answer["made"], answer["files"], answer["seconds"]) == (MADE, 1, 1.25)
    assert calls == [(tmp_path, 5, 7)]
    assert run_cli(f"backup --to {tmp_path}").out == f"Backed up 1 file to {tmp_path / 'x'} (1.2 s).\n"
    verified = f"Verified 1 file of {tmp_path / 'x'}, made at {MADE} (1.2 s).\n"
    assert run_cli(f"backup --to {tmp_path} --verify").out == verified


def test_a_restored_backup_names_the_next_commands(
    run_cli: RunCli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    restored = RestoredBackup(made=MADE, files=1200, seconds=2.0, ledgers={"calls": 3})
    monkeypatch.setattr("pipelines.operations.backup_restore.restore_backup", lambda folder: restored)
    assert run_cli(f"restore-backup --from {tmp_path} --json").answer["ledgers"] == {"calls": 3}
    text = f"Restored 1,200 files from the backup of {MADE} in 2.0 s. Next: sixtyforty doctor, then sixtyforty up.\n"
    assert run_cli(f"restore-backup --from {tmp_path}").out == text


def test_a_folder_that_is_no_backup_is_refused(run_cli: RunCli, tmp_path: Path) -> None:
    finished = run_cli(f"restore-backup --from {tmp_path / 'nothing'}")
    assert (finished.code, "has no backup.json" in finished.err) == (1, True)
