"""Find problems of Dagster to alert about: failed runs, and daemons, sensors or schedules that are silent or fail."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

from pipelines.authoring import catalog
from pipelines.runtime.stored_errors import PROCESS_ENDED, find_cause, read_safe_text
from sixtyforty.reports.alerts import Alert

if TYPE_CHECKING:
    import dagster as dg

    from pipelines.runtime.dagster_internals import InstigatorState

RECENT = timedelta(days=7)  # Older failed runs raise no alert.
LONGEST_RETRY_DELAY = 600.0  # Seconds. Dagster's daemon usually retries a failed run within half a minute.
SHORTEST_SILENCE = 120.0  # Seconds. A sensor or schedule that is silent for less time raises no alert.
DEFAULT_INTERVAL = 30  # Seconds between two evaluations of a sensor that declares no interval.
NEVER = 0.0
RETRY_TAG = "dagster/auto_retry_run_id"  # of a failed run: the id of its retry


@dataclass(frozen=True)
class Automation:
    """The names of the declared sensors and schedules, or None if the definitions can't be loaded.

    With None, every sensor and schedule in Dagster's storage is watched.
    """

    names: frozenset[str] | None

    @classmethod
    def declared(cls) -> Automation:
        """Return the names of the declared sensors and schedules. An undeclared one raises no alert if it is silent."""
        from pipelines.definitions import defs

        try:
            definitions = defs()
            automation = [*(definitions.sensors or []), *(definitions.schedules or [])]
        except Exception:  # Sensors may be silent because the code can't be loaded, so watch all in the storage.
            return cls(None)
        return cls(frozenset(definition.name for definition in automation))


def failed_runs(instance: dg.DagsterInstance, use_case: str, now: float) -> list[Alert]:
    """Return an alert for each cause of failed runs of a use case in the last 7 days, whoever started the runs.

    Runs of one job that fail in the same steps with errors of the same type have one cause. It is resolved when a later
    run of the same stages succeeds. A run that Dagster marks as one to retry raises no alert for LONGEST_RETRY_DELAY.
    After that, its retry must exist. The mark of a rejected partition is a failed run, too, but the
    rejected batch has its own alert. `now`: seconds since 1970.
    """
    import dagster as dg

    from pipelines.runtime.dagster_internals_events import MARK_TAG

    since = datetime.fromtimestamp(now, UTC) - RECENT
    names = catalog.list_use_cases()
    filters = [
        dg.RunsFilter(statuses=[status], updated_after=since)
        for status in (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS)
    ]
    failed, succeeded = (instance.get_run_records(filter_) for filter_ in filters)
    causes: dict[tuple[str, ...], list[dg.RunRecord]] = {}
    for record in failed:
        run = record.dagster_run
        is_own = use_case in _use_cases_of(run, names) and MARK_TAG not in run.tags
        if is_own and not _is_retried(record, now) and not any(_mends(later, record) for later in succeeded):
            causes.setdefault(_cause_of(instance, run), []).append(record)
    return [
        Alert("failed run", " ".join(cause), _describe_failures(instance, cause, records))
        for cause, records in causes.items()
    ]


def _is_retried(record: dg.RunRecord, now: float) -> bool:
    """Return whether a failed run has a retry, or failed so recently that Dagster's daemon may still retry it.

    Dagster retries only runs that its daemon can start again, so no run of `sixtyforty run`.
    """
    from pipelines.runtime.dagster_internals import WILL_RETRY_TAG

    run = record.dagster_run
    if RETRY_TAG in run.tags:
        return True
    if run.tags.get(WILL_RETRY_TAG) != "true" or run.remote_job_origin is None:
        return False
    return now - (record.end_time or 0.0) < LONGEST_RETRY_DELAY


def _mends(later: dg.RunRecord, failed: dg.RunRecord) -> bool:
    """Return whether a run that succeeded did the work of an earlier failed run: the same stages and partitions."""
    if later.dagster_run.job_name != failed.dagster_run.job_name:
        return False
    if (later.end_time or 0.0) <= (failed.end_time or 0.0):
        return False
    done, needed = later.dagster_run.asset_selection, failed.dagster_run.asset_selection
    if done and not (needed and needed <= done):
        return False
    first, last = _partitions_of(failed.dagster_run)
    later_first, later_last = _partitions_of(later.dagster_run)
    return later_first <= first and last <= later_last


def _partitions_of(run: dg.DagsterRun) -> tuple[str, str]:
    """Return the first and last partition of a run; two empty texts for a run without partitions."""
    from pipelines.runtime.dagster_internals import partition_range

    partition = run.tags.get("dagster/partition", "")
    return partition_range(run.tags) or (partition, partition)


def _cause_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> tuple[str, ...]:
    """Return what failed runs of one cause have in common: the job, and each failed step with its type of error."""
    import dagster as dg

    failures = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    steps = {
        f"{e.step_key} ({_name_error(e.dagster_event.step_failure_data.error)})" for e in failures if e.dagster_event
    }
    return (run.job_name, *sorted(steps))


def _reason_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Return why a run failed: the first text of an error that holds no data, or else where to read the error."""
    import dagster as dg

    records = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    errors = [find_cause(e.dagster_event.step_failure_data.error) for e in records if e.dagster_event]
    if text := next(filter(None, map(read_safe_text, errors)), ""):
        return text
    ends = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    if any(PROCESS_ENDED in str(record.dagster_event and record.dagster_event.message) for record in ends):
        return "Its process ended before the run had finished: it was killed, or the machine restarted. Run it again."
    return "The run's page in Dagster shows the error."


