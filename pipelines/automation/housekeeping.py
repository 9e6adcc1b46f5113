"""Maintain Dagster's storage: delete the logs of old runs, and mark runs as failed if their process has ended.

The purge of old runs spares the newest materialization of each partition of an asset and the newest result of each
check, because Dagster's pages show these. It also spares the marks of partitions that are still rejected. So the
storage grows with the number of partitions, not with the number of runs.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import sqlalchemy as sa

from assets.resources import ProjectHome
from assets.run_hours import FINISHED, record_run_hours
from pipelines.authoring import catalog
from pipelines.runtime.dagster_internals import AssetCheckExecutionsTable, SqlEventLogStorageTable
from pipelines.runtime.launcher import find_run_process
from pipelines.runtime.stored_errors import PROCESS_ENDED
from pipelines.settings import load_settings
from sixtyforty.lifecycle.retention import apply_retention
from sixtyforty.reports.verification import VerificationError, send_to_witness, verify_use_case
from sixtyforty.spec.clock import now
from sixtyforty.spec.draft import Draft
from sixtyforty.spec.errors import DeclarationError
from sixtyforty.spec.use_case import UseCase
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.security_log import has_security_log, open_security_log
from sixtyforty.storage.witness import read_heads, witness_address

RETENTION_DAYS = 30
UNDER_WAY = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
ASSET_EVENT_TYPES = [
    dg.DagsterEventType.ASSET_MATERIALIZATION.value,
    dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value,
    dg.DagsterEventType.ASSET_OBSERVATION.value,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION.value,
]
MATERIALIZATION_TYPES = [
    dg.DagsterEventType.ASSET_MATERIALIZATION.value,
    dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value,
]


@dataclass
class PurgedRuns:
    """How many runs a purge deleted (`deleted`), and from how many other runs it deleted only the log (`emptied`)."""

    deleted: int = 0
    emptied: int = 0


def purge_old_logs(instance: dg.DagsterInstance, before: datetime) -> PurgedRuns:
    """Delete the runs that ended before a time (UTC). Of a run that is still needed, delete only the log.

    A run is still needed if it holds the newest materialization of a partition or the newest result of a check. These
    events stay in its log. The mark of a partition that is still rejected is needed, too. Return how many runs were
    deleted, and from how many runs only the log was deleted.
    """
    event_log: Any = instance.event_log_storage
    in_force = _find_runs_with_newest_events(event_log)
    purged = PurgedRuns()
    for run_id in instance.get_run_ids(dg.RunsFilter(statuses=FINISHED, updated_before=before)):
        if run_id in in_force:
            purged.emptied += _delete_log_except_assets(event_log, run_id)
        else:
            instance.delete_run(run_id)
            with event_log.index_connection() as connection:
                checks = AssetCheckExecutionsTable
                connection.execute(checks.delete().where(checks.c.run_id == run_id))
            _delete_shard(event_log, run_id)
            purged.deleted += 1
        instance.compute_log_manager.delete_logs(prefix=[run_id])
    return purged


def _find_runs_with_newest_events(event_log: Any) -> set[str]:
    """Return the ids of the runs with the newest materialization of a partition or the newest result of a check.

    The newest run that was to materialize a partition counts, too: it may be the mark of a rejection.
    """
    events, checks = SqlEventLogStorageTable, AssetCheckExecutionsTable
    planned = (
        sa.select(sa.func.max(events.c.id))
        .where(events.c.dagster_event_type.in_(MATERIALIZATION_TYPES))
        .group_by(events.c.asset_key, events.c.partition)
    )
    materialized = (
        sa.select(sa.func.max(events.c.id))
        .where(events.c.dagster_event_type == dg.DagsterEventType.ASSET_MATERIALIZATION.value)
        .group_by(events.c.asset_key, events.c.partition)
    )
    checked = sa.select(sa.func.max(checks.c.id)).group_by(checks.c.asset_key, checks.c.check_name, checks.c.partition)
    with event_log.index_connection() as connection:
        return {
            *connection.scalars(sa.select(events.c.run_id).where(events.c.id.in_(materialized)).distinct()),
            *connection.scalars(sa.select(events.c.run_id).where(events.c.id.in_(planned)).distinct()),
            *connection.scalars(sa.select(checks.c.run_id).where(checks.c.id.in_(checked)).distinct()),
        }


def _delete_log_except_assets(event_log: Any, run_id: str) -> int:
    """Delete a run's log except its asset events. Return 1 if events were deleted, otherwise 0."""
    if hasattr(event_log, "drop_shard"):  # SQLite also stores asset events in an index, outside of the run's log
        return _delete_shard(event_log, run_id)
    events = SqlEventLogStorageTable
    others = sa.or_(events.c.dagster_event_type.is_(None), events.c.dagster_event_type.not_in(ASSET_EVENT_TYPES))
    with event_log.index_connection() as connection:
        return int(connection.execute(events.delete().where(events.c.run_id == run_id, others)).rowcount > 0)


def _delete_shard(event_log: Any, run_id: str) -> int:
    """Delete the SQLite file of a run's log. Return 1 if the file existed, otherwise 0."""
    return int(event_log.drop_shard(run_id)) if hasattr(event_log, "drop_shard") else 0


