"""Write a stage's events to Dagster's event log, with private Dagster names. See `dagster_internals` for all others."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION
from dagster._core.events import AssetMaterializationPlannedData, DagsterEventBatchMetadata, generate_event_batch_id
from dagster._core.storage.tags import BACKFILL_ID_TAG, MAX_RETRIES_TAG, PARTITION_NAME_TAG
from dagster_shared.record import copy

from pipelines.runtime.dagster_internals import new_run_id, partition_range_tags

# Tag of a run with rejected partitions: the stage and its rejected partitions. The failed run that marks a rejection
# in Dagster has the tag MARK_TAG instead: the short id of the run that rejected the partitions.
REJECTED_TAG = "sixtyforty/rejected"
MARK_TAG = "sixtyforty/rejected_by"
RUN_ID_LENGTH = 8  # characters of a run's id that Dagster's pages show
NAMED_PARTITIONS = 5  # a run's tag and a mark's message name at most this many rejected partitions
MESSAGE_LENGTH = 4000  # characters of a mark's message


class EventRecorder:
    """Record a stage's published and rejected partitions, and its check results, in Dagster's event log.

    Purpose: a run processes a range of partitions in one step, and Dagster would mark every partition of the range as
    materialized, published or not. If Dagster removes a private name: yield one `dg.MaterializeResult` or
    `dg.AssetCheckResult` per published partition, once Dagster accepts fewer results than partitions. Uses
    `DagsterEvent.asset_materialization`, `DagsterEvent.asset_observation`, `DagsterEvent.from_step`, the planned
    materialization of a failed run, and the batch metadata of all of them.
    """

    def record_materializations(
        self, context: dg.AssetExecutionContext, materializations: Sequence[dg.AssetMaterialization]
    ) -> None:
        """Store in one batch the events which say that the step has published partitions."""
        step = context.get_step_execution_context()
        for event, batch in _batched(materializations, generate_event_batch_id()):
            dg.DagsterEvent.asset_materialization(step, event, batch)

    def record_rejections(self, context: dg.AssetExecutionContext, rejections: Sequence[dg.AssetObservation]) -> None:
        """Make Dagster show partitions of the step's asset as failed, each with the reason of its rejection.

        rejections: one observation for each rejected partition, all of one asset; the description is the reason.

        Dagster shows a partition as failed only if the newest run that was to materialize it has failed. The step's
        own run goes on with the other partitions and succeeds. So this method also stores a failed run that stands for
        the rejection. A later materialization of the partition makes it green again.
        """
        if not rejections:
            return
        step = context.get_step_execution_context()
        for event, batch in _batched(rejections, generate_event_batch_id()):
            dg.DagsterEvent.asset_observation(step, event, batch)
        partitions = [observation.partition for observation in rejections if observation.partition]
        stage = "/".join(rejections[0].asset_key.path[1:])
        context.instance.add_run_tags(context.run.run_id, {REJECTED_TAG: f"{stage} {_name(partitions)}".strip()})
        _mark_as_failed(context, rejections, partitions)

    def record_evaluations(
        self, context: dg.AssetExecutionContext, evaluations: Sequence[dg.AssetCheckEvaluation]
    ) -> None:
        """Store the check results of the step: in one batch if the event log supports batches, else one by one.

        Each result names the newest materialization of its partition. Dagster shows a result without it as missing.
        """
        step = context.get_step_execution_context()
        supports_batches = getattr(context.instance.event_log_storage, "batches_checks", False)
        for event, batch in _batched(_name_targets(context, evaluations), generate_event_batch_id()):
            dg.DagsterEvent.from_step(
                dg.DagsterEventType.ASSET_CHECK_EVALUATION,
                step,
                event,
                _message_of(event),
                batch if supports_batches else None,
            )

    def output_without_event(self) -> dg.Output[None]:
        """Return a step output for which Dagster records no materialization, but after which the next stage runs."""
        return dg.Output(None, metadata={SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True})


def _mark_as_failed(
    context: dg.AssetExecutionContext, rejections: Sequence[dg.AssetObservation], partitions: Sequence[str]
) -> None:
    """Store a failed run that was to materialize the rejected partitions. Its message holds the reasons.

    The run has no process. People can start it again from its page, after a correction has landed. Dagster itself must
    not retry it. If a backfill started the step's run, the backfill lists this run too.
    """
    run, instance, step_key = context.run, context.instance, context.get_step_execution_context().step.key
    asset_key = rejections[0].asset_key
    tags = {MARK_TAG: run.run_id[:RUN_ID_LENGTH], MAX_RETRIES_TAG: "0"}
    if BACKFILL_ID_TAG in run.tags:
        tags[BACKFILL_ID_TAG] = run.tags[BACKFILL_ID_TAG]
    if len(partitions) == 1:
        tags[PARTITION_NAME_TAG] = partitions[0]
    elif partitions:
        tags |= partition_range_tags(min(partitions), max(partitions))
    mark = instance.add_run(
        copy(
            run,
            run_id=new_run_id(),
            status=dg.DagsterRunStatus.NOT_STARTED,
            tags=tags,
            asset_selection=frozenset({asset_key}),
            asset_check_selection=None,
            step_keys_to_execute=[step_key],
            parent_run_id=None,
            root_run_id=None,
            partitions_subset=None,
        )
    )
    planned = [
        dg.DagsterEvent.build_asset_materialization_planned_event(
            run.job_name, step_key, AssetMaterializationPlannedData(asset_key, observation.partition, None)
        )
        for observation in rejections
    ]
    for event, batch in _batched(planned, generate_event_batch_id()):
        instance.report_dagster_event(event, mark.run_id, batch_metadata=batch)
    reasons = "\n".join(str(observation.description) for observation in rejections)
    instance.report_run_failed(mark, f"Rejected by run {run.run_id}:\n{reasons}"[:MESSAGE_LENGTH])


def _name(partitions: Sequence[str]) -> str:
    """Return the names of the first partitions, and how many others there are."""
    others = len(partitions) - NAMED_PARTITIONS
    return ", ".join(partitions[:NAMED_PARTITIONS]) + (f" and {others:,} more" if others > 0 else "")


def _batched(events: Sequence[Any], batch_id: str) -> Iterator[tuple[Any, DagsterEventBatchMetadata]]:
    """Yield each event with its batch metadata. The metadata of the last event marks the end of the batch."""
    for number, event in enumerate(events, 1):
        yield event, DagsterEventBatchMetadata(batch_id, number == len(events))


def _message_of(evaluation: dg.AssetCheckEvaluation) -> str:
    outcome = "passed" if evaluation.passed else "failed"
    message = f"Asset check '{evaluation.check_name}' of '{evaluation.asset_key.to_user_string()}' {outcome}."
    return f"{message} {evaluation.description}" if evaluation.description else message


def _name_targets(
    context: dg.AssetExecutionContext, evaluations: Sequence[dg.AssetCheckEvaluation]
) -> list[dg.AssetCheckEvaluation]:
    """Return check results of one asset, each of a partition with the newest materialization of its partition.

    A check passes only on a partition that its run has published. A failed result may be about a rejected partition,
    whose newest materialization is of an earlier run.
    """
    partitions = {evaluation.partition for evaluation in evaluations if evaluation.partition}
    if not partitions:
        return list(evaluations)
    asset_key, instance = evaluations[0].asset_key, context.instance
    newest = instance.get_latest_storage_id_by_partition(
        asset_key, dg.DagsterEventType.ASSET_MATERIALIZATION, partitions
    )
    failed = [newest[e.partition] for e in evaluations if not e.passed and e.partition in newest]
    records = {}
    if failed:
        stored = dg.AssetRecordsFilter(asset_key, storage_ids=failed)
        records = {r.storage_id: r for r in instance.fetch_materializations(stored, limit=len(failed)).records}

    def target_of(partition: str | None) -> AssetCheckEvaluationTargetMaterializationData | None:
        storage_id = newest.get(partition) if partition else None
        if storage_id is None:
            return None
        record = records.get(storage_id)
        run_id, timestamp = (record.run_id, record.timestamp) if record else (context.run.run_id, time.time())
        return AssetCheckEvaluationTargetMaterializationData(storage_id=storage_id, run_id=run_id, timestamp=timestamp)

    return [copy(e, target_materialization_data=target_of(e.partition)) for e in evaluations]
