"""A home of version 0.1 or of a later format is refused with the cure, and other formats migrate step by step."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines.settings import prepare_dagster_home
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.files import FileAccessError
from sixtyforty.storage.home_format import HOME_FORMAT, HomeFormatError, ensure_home_format, read_home_format


def write_format(home: Path, content: object) -> None:
    (home / "data").mkdir(parents=True, exist_ok=True)
    (home / "data" / "home_format.json").write_text(json.dumps(content))


def test_a_new_home_records_the_current_format(tmp_path: Path) -> None:
    ensure_home_format(tmp_path / "home")
    assert read_home_format(tmp_path / "home") == HOME_FORMAT
    ensure_home_format(tmp_path / "home")


@pytest.mark.parametrize("folder", ["landing/calls", "lake/calls/arrivals", "models/calls"])
def test_a_home_where_no_run_has_started_counts_as_new(tmp_path: Path, folder: str) -> None:
    (tmp_path / "data" / folder).mkdir(parents=True)
    (tmp_path / "data" / "dagster").mkdir()  # whoever starts Dagster's services creates it first
    ensure_home_format(tmp_path)
    assert read_home_format(tmp_path) == HOME_FORMAT


def test_a_check_of_the_definitions_in_a_new_home_does_not_make_it_old(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "dagster"
    databases = ("schedules/schedules.db", "history/runs.db", "history/runs/index.db", "history/runs/index.db-wal")
    others = ("logs/event.log", ".telemetry/id.yaml")  # Dagster writes them if no settings forbid it
    for name in (*databases, *(f"storage/{database}" for database in databases), *others):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "dagster.yaml").touch()  # a person may write Dagster's settings first
    ensure_home_format(tmp_path)
    assert read_home_format(tmp_path) == HOME_FORMAT


def test_a_run_by_dagsters_own_tools_in_a_new_home_does_not_make_it_old(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "dagster"
    for name in ("history/runs/27b6d40e.db", "storage/27b6d40e/compute_logs/step.err"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    ensure_home_format(tmp_path)
    assert read_home_format(tmp_path) == HOME_FORMAT


@pytest.mark.parametrize("record", ["history/runs/2f3c0f8e.db", "2f3c0f8e/compute_logs/step.err"])
def test_a_home_of_version_0_1_is_refused_with_the_cure(tmp_path: Path, record: str) -> None:
    file = tmp_path / "data" / "dagster" / "storage" / record
    file.parent.mkdir(parents=True)
    file.touch()
    for _ in range(2):
        with pytest.raises(HomeFormatError, match=r"a home that version 0\.1 wrote.*Move or delete.*`make demo`"):
            ensure_home_format(tmp_path)
    assert not (tmp_path / "data" / "home_format.json").exists()


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    write_format(tmp_path, {"format": HOME_FORMAT + 1})
    with pytest.raises(
        HomeFormatError, match=f"has format {HOME_FORMAT + 1}, but this version of Sixtyforty reads formats up to"
    ):
        ensure_home_format(tmp_path)


@pytest.mark.parametrize("content", [[], {}, {"format": "two"}, None])
def test_an_unreadable_format_file_is_refused(tmp_path: Path, content: object) -> None:
    write_format(tmp_path, content)
    with pytest.raises(
        HomeFormatError, match=r"home_format\.json: the content is not .*Restore the file from a backup"
    ):
        ensure_home_format(tmp_path)


def test_an_older_format_migrates_step_by_step(tmp_path: Path) -> None:
    write_format(tmp_path, {"format": 2})
    steps: list[int] = []

    def migrate_to(home_format: int) -> None:
        assert read_home_format(tmp_path) == home_format - 1
        steps.append(home_format)

    migrations = {2: lambda _: migrate_to(3), 3: lambda _: migrate_to(4)}
    ensure_home_format(tmp_path, 4, migrations)
    assert steps == [3, 4]
    assert read_home_format(tmp_path) == 4


def test_a_failed_migration_continues_from_the_last_completed_step(tmp_path: Path) -> None:
    write_format(tmp_path, {"format": 2})
    steps: list[int] = []

    def fail(_: Path) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        ensure_home_format(tmp_path, 4, {2: lambda _: steps.append(2), 3: fail})
    assert read_home_format(tmp_path) == 3
    ensure_home_format(tmp_path, 4, {2: lambda _: steps.append(2), 3: lambda _: steps.append(3)})
    assert steps == [2, 3]


def test_a_format_without_a_migration_is_refused(tmp_path: Path) -> None:
    write_format(tmp_path, {"format": 2})
    with pytest.raises(HomeFormatError, match="no migration to format 3 exists"):
        ensure_home_format(tmp_path, 3, {})


def test_preparing_dagsters_home_checks_the_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIXTYFORTY_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", "")
    prepare_dagster_home()
    assert read_home_format(tmp_path) == HOME_FORMAT
    (tmp_path / "data" / "home_format.json").unlink()
    runs = tmp_path / "data" / "dagster" / "storage" / "history" / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    (runs / "2f3c0f8e.db").touch()
    with pytest.raises(SixtyfortyError, match=r"version 0\.1"):
        prepare_dagster_home()


def test_a_home_that_is_a_file_is_an_access_error(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(FileAccessError, match="Not a directory"):
        ensure_home_format(tmp_path / "home")
