"""Dagster's storage, as the profile chooses it."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
from alembic.script import ScriptDirectory

from pipelines.runtime.event_log import BatchingEventLog
from pipelines.runtime.storage import EmbeddedStorage, ProfileStorage
from pipelines.settings import ROOT, SettingsError
from sixtyforty.storage.databases import DatabaseError
from tests.homes import use_home

DAYS = dg.DailyPartitionsDefinition("2013-06-01", end_date="2013-06-06")


@dg.asset(partitions_def=DAYS)
def daily() -> None:
    """Materialize a day."""


def test_the_embedded_profile_stores_dagster_below_its_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_home(monkeypatch, tmp_path)
    storage = ProfileStorage.from_config_value(None, {})
    assert isinstance(storage, EmbeddedStorage)
    assert isinstance(storage.event_log_storage, BatchingEventLog)
    assert (tmp_path / "data" / "dagster" / "storage").is_dir()
    assert ProfileStorage.config_type() == {}


def test_an_existing_database_is_opened_without_its_migrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_home(monkeypatch, tmp_path)
    read: list[object] = []
    read_migrations = ScriptDirectory.from_config
    monkeypatch.setattr(ScriptDirectory, "from_config", lambda config: read.append(config) or read_migrations(config))
    ProfileStorage.from_config_value(None, {})
    assert read
    read.clear()
    storage = ProfileStorage.from_config_value(None, {})
    assert not read
    assert storage.run_storage.get_runs() == []
    assert list(storage.schedule_storage.all_instigator_state()) == []


def test_a_database_without_tables_gets_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_home(monkeypatch, tmp_path)
    file = (
        tmp_path / "data" / "dagster" / "storage" / "history" / "runs.db"
    )  # as a process leaves it that is killed too early
    file.parent.mkdir(parents=True)
    file.touch()
    assert ProfileStorage.from_config_value(None, {}).run_storage.get_runs() == []


def test_production_without_a_database_names_the_missing_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_home(monkeypatch, tmp_path)
    monkeypatch.setenv("SIXTYFORTY_PROFILE", "production")
    with pytest.raises(SettingsError, match="SIXTYFORTY_DATABASE_URL"):
        ProfileStorage.from_config_value(None, {})


def test_dagster_yaml_names_the_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_home(monkeypatch, tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert isinstance(instance.event_log_storage, BatchingEventLog)
        assert not instance.telemetry_enabled
        assert dg.materialize([daily], instance=instance, partition_key="2013-06-03").success
        assert instance.get_materialized_partitions(dg.AssetKey("daily")) == {"2013-06-03"}
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert instance.get_latest_materialization_event(dg.AssetKey("daily")) is not None


def test_production_without_a_reachable_database_is_one_error_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_home(monkeypatch, tmp_path)
    monkeypatch.setenv("SIXTYFORTY_PROFILE", "production")
    monkeypatch.setenv("SIXTYFORTY_DATABASE_URL", "postgresql+psycopg2://ann:geheim@127.0.0.1:1/x")
    with pytest.raises(DatabaseError, match="Connection refused") as error:
        ProfileStorage.from_config_value(None, {})
    assert "geheim" not in str(error.value)


def test_a_disposed_storage_leaves_no_open_connection(tmp_path: Path) -> None:
    """Otherwise its write-ahead log would hide damage to the database from others."""
    storage = EmbeddedStorage(str(tmp_path))
    assert storage.run_storage.get_runs_count() == 0
    assert storage.schedule_storage.get_ticks("origin", "selector") == []
    storage.dispose()
    assert [path.name for path in tmp_path.rglob("*-wal")] == []