def fail_dead_runs(instance: dg.DagsterInstance, *, nothing_can_start: bool = False) -> list[str]:
    """Mark unfinished runs as failed if their process has ended. Return the ids of these runs.

    While the daemon is up, Dagster's run monitoring does this. Call this function when a command starts runs without
    the daemon. A dead run would otherwise stay "started", and occupy a slot of the run queue and of the pools.

    nothing_can_start: no process that could start a run is alive, so runs that still wait for a process are dead too.
    In a cluster no run is marked, because only run monitoring can check the processes of other machines.
    """
    if load_settings().profile == "cluster":
        return []
    dead = []
    for run in instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY)):
        last_seen = find_run_process(instance, run.run_id)
        may_live = last_seen.find() is not None if last_seen else not nothing_can_start
        if may_live:
            continue
        instance.report_run_failed(
            run, f"{PROCESS_ENDED} {run.run_id} ended. The daemon retries the run, unless a command started it."
        )
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        dead.append(run.run_id)
    return dead


@dg.op(
    name="purge_old_logs",
    description="Delete the logs of old runs, but not the newest materialization of a partition or result of a check.",
    config_schema={
        "days": dg.Field(int, default_value=RETENTION_DAYS, description="Days to keep a run's log after the run's end.")
    },
)
def _purge_old_logs(context: dg.OpExecutionContext, project_home: dg.ResourceParam[ProjectHome]) -> None:
    # Before the purge, because the logs hold the durations of the runs.
    record_run_hours(context.instance, project_home, catalog.list_use_cases())
    config: Mapping[str, int] = context.op_config
    purged = purge_old_logs(context.instance, datetime.now(UTC) - timedelta(days=config["days"]))
    context.log.info(
        f"housekeeping: purged logs (runs deleted: {purged.deleted}, logs emptied: {purged.emptied},"
        f" retention: {format_plural(config['days'], 'day')})"
    )


@dg.op(
    name="apply_retention",
    description="Delete extracts, deliveries and names that are older than the use cases declare, and old addresses.",
)
def _apply_retention(context: dg.OpExecutionContext, project_home: dg.ResourceParam[ProjectHome]) -> None:
    for use_case in _complete_use_cases():
        removed = apply_retention(project_home.workspace(use_case), now())
        context.log.info(
            f"retention {use_case.name}: applied ({format_plural(removed.landed_files, 'landed file')},"
            f" {format_plural(removed.delivered_files, 'delivered file')},"
            f" {format_plural(removed.delivered_rows, 'delivered row')},"
            f" {format_plural(removed.responses, 'name')} removed)"
        )
    delete_old_addresses()


def delete_old_addresses() -> None:
    """Delete the old addresses of clients in the security log and in the tables of the desk."""
    from desk import old_addresses

    settings = load_settings()
    if has_security_log(settings.database_url):
        old_addresses.delete_old_addresses(settings.database_url, now())
        with open_security_log(settings.database_url, settings.address_days) as log:
            log.delete_old_addresses()


@dg.op(
    name="verify_records",
    description="Verify all that is stored, by its hashes, and send the heads of the ledgers to the witness.",
    config_schema={
        "quick": dg.Field(bool, default_value=False, description="Leave out what takes longer with each day of data.")
    },
)
def _verify_records(context: dg.OpExecutionContext, project_home: dg.ResourceParam[ProjectHome]) -> None:
    config: Mapping[str, bool] = context.op_config
    differences = list[str]()
    for use_case in _complete_use_cases():
        ws = project_home.workspace(use_case)
        verification = verify_use_case(ws, quick=config["quick"], known_heads=read_heads(witness_address()))
        send_to_witness(verification)
        context.log.info(f"verification {use_case.name}: done ({verification.summary})")
        differences += [f"{use_case.name}: {difference}" for difference in verification.differences]
    if differences:  # the failed run is an alert
        raise VerificationError(" ".join(differences))


def _complete_use_cases() -> list[UseCase]:
    """Return the declared use cases, without drafts and without declarations that can't be read."""
    use_cases = []
    for name in catalog.list_use_cases():
        with suppress(DeclarationError):  # another alert names a broken declaration
            use_case = catalog.load_use_case(name)
            if not isinstance(use_case, Draft):
                use_cases.append(use_case)
    return use_cases


@dg.job(
    name="housekeeping",
    executor_def=dg.in_process_executor,
    description="Delete old logs and data whose retention has ended, then verify the records of the use cases.",
)
def housekeeping() -> None:
    """Delete old logs from Dagster's storage, apply the retention of each use case, and verify its records."""
    _purge_old_logs()
    _apply_retention()
    _verify_records()


nightly = dg.ScheduleDefinition(
    name="housekeeping_nightly",
    job=housekeeping,
    cron_schedule="40 3 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description=f"Waits for 03:40 UTC. Then it deletes the logs of runs that ended more than {RETENTION_DAYS} days ago,"
    " and data whose retention has ended. It verifies the records of the use cases. Each tick links to its run, whose"
    " log says what was deleted and verified.",
)


def definitions() -> dg.Definitions:
    """Return the housekeeping job and its nightly schedule."""
    return dg.Definitions(jobs=[housekeeping], schedules=[nightly])
