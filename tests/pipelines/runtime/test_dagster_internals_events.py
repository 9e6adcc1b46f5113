"""What the recorder of a stage's events makes Dagster show of published and rejected partitions and of their checks."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from pipelines.runtime import dagster_internals as internals
from pipelines.runtime.dagster_internals_events import MARK_TAG, REJECTED_TAG, EventRecorder
from tests.dagster_runs import open_instance

KEY = dg.AssetKey(["calls", "validated", "lines"])
CHECK = dg.AssetCheckKey(KEY, "contract")
PARTITIONS = dg.DailyPartitionsDefinition("2013-06-01", end_date="2013-06-08")
MONDAY, TUESDAY, WEDNESDAY = DAYS = ["2013-06-03", "2013-06-04", "2013-06-05"]


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with open_instance(tmp_path) as opened:
        yield opened


def record(
    instance: dg.DagsterInstance, rejected: Sequence[str], days: Sequence[str] = DAYS, tags: Mapping[str, str] = {}
) -> str:
    """Run a stage that rejects some of its days and publishes the others. Return the id of the run."""
    recorder = EventRecorder()

    @dg.multi_asset(
        specs=[dg.AssetSpec(KEY, partitions_def=PARTITIONS)],
        check_specs=[dg.AssetCheckSpec(CHECK.name, asset=KEY, partitions_def=PARTITIONS)],
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def lines(context: dg.AssetExecutionContext):
        published = [dg.AssetMaterialization(KEY, partition=day) for day in days if day not in rejected]
        observed = [dg.AssetObservation(KEY, f"{day}: rejected. Too few rows", partition=day) for day in rejected]
        checks = [
            dg.AssetCheckEvaluation(
                asset_key=KEY, check_name=CHECK.name, passed=day not in rejected, description="why", partition=day
            )
            for day in days
        ]
        recorder.record_materializations(context, published)
        recorder.record_rejections(context, observed)
        recorder.record_evaluations(context, checks)
        output = recorder.output_without_event()
        yield dg.Output(output.value, output_name="calls__validated__lines", metadata=output.metadata)
        yield dg.Output(None, output_name="calls__validated__lines_contract")

    run = dg.materialize([lines], instance=instance, tags=internals.partition_range_tags(days[0], days[-1]) | tags)
    assert run.success
    return run.run_id


def failed_days(instance: dg.DagsterInstance) -> list[str]:
    """Return the partitions that Dagster's pages show as failed."""
    status = get_and_update_asset_status_cache_value(instance, KEY, PARTITIONS)
    assert status is not None
    return list(status.deserialize_failed_partition_subsets(PARTITIONS).get_partition_keys())


def check_bar(instance: dg.DagsterInstance) -> dict[str, list[str]]:
    """Return the partitions of each status in the check's partition bar. Partitions in no status are missing."""
    states = instance.event_log_storage.get_asset_check_state([(CHECK, PARTITIONS)])
    subsets = states[CHECK].subsets
    return {s.name: list(subset.subset_value.get_partition_keys()) for s, subset in subsets.items() if subset.size}


def test_only_published_partitions_are_materialized(instance: dg.DagsterInstance) -> None:
    record(instance, [TUESDAY])
    assert instance.get_materialized_partitions(KEY) == {MONDAY, WEDNESDAY}
    records = instance.event_log_storage.get_asset_check_execution_history(CHECK, limit=5)
    (failed,) = [r.event for r in records if r.status == internals.AssetCheckExecutionRecordStatus.FAILED]
    assert failed is not None
    assert failed.user_message == "Asset check 'contract' of 'calls/validated/lines' failed. why"


def test_a_rejected_partition_is_failed_until_it_is_published(instance: dg.DagsterInstance) -> None:
    run_id = record(instance, [TUESDAY])
    assert failed_days(instance) == [TUESDAY]
    record(instance, [TUESDAY])
    assert failed_days(instance) == [TUESDAY]
    record(instance, [])
    assert failed_days(instance) == []
    run = instance.get_run_by_id(run_id)
    assert run is not None and run.tags[REJECTED_TAG] == f"validated/lines {TUESDAY}"


def test_a_partition_is_failed_after_a_bad_correction(instance: dg.DagsterInstance) -> None:
    record(instance, [])
    record(instance, [WEDNESDAY], [WEDNESDAY])
    assert failed_days(instance) == [WEDNESDAY]


def test_a_mark_says_why_and_is_not_retried(instance: dg.DagsterInstance) -> None:
    run_id = record(instance, [MONDAY, WEDNESDAY], tags={"dagster/backfill": "b"})
    (mark,) = instance.get_runs(dg.RunsFilter(tags={MARK_TAG: run_id[:8]}))
    assert mark.status == dg.DagsterRunStatus.FAILURE
    assert (mark.asset_selection, mark.tags["dagster/max_retries"]) == ({KEY}, "0")
    assert mark.tags["dagster/backfill"] == "b"
    assert internals.partition_range(mark.tags) == (MONDAY, WEDNESDAY)
    (failure,) = instance.all_logs(mark.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    assert failure.dagster_event is not None
    assert failure.dagster_event.message == (
        f"Rejected by run {run_id}:\n{MONDAY}: rejected. Too few rows\n{WEDNESDAY}: rejected. Too few rows"
    )


def test_a_rejected_partition_has_an_event_with_its_reason(instance: dg.DagsterInstance) -> None:
    record(instance, [TUESDAY])
    (stored,) = instance.fetch_observations(dg.AssetRecordsFilter(KEY, asset_partitions=[TUESDAY]), limit=5).records
    assert stored.asset_observation is not None
    assert stored.asset_observation.description == f"{TUESDAY}: rejected. Too few rows"


def test_a_check_shows_each_partition_as_passed_or_failed(instance: dg.DagsterInstance) -> None:
    record(instance, [TUESDAY])
    assert check_bar(instance) == {"SUCCEEDED": [MONDAY, WEDNESDAY], "FAILED": [TUESDAY]}
    record(instance, [WEDNESDAY], [WEDNESDAY])
    assert check_bar(instance) == {"SUCCEEDED": [MONDAY], "FAILED": [TUESDAY, WEDNESDAY]}
    record(instance, [])
    assert check_bar(instance) == {"SUCCEEDED": DAYS}
