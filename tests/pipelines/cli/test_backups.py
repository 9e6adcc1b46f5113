"""Commands that copy an installation and restore it: their answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.operations.backup import BackupManifest, RestoredBackup
from tests.pipelines.conftest import RunCli

MADE = "2024-05-01T02:00:00+00:00"


def test_backup_counts_its_files(run_cli: RunCli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[tuple[Path, float]] = []

    def backup(folder: Path, wait_seconds: float) -> BackupManifest:
        calls.append((folder, wait_seconds))
        return BackupManifest(made=MADE, profile="embedded", files={"home/a": "0" * 64})

    monkeypatch.setattr("pipelines.operations.backup.backup", backup)
    answer = run_cli(f"backup --to {tmp_path} --wait-seconds 5 --json").answer
    assert answer == {"made": MADE, "profile": "embedded", "files": 1}
    assert calls == [(tmp_path, 5)]
    assert run_cli(f"backup --to {tmp_path}").out == f"Backed up 1 file to {tmp_path}\n"


def test_a_restored_backup_names_the_next_commands(
    run_cli: RunCli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    restored = RestoredBackup(made=MADE, files=1200, ledgers={"calls": 3})
    monkeypatch.setattr("pipelines.operations.backup.restore_backup", lambda folder: restored)
    assert run_cli(f"restore-backup --from {tmp_path} --json").answer["ledgers"] == {"calls": 3}
    text = f"Restored 1,200 files from the backup of {MADE}. Next: sixtyforty doctor, then sixtyforty up.\n"
    assert run_cli(f"restore-backup --from {tmp_path}").out == text


def test_a_folder_that_is_no_backup_is_refused(run_cli: RunCli, tmp_path: Path) -> None:
    finished = run_cli(f"restore-backup --from {tmp_path / 'nothing'}")
    assert (finished.code, "has no backup.json" in finished.err) == (1, True)
