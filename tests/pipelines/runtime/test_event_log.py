"""Dagster's event log in batches: it stores what single events would have stored, or nothing."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.storage.event_log.base import EventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from pipelines.runtime import event_log
from pipelines.runtime.dagster_internals import AssetCheckExecutionsTable, partition_range_tags
from pipelines.runtime.event_log import BatchingEventLog

DAYS = dg.DailyPartitionsDefinition("2013-06-01", end_date="2013-06-06")
CHECKED = dg.AssetKey("checked")
CHECK_COLUMNS = [c for c in AssetCheckExecutionsTable.c if c.name not in ("id", "create_timestamp")]


@dg.asset(
    name="checked",
    partitions_def=DAYS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    check_specs=[dg.AssetCheckSpec("sound", asset="checked")],
)
def checked(context) -> Any:  # type: ignore[no-untyped-def]
    """Materialize several days at once, with a check."""
    context.log.info("a line of the log")
    yield dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=False, check_name="sound")])


@dg.asset
def broken() -> None:
    """Fail."""
    raise RuntimeError("out of paper")


def events_of(asset: dg.AssetsDefinition, first: str = "", last: str = "") -> list[dg.EventLogEntry]:
    """Return the log of a run of the asset over these days."""
    tags = partition_range_tags(first, last) if first else {}
    with dg.DagsterInstance.ephemeral() as instance:
        run = dg.materialize([asset], instance=instance, tags=tags, raise_on_error=False)
        return instance.all_logs(run.run_id)


@pytest.fixture(scope="module")
def good_run() -> list[dg.EventLogEntry]:
    return events_of(checked, "2013-06-01", "2013-06-05")


@pytest.fixture(scope="module")
def failed_run() -> list[dg.EventLogEntry]:
    return events_of(broken)


def contents(log: EventLogStorage, *runs: Sequence[dg.EventLogEntry]) -> dict[str, Any]:
    """Return all that a storage knows of these runs and of the asset."""
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


def stored_by_dagster(folder: Path, *runs: Sequence[dg.EventLogEntry]) -> SqliteEventLogStorage:
    """Return Dagster's own storage with the events of these runs, stored one at a time."""
    storage = SqliteEventLogStorage(str(folder))
    for run in runs:
        for event in run:
            storage.store_event(event)
    return storage


def entry_of(event: dg.DagsterEvent, second: int = 0) -> dg.EventLogEntry:
    return dg.EventLogEntry(
        error_info=None,
        level=10,
        user_message="",
        run_id="r",
        timestamp=1.5e9 + second,
        job_name="job",
        dagster_event=event,
    )


def planned_check(days: Sequence[str] | None) -> dg.EventLogEntry:
    """Return the event that a run is going to evaluate the check: on these days, or without partitions."""
    subset = None if days is None else DAYS.subset_with_partition_keys(days).to_serializable_subset()
    plan = AssetCheckEvaluationPlanned(asset_key=CHECKED, check_name="sound", partitions_subset=subset)
    return entry_of(
        dg.DagsterEvent(
            dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED.value,
            "job",
            step_key="checked",
            event_specific_data=plan,
        )
    )


def evaluated_check(partition: str | None, passed: bool, number: int) -> dg.EventLogEntry:
    evaluation = dg.AssetCheckEvaluation(
        asset_key=CHECKED, check_name="sound", passed=passed, metadata={"n": number}, partition=partition
    )
    event = dg.DagsterEvent("ASSET_CHECK_EVALUATION", "job", step_key="checked", event_specific_data=evaluation)
    return entry_of(event, number)


def check_rows(log: Any) -> list[Any]:
    with log.index_connection() as connection:
        query = sa.select(*CHECK_COLUMNS).order_by(AssetCheckExecutionsTable.c.id)
        return list(connection.execute(query).fetchall())


def test_a_batch_is_stored_like_single_events(good_run, failed_run, tmp_path):
    batching = BatchingEventLog(str(tmp_path / "batching"))
    batching.store_event_batch(good_run)
    batching.store_event_batch(failed_run)
    dagster = stored_by_dagster(tmp_path / "dagster", good_run, failed_run)
    stored = contents(batching, good_run, failed_run)
    assert stored == contents(dagster, good_run, failed_run)
    assert stored["logs"] == [good_run, failed_run]
    assert stored["partitions"] == {f"2013-06-0{n}" for n in range(1, 6)}
    assert len(stored["materializations"]) == 5
    assert [status.value for status, *_ in stored["checks"]].count("FAILED") == 1


@pytest.mark.parametrize(
    "days", [["2013-06-01", "2013-06-02", "2013-06-03"], ["2013-06-01"], []], ids=["all planned", "some", "none"]
)
def test_evaluations_in_a_batch_are_stored_like_single_ones(days, tmp_path):
    batch = [evaluated_check(f"2013-06-0{n}", n != 2, n) for n in (1, 2, 3)] + [evaluated_check(None, True, 4)]
    batching = BatchingEventLog(str(tmp_path / "batching"))
    batching.store_event_batch([planned_check(days)])
    batching.store_event_batch(batch)
    rows = check_rows(batching)
    assert rows == check_rows(stored_by_dagster(tmp_path / "dagster", [planned_check(days), *batch]))
    assert [(r.partition, r.execution_status) for r in sorted(rows, key=lambda r: r.partition or "")] == [
        (None, "SUCCEEDED"),
        ("2013-06-01", "SUCCEEDED"),
        ("2013-06-02", "FAILED"),
        ("2013-06-03", "SUCCEEDED"),
    ]


