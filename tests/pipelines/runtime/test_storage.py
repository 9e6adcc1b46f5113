"""Dagster's event log in batches: what is stored is what single events would have stored, or nothing."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.storage.event_log.base import EventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from dagster_shared.check import CheckError

from pipelines.runtime import storage
from pipelines.runtime.storage import BatchingEventLog, EmbeddedStorage, ProfileStorage
from pipelines.settings import ROOT, ProfileError

DAYS = dg.DailyPartitionsDefinition("2013-06-01", end_date="2013-06-06")
CHECKED = dg.AssetKey("checked")


@dg.asset(
    name="checked",
    partitions_def=DAYS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    check_specs=[dg.AssetCheckSpec("sound", asset="checked")],
)
def checked(context) -> Any:  # type: ignore[no-untyped-def]
    """Several days at once, with a check."""
    context.log.info("a line of the log")
    yield dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=False, check_name="sound")])


@dg.asset
def broken() -> None:
    """Fails."""
    raise RuntimeError("out of paper")


def events(asset: dg.AssetsDefinition, first: str = "", last: str = "") -> list[dg.EventLogEntry]:
    """What a run of the asset over these days says."""
    tags = {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last} if first else {}
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([asset], instance=instance, tags=tags, raise_on_error=False)
        return instance.all_logs(result.run_id)


@pytest.fixture(scope="module")
def good() -> list[dg.EventLogEntry]:
    return events(checked, "2013-06-01", "2013-06-05")


@pytest.fixture(scope="module")
def bad() -> list[dg.EventLogEntry]:
    return events(broken)


def said(log: EventLogStorage, *runs: list[dg.EventLogEntry]) -> dict[str, Any]:
    """All that the storage tells of these runs: their logs, and what is known of the asset."""
    records = [log.get_records_for_run(run[0].run_id).records for run in runs]
    return {
        "logs": [[record.event_log_entry for record in of_run] for of_run in records],
        "cursors": [[record.storage_id for record in of_run] for of_run in records],
        "partitions": log.get_materialized_partitions(CHECKED),
        "materializations": [r.event_log_entry for r in log.fetch_materializations(CHECKED, limit=100).records],
        "latest": log.get_latest_materialization_events([CHECKED]),
        "keys": log.all_asset_keys(),
        "checks": [
            (r.status, r.run_id, r.event)
            for r in log.get_asset_check_execution_history(dg.AssetCheckKey(CHECKED, "sound"), limit=100)
        ],
        "stats": [log.get_stats_for_run(run[0].run_id) for run in runs],
    }


def singly(folder: Path, *runs: list[dg.EventLogEntry]) -> EventLogStorage:
    storage = SqliteEventLogStorage(str(folder))
    for run in runs:
        for event in run:
            storage.store_event(event)
    return storage


def test_a_batch_is_stored_like_single_events(good, bad, tmp_path):
    ours = BatchingEventLog(str(tmp_path / "ours"))
    ours.store_event_batch(good)
    ours.store_event_batch(bad)
    found, expected = said(ours, good, bad), said(singly(tmp_path / "theirs", good, bad), good, bad)
    assert found == expected
    assert found["logs"] == [good, bad]
    assert found["partitions"] == {f"2013-06-0{n}" for n in range(1, 6)}
    assert len(found["materializations"]) == 5
    assert [status.value for status, *_ in found["checks"]].count("FAILED") == 1


def evaluated(partition: str | None, passed: bool, number: int) -> dg.EventLogEntry:
    said = dg.AssetCheckEvaluation(
        asset_key=CHECKED, check_name="sound", passed=passed, metadata={"n": number}, partition=partition
    )
    one = dg.DagsterEvent("ASSET_CHECK_EVALUATION", "job", step_key="checked", event_specific_data=said)
    return dg.EventLogEntry(
        error_info=None,
        level=10,
        user_message="",
        run_id="r",
        timestamp=1.5e9 + number,
        job_name="job",
        dagster_event=one,
    )


@pytest.mark.parametrize(
    "days", [["2013-06-01", "2013-06-02", "2013-06-03"], ["2013-06-01"], []], ids=["all planned", "some", "none"]
)
def test_evaluations_in_a_batch_are_stored_like_single_ones(days, tmp_path):
    subset = DAYS.subset_with_partition_keys(days).to_serializable_subset()
    planned = dg.DagsterEvent(
        "ASSET_CHECK_EVALUATION_PLANNED",
        "job",
        step_key="checked",
        event_specific_data=AssetCheckEvaluationPlanned(
            asset_key=CHECKED, check_name="sound", partitions_subset=subset
        ),
    )
    first = dg.EventLogEntry(
        error_info=None, level=10, user_message="", run_id="r", timestamp=1.5e9, job_name="job", dagster_event=planned
    )
    batch = [evaluated(f"2013-06-0{n}", n != 2, n) for n in (1, 2, 3)] + [evaluated(None, True, 4)]
    ours = BatchingEventLog(str(tmp_path / "ours"))
    ours.store_event_batch([first])
    ours.store_event_batch(batch)
    columns = [c for c in AssetCheckExecutionsTable.c if c.name not in ("id", "create_timestamp")]
    found = []
    for log in (ours, singly(tmp_path / "theirs", [first, *batch])):
        with log.index_connection() as connection:  # type: ignore[attr-defined]
            found.append(connection.execute(sa.select(*columns).order_by(AssetCheckExecutionsTable.c.id)).fetchall())
    assert found[0] == found[1]
    assert [(r.partition, r.execution_status) for r in sorted(found[0], key=lambda r: r.partition or "")] == [
        (None, "SUCCEEDED"),
        ("2013-06-01", "SUCCEEDED"),
        ("2013-06-02", "FAILED"),
        ("2013-06-03", "SUCCEEDED"),
    ]


@pytest.mark.parametrize("days", [["2013-06-01", "2013-06-03"], None], ids=["of some days", "of no partition"])
def test_a_planned_check_is_stored_as_dagster_stores_it(days, tmp_path):
    subset = DAYS.subset_with_partition_keys(days).to_serializable_subset() if days else None
    planned = dg.DagsterEvent(
        dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED.value,
        "job",
        step_key="checked",
        event_specific_data=AssetCheckEvaluationPlanned(
            asset_key=CHECKED, check_name="sound", partitions_subset=subset
        ),
    )
    event = dg.EventLogEntry(
        error_info=None, level=10, user_message="", run_id="r", timestamp=1.5e9, job_name="job", dagster_event=planned
    )
    ours = BatchingEventLog(str(tmp_path / "ours"))
    ours.store_event_batch([event])
    columns = [c for c in AssetCheckExecutionsTable.c if c.name not in ("id", "create_timestamp")]
    found = []
    for log in (ours, singly(tmp_path / "theirs", [event])):
        with log.index_connection() as connection:  # type: ignore[attr-defined]
            found.append(connection.execute(sa.select(*columns)).fetchall())
    assert found[0] == found[1]
    assert [row.partition for row in found[0]] == (days or [None])


def test_a_batch_of_several_runs_goes_to_each_run(good, bad, tmp_path):
    mixed = [event for pair in zip(good, bad, strict=False) for event in pair]
    ours = BatchingEventLog(str(tmp_path / "ours"))
    ours.store_event_batch(mixed)
    kept = [[e for e in mixed if e.run_id == run[0].run_id] for run in (good, bad)]
    assert said(ours, *kept)["logs"] == kept
    assert len(list((tmp_path / "ours").glob("*.db"))) == 3  # a file each, and the index


def test_dagsters_own_storage_reads_what_ours_wrote_and_the_other_way_round(good, bad, tmp_path):
    BatchingEventLog(str(tmp_path / "ours")).store_event_batch(good + bad)
    theirs = SqliteEventLogStorage(str(tmp_path / "ours"))
    assert said(theirs, good, bad)["logs"] == [good, bad]
    assert said(theirs, good, bad) == said(BatchingEventLog(str(tmp_path / "ours")), good, bad)

    singly(tmp_path / "theirs", good)
    assert said(BatchingEventLog(str(tmp_path / "theirs")), good)["logs"] == [good]


def test_both_can_write_by_turns(good, tmp_path):
    BatchingEventLog(str(tmp_path)).store_event_batch(good[:4])
    SqliteEventLogStorage(str(tmp_path)).store_event(good[4])
    ours = BatchingEventLog(str(tmp_path))
    ours.store_event_batch(good[5:])
    assert said(ours, good)["logs"] == [good]


def test_a_batch_that_fails_leaves_nothing(good, bad, tmp_path):
    ours = BatchingEventLog(str(tmp_path))
    ours.store_event_batch(bad)
    before = said(ours, bad)
    with pytest.raises(CheckError, match="EventLogEntry"):
        ours.store_event_batch([*good, "not an event"])  # type: ignore[list-item]
    assert said(ours, bad) == before
    assert ours.get_logs_for_run(good[0].run_id) == []
    assert ours.get_materialized_partitions(CHECKED) == set()

    ours.store_event_batch(good)  # and the storage still works
    assert said(ours, good)["logs"] == [good]
    ours.store_event(bad[0])
    assert len(ours.get_logs_for_run(bad[0].run_id)) == len(bad) + 1


def test_threads_do_not_mix_their_batches(tmp_path):
    runs = [events(checked, f"2013-06-0{n}", f"2013-06-0{n}") for n in range(1, 5)]
    ours = BatchingEventLog(str(tmp_path))
    failures: list[BaseException] = []

    def store(run: list[dg.EventLogEntry]) -> None:
        try:
            for start in range(0, len(run), 3):
                ours.store_event_batch(run[start : start + 3])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=store, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert said(ours, *runs)["logs"] == runs
    assert ours.get_materialized_partitions(CHECKED) == {f"2013-06-0{n}" for n in range(1, 5)}


def test_engines_are_bounded_and_nothing_is_lost_with_one(good, tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "ENGINES", 3)
    ours = BatchingEventLog(str(tmp_path))
    ours.store_event_batch(good)
    for n in range(5):
        assert ours.get_logs_for_run(f"run {n}") == []
    assert len(ours._engines) == 3
    assert said(ours, good)["logs"] == [good]


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("SIXTYFORTY_HOME", str(tmp_path))
    for name in ("SIXTYFORTY_PROFILE", "SIXTYFORTY_DATABASE_URL", "SIXTYFORTY_DVC_REMOTE"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_the_embedded_profile_keeps_dagster_below_its_home(settings, tmp_path):
    storage = ProfileStorage.from_config_value(None, {})
    assert isinstance(storage, EmbeddedStorage)
    assert isinstance(storage.event_log_storage, BatchingEventLog)
    assert (tmp_path / "data" / "dagster" / "storage").is_dir()
    assert ProfileStorage.config_type() == {}


def test_production_without_a_database_is_refused_by_name(settings):
    settings.setenv("SIXTYFORTY_PROFILE", "production")
    with pytest.raises(ProfileError, match="SIXTYFORTY_DATABASE_URL"):
        ProfileStorage.from_config_value(None, {})


def test_dagster_yaml_names_the_storage(settings, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    with dg.DagsterInstance.from_config(str(tmp_path / "home")) as instance:
        assert isinstance(instance.event_log_storage, BatchingEventLog)
        assert not instance.telemetry_enabled
        assert dg.materialize([checked], instance=instance, partition_key="2013-06-03").success
        assert instance.get_materialized_partitions(CHECKED) == {"2013-06-03"}
    with dg.DagsterInstance.from_config(str(tmp_path / "home")) as instance:
        assert instance.get_latest_materialization_event(CHECKED) is not None