def _describe_failures(instance: dg.DagsterInstance, cause: Sequence[str], records: Sequence[dg.RunRecord]) -> str:
    newest = max(records, key=lambda record: record.end_time or 0.0).dagster_run
    where = f" in {', '.join(cause[1:])}" if cause[1:] else ""
    first, last = _partitions_of(newest)
    extent = f", partitions {first} to {last}" if first != last else f", partitions {first}" if first else ""
    count = f" {len(records)} runs failed for this cause." if len(records) > 1 else ""
    return f"run {newest.run_id[:8]} failed{where}{extent}.{count} {_reason_of(instance, newest)}"


def _use_cases_of(run: dg.DagsterRun, names: Iterable[str]) -> set[str]:
    """Return the names of the use cases that a run belongs to, or all names if it belongs to no use case."""
    owners = {key.path[0] for key in run.asset_selection or ()} | {run.job_name}
    matches = {name for name in names if name in owners or run.job_name.startswith(f"{name}_")}
    return matches or set(names)


def silent_automation(
    instance: dg.DagsterInstance, use_case: str, now: float, automation: Automation, max_silent_intervals: float
) -> list[Alert]:
    """Return an alert for each sensor or schedule that is silent or whose last evaluation failed, for one use case.

    If the daemon has no heartbeat, return only one alert about the daemon. `now`: seconds since 1970.
    """
    from pipelines.runtime.dagster_internals import unhealthy_daemons

    dead = unhealthy_daemons(instance, now)
    if dead:
        text = (
            f"Dagster's daemon has no heartbeat ({', '.join(dead)}): sensors, schedules and retries do not run."
            " Run: sixtyforty doctor."
        )
        return [Alert("automation silent", "daemon", text)]
    alerts = []
    for state in instance.all_instigator_state():
        is_declared = automation.names is None or state.name in automation.names
        if state.is_running and is_declared and _concerns(state.name, use_case):
            problem = _problem(instance, state, now, max_silent_intervals)
            if problem:
                alerts.append(Alert("automation silent", state.name, f"{state.name} {problem}"))
    return alerts


def _concerns(automation_name: str, use_case: str) -> bool:
    """Return whether a sensor or schedule belongs to a use case, or to no use case at all."""
    prefixes = (name for name in catalog.list_use_cases() if automation_name.startswith(f"{name}_"))
    return max(prefixes, key=len, default=None) in (None, use_case)


def _problem(
    instance: dg.DagsterInstance, state: InstigatorState, now: float, max_silent_intervals: float
) -> str | None:
    """Return the problem of a sensor or schedule, as text that follows its name in an alert. None: no problem."""
    # Ticks from before the clock was set back seem to be newer than the newest tick.
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, before=now + 1, limit=1)
    if ticks and ticks[0].status.name == "FAILURE":
        reason = read_safe_text(find_cause(ticks[0].error)) or "Its page in Dagster shows the error."
        return f"failed when it last ran ({_name_error(ticks[0].error)}). {reason}"
    settings: Any = state.instigator_data
    if settings is None:
        return None
    is_sensor = hasattr(settings, "min_interval")
    times = [
        ticks[0].timestamp if ticks else NEVER,
        getattr(settings, "last_tick_timestamp", None) or NEVER,
        (settings.last_sensor_start_timestamp if is_sensor else settings.start_timestamp) or NEVER,
    ]
    last_seen = max(time for time in (*times, NEVER) if time <= now + 1)
    if is_sensor:
        limit = max(SHORTEST_SILENCE, max_silent_intervals * (settings.min_interval or DEFAULT_INTERVAL))
    else:
        limit = longest_pause(settings.cron_schedule, now)
    if last_seen and now - last_seen > limit:
        return f"has been silent since {datetime.fromtimestamp(last_seen, UTC):%Y-%m-%d %H:%M} UTC."
    return None


def _name_error(error: Any) -> str:
    cause = find_cause(error)
    return str(cause.cls_name) if cause else "unknown"


def longest_pause(cron: str | Sequence[str], now: float) -> float:
    """Return how many seconds a schedule may be silent: the longest time between two of its due times, plus a margin.

    The margin is 25% plus SHORTEST_SILENCE. The 25% covers changes of daylight saving time. With several cron
    lines, the line with the shortest pause counts.
    """
    from pipelines.runtime.dagster_internals import cron_times

    pauses = []
    for line in [cron] if isinstance(cron, str) else cron:
        times = islice(cron_times(line, now), 10)
        pauses.append(max(after.timestamp() - before.timestamp() for before, after in pairwise(times)))
    return SHORTEST_SILENCE + 1.25 * min(pauses)


def is_switched_on(instance: dg.DagsterInstance, automation_name: str) -> bool:
    """Return whether a sensor or schedule is switched on."""
    return any(state.name == automation_name and state.is_running for state in instance.all_instigator_state())
