"""What keeps Dagster's storage small and truthful: old logs go, and runs whose process is gone are said to have failed.

Per asset and partition the newest materialization stays, and the newest result of each check: Dagster's pages go on
showing what is there. Everything else of runs that ended long ago is deleted: growth is bounded by the partitions.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import sqlalchemy as sa
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable

from assets.portfolio import count
from assets.resources import Place
from pipelines.authoring import catalog
from pipelines.runtime.launcher import alive, last_seen
from pipelines.settings import profile

KEPT_DAYS = 30
ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
UNDERWAY = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def purge(instance: dg.DagsterInstance, before: datetime) -> dict[str, int]:
    """Deletes what runs that ended before that moment (UTC) logged, as the module says; returns how many runs.

    `deleted`: runs that are gone altogether; `emptied`: runs of which only what is in force is left.
    """
    log: Any = instance.event_log_storage
    in_force = _in_force(log)
    done = {"deleted": 0, "emptied": 0}
    for run_id in instance.get_run_ids(dg.RunsFilter(statuses=ENDED, updated_before=before)):
        if run_id in in_force:
            done["emptied"] += _empty(log, run_id)
        else:
            instance.delete_run(run_id)
            with log.index_connection() as connection:
                checks = AssetCheckExecutionsTable
                connection.execute(checks.delete().where(checks.c.run_id == run_id))
            _drop_shard(log, run_id)
            done["deleted"] += 1
        instance.compute_log_manager.delete_logs(prefix=[run_id])
    return done


def _in_force(log: Any) -> set[str]:
    """The runs that the newest materialization of a partition, or the newest result of a check, came from."""
    events, checks = SqlEventLogStorageTable, AssetCheckExecutionsTable
    materialized = (
        sa.select(sa.func.max(events.c.id))
        .where(events.c.dagster_event_type == dg.DagsterEventType.ASSET_MATERIALIZATION.value)
        .group_by(events.c.asset_key, events.c.partition)
    )
    checked = sa.select(sa.func.max(checks.c.id)).group_by(checks.c.asset_key, checks.c.check_name, checks.c.partition)
    with log.index_connection() as connection:
        return {
            *connection.scalars(sa.select(events.c.run_id).where(events.c.id.in_(materialized)).distinct()),
            *connection.scalars(sa.select(checks.c.run_id).where(checks.c.id.in_(checked)).distinct()),
        }


def _empty(log: Any, run_id: str) -> int:
    """Deletes a run's log but for the events of assets; returns 1, or 0 when that was done before."""
    if hasattr(log, "drop_shard"):  # SQLite keeps the events of assets apart, in an index
        return _drop_shard(log, run_id)
    events = SqlEventLogStorageTable
    kept = [dg.DagsterEventType.ASSET_MATERIALIZATION.value, dg.DagsterEventType.ASSET_CHECK_EVALUATION.value]
    rest = sa.or_(events.c.dagster_event_type.is_(None), events.c.dagster_event_type.not_in(kept))
    with log.index_connection() as connection:
        return int(connection.execute(events.delete().where(events.c.run_id == run_id, rest)).rowcount > 0)


def _drop_shard(log: Any, run_id: str) -> int:
    """Deletes the file in which SQLite keeps a run's log, if there is one."""
    return int(log.drop_shard(run_id)) if hasattr(log, "drop_shard") else 0


def reap(instance: dg.DagsterInstance, everything: bool = False) -> list[str]:
    """Says of runs under way whose process is gone that they failed; returns their ids.

    Run monitoring does so while the daemon is up; this is for whoever starts without one. A dead run would stay
    "started", and hold its place in the queue and the pools. `everything`: no process that could start a run is alive,
    so those still waiting for theirs are dead as well. One machine only, where a process is looked for; in a cluster
    nobody is said to be dead here: run monitoring asks for the run's lock.
    """
    if profile().name == "cluster":
        return []
    dead = []
    for run in instance.get_runs(dg.RunsFilter(statuses=UNDERWAY)):
        seen = last_seen(instance, run.run_id)
        if alive(*seen) if seen else not everything:
            continue
        instance.report_run_failed(run, "The process of this run is gone; it is tried again from the step it was in.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        dead.append(run.run_id)
    return dead


@dg.op(
    name="purge_old_logs",
    description="Deletes the logs of runs that ended long ago; what is in force stays.",
    config_schema={"days": dg.Field(int, default_value=KEPT_DAYS, description="Days after a run's end.")},
)
def _purge_old_logs(context: dg.OpExecutionContext, place: dg.ResourceParam[Place]) -> None:
    count(context.instance, place, catalog.names())  # how long they took is told for ever
    done = purge(context.instance, datetime.now(UTC) - timedelta(days=context.op_config["days"]))
    context.log.info(f"{done['deleted']} runs deleted, the logs of {done['emptied']} more")


@dg.job(name="housekeeping", executor_def=dg.in_process_executor, description="Keeps Dagster's storage small.")
def housekeeping() -> None:
    """Purges old logs."""
    _purge_old_logs()


nightly = dg.ScheduleDefinition(
    name="housekeeping_nightly",
    job=housekeeping,
    cron_schedule="40 3 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description=f"Keeps {KEPT_DAYS} days of run logs.",
)


def definitions() -> dg.Definitions:
    """The job and its schedule."""
    return dg.Definitions(jobs=[housekeeping], schedules=[nightly])