def test_a_result_without_a_plan_does_not_make_planned_results_be_stored_one_by_one(tmp_path, monkeypatch):
    stored_alone = []
    monkeypatch.setattr(BatchingEventLog, "store_evaluation", lambda _, event, __: stored_alone.append(event))
    batching = BatchingEventLog(str(tmp_path))
    batching.store_event_batch([planned_check(["2013-06-01", "2013-06-02"])])
    without_plan = evaluated_check(None, True, 3)
    batching.store_event_batch(
        [evaluated_check("2013-06-01", True, 1), without_plan, evaluated_check("2013-06-02", True, 2)]
    )
    assert stored_alone == [without_plan]


@pytest.mark.parametrize("days", [["2013-06-01", "2013-06-03"], None], ids=["of some days", "of no partition"])
def test_a_planned_check_is_stored_as_dagster_stores_it(days, tmp_path):
    batching = BatchingEventLog(str(tmp_path / "batching"))
    batching.store_event_batch([planned_check(days)])
    rows = check_rows(batching)
    assert rows == check_rows(stored_by_dagster(tmp_path / "dagster", [planned_check(days)]))
    assert [row.partition for row in rows] == (days or [None])


def test_a_batch_of_several_runs_goes_to_each_run(good_run, failed_run, tmp_path):
    mixed = [event for pair in zip(good_run, failed_run, strict=False) for event in pair]
    batching = BatchingEventLog(str(tmp_path / "batching"))
    batching.store_event_batch(mixed)
    by_run = [[e for e in mixed if e.run_id == run[0].run_id] for run in (good_run, failed_run)]
    assert contents(batching, *by_run)["logs"] == by_run
    assert len(list((tmp_path / "batching").glob("*.db"))) == 3  # a file each, and the index


def test_dagster_reads_what_the_batching_log_wrote_and_the_other_way_round(good_run, failed_run, tmp_path):
    BatchingEventLog(str(tmp_path / "batching")).store_event_batch(good_run + failed_run)
    dagster = SqliteEventLogStorage(str(tmp_path / "batching"))
    assert contents(dagster, good_run, failed_run)["logs"] == [good_run, failed_run]
    reopened = BatchingEventLog(str(tmp_path / "batching"))
    assert contents(dagster, good_run, failed_run) == contents(reopened, good_run, failed_run)

    stored_by_dagster(tmp_path / "dagster", good_run)
    assert contents(BatchingEventLog(str(tmp_path / "dagster")), good_run)["logs"] == [good_run]


def test_both_can_write_by_turns(good_run, tmp_path):
    BatchingEventLog(str(tmp_path)).store_event_batch(good_run[:4])
    SqliteEventLogStorage(str(tmp_path)).store_event(good_run[4])
    batching = BatchingEventLog(str(tmp_path))
    batching.store_event_batch(good_run[5:])
    assert contents(batching, good_run)["logs"] == [good_run]


@pytest.mark.parametrize("method", ["store_tags", "_store_evaluations"], ids=["at the assets", "at the checks"])
def test_a_batch_that_fails_stores_nothing(good_run, failed_run, method, tmp_path, monkeypatch):
    batching = BatchingEventLog(str(tmp_path))
    batching.store_event_batch(failed_run)
    before = contents(batching, failed_run)
    asset_events = [event for event in good_run if event_log._is_about_assets(event)]

    def fail(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(batching, method, fail)
        with pytest.raises(OSError, match="disk full"):
            batching.store_event_batch(asset_events)
    assert contents(batching, failed_run) == before
    assert batching.get_logs_for_run(good_run[0].run_id) == []
    assert batching.get_materialized_partitions(CHECKED) == set()

    batching.store_event_batch(good_run)  # the storage still works
    assert contents(batching, good_run)["logs"] == [good_run]
    batching.store_event(failed_run[0])
    assert len(batching.get_logs_for_run(failed_run[0].run_id)) == len(failed_run) + 1


def test_threads_do_not_mix_their_batches(tmp_path):
    runs = [events_of(checked, f"2013-06-0{n}", f"2013-06-0{n}") for n in range(1, 5)]
    batching = BatchingEventLog(str(tmp_path))
    failures: list[BaseException] = []

    def store(run: list[dg.EventLogEntry]) -> None:
        try:
            for start in range(0, len(run), 3):
                batching.store_event_batch(run[start : start + 3])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=store, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert contents(batching, *runs)["logs"] == runs
    assert batching.get_materialized_partitions(CHECKED) == {f"2013-06-0{n}" for n in range(1, 5)}


def test_open_engines_are_bounded_and_nothing_is_lost_with_a_closed_one(good_run, tmp_path, monkeypatch):
    monkeypatch.setattr(event_log, "OPEN_ENGINES", 3)
    batching = BatchingEventLog(str(tmp_path))
    batching.store_event_batch(good_run)
    for n in range(5):
        assert batching.get_logs_for_run(f"run {n}") == []
    assert len(batching._engines) == 3
    assert contents(batching, good_run)["logs"] == [good_run]


def test_a_dropped_shard_takes_the_log_and_leaves_the_asset_events(good_run, tmp_path):
    batching = BatchingEventLog(str(tmp_path))
    batching.store_event_batch(good_run)
    run_id = good_run[0].run_id
    assert batching.drop_shard(run_id)
    assert not batching.drop_shard(run_id)
    assert batching.get_logs_for_run(run_id) == []
    assert len(batching.get_materialized_partitions(CHECKED)) == 5
