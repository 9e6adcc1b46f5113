"""Request runs for outstanding work: one run for each range of stale partitions that no run is processing.

Sensors store no state. `sixtyforty.lifecycle.stale_partitions` compares the data that exists with the data that should
exist. So the next evaluation of a sensor finds the work that a killed daemon or run left unfinished. Dagster ignores a
run key that it has seen before. A run key therefore consists of the hash of the work and the number of the attempt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import dagster as dg

from assets.resources import ProjectHome
from assets.stage import asset_key
from pipelines.runtime.dagster_internals import partition_range, partition_range_tags
from sixtyforty.lifecycle.stale_work import StaleWork, join_reasons
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase
from sixtyforty.spec.wording import format_plural
from sixtyforty.workspace import Workspace

# Tags of a Dagster run: the kind (data, responses, retrain, approval), the hash of the work, and in short why the run
# was requested. The log of the sensor's tick has the whole reason. The job of the run names the use case.
KIND_TAG = "sixtyforty/kind"
WORK_TAG = "sixtyforty/work"
WHY_TAG = "sixtyforty/why"
TRACK_TAG = "sixtyforty/track"
WHY_LENGTH = 60  # characters of a reason that fit in the list of runs

LIVE: Track = "live"
DATA_STAGES = ("features", "outcomes", "decisions", "delivery", "kpi_impact", "impact_report", "data_docs")
RESPONSE_STAGES = ("acceptance", "impact_report")
RETRAIN_STAGES = (
    *("training_set", "challenger", "backtest", "champion", "degradation", "break_even", "model_record"),
    "data_docs",
)
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
FIRST_RETRY_SECONDS = 15  # wait after the first failed run; each further failure of the same work doubles the wait
LONGEST_RETRY_SECONDS = 3600


@dataclass
class RequestedRuns:
    """The runs that a sensor requests, each with its reason, and why it requests no run yet for other partitions."""

    requests: list[dg.RunRequest] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class NextAttempt:
    """How many runs have attempted a piece of work, and why the next run must wait (None: it may start now)."""

    number: int
    wait_reason: str | None


def request_catch_up(
    use_case: UseCase, instance: dg.DagsterInstance, kind: str, stale: StaleWork, stages: Sequence[str], now: datetime
) -> RequestedRuns:
    """Request a run for each range of stale partitions that no run is processing.

    kind: data or responses. stale: the stale partitions, with reasons. now: the current time, UTC, naive.
    """
    requested, ranges = RequestedRuns(), stale.ranges()
    busy = _busy_ranges(use_case, instance, kind) if ranges else []
    for first, last in ranges:
        days = _name_range(first, last)
        reasons, work = join_reasons(stale.reasons_for(first, last)), stale.work_key(first, last)
        if any(first <= busy_last and busy_first <= last for busy_first, busy_last in busy):
            requested.waiting.append(
                f"{_name_range(first, last)}: waits for the run that is processing these partitions"
            )
            continue
        attempt = find_next_attempt(instance, work)
        if attempt.wait_reason:
            requested.waiting.append(f"{days}: {attempt.wait_reason} ({reasons})")
            continue
        sources = [f"{stage}/{source}" for source in sorted(stale.sources) for stage in ("raw", "validated")]
        tags = {WORK_TAG: work, WHY_TAG: _shorten(reasons), **partition_range_tags(first, last)}
        run_key = f"{work}-{attempt.number}"
        requested.reasons.append(f"{days}: {reasons}")
        requested.requests.append(request_run(use_case, kind, [*sources, *stages], now, run_key, tags))
    return requested


def refusal_of_runs(ws: Workspace) -> str | None:
    """Return why the use case can't run, or None if it can.

    The use case can't run after an edit of its timezone, its partitions, a source's key or the units' key.
    """
    from sixtyforty.lifecycle.fixed_parts import describe_changes, find_changed_parts

    changes = find_changed_parts(ws)
    return describe_changes(ws, changes) if changes else None


def data_stages(use_case: UseCase) -> list[str]:
    """Return the stages to run after new data: DATA_STAGES, and the optional stages that the use case declares.

    The step that builds the Data Docs is the last one of the run, so decisions and their delivery don't wait for it.
    """
    review = ["review_queue"] if use_case.people.review else []
    gate = ["stage_gate"] if use_case.stages else []
    answers = ["acceptance"] if use_case.people.responses else []  # otherwise what people did would be outdated
    return [*DATA_STAGES, *review, *answers, *gate]


def request_retrain(
    use_case: UseCase, project_home: ProjectHome, instance: dg.DagsterInstance, now: datetime, why: str
) -> dg.RunRequest | dg.SkipReason:
    """Request a training with the data known today (local date).

    Return the reason to skip the training if another training is running, nothing is new, or a retry must wait.
    """
    from sixtyforty.lifecycle.champions import reason_to_skip_training

    if _find_runs(instance, {KIND_TAG: "retrain"}, UNFINISHED, use_case.name):
        return dg.SkipReason("a training is running")
    today, ws = local_date(use_case, now), project_home.workspace(use_case)
    reason = refusal_of_runs(ws) or ws.stage_ledger.end_reason_at(now) or reason_to_skip_training(ws, today)
    if reason:
        return dg.SkipReason(reason)
    work = f"retrain-{use_case.name}-{today}"
    attempt = find_next_attempt(instance, work)
    if attempt.wait_reason:
        return dg.SkipReason(f"training of {today}: {attempt.wait_reason}")
    tags = {WORK_TAG: work, WHY_TAG: why}
    return request_run(use_case, "retrain", RETRAIN_STAGES, now, f"{work}-{attempt.number}", tags)


def request_run(
    use_case: UseCase, kind: str, stages: Sequence[str], now: datetime, run_key: str, tags: Mapping[str, str]
) -> dg.RunRequest:
    """Return Dagster's request for a run of some stages of a use case on the live track.

    now: the run takes the decisions due at or before this time (naive UTC).
    """
    clock = {"track": LIVE, "as_of": now.isoformat(timespec="seconds")}
    # The sensor's next evaluation requests failed work again, with newer data, so Dagster need not retry the run.
    common = {KIND_TAG: kind, TRACK_TAG: LIVE, "dagster/max_retries": "0"}
    return dg.RunRequest(
        run_key=run_key,
        job_name=use_case.name,
        asset_selection=[asset_key(use_case.name, stage) for stage in stages],
        run_config={"resources": {"clock": {"config": clock}}, "loggers": {"console": {}}},
        tags={**common, **tags},
    )


def list_remaining_work(ws: Workspace, instance: dg.DagsterInstance, now: datetime) -> list[str]:
    """Return a sentence for each range of partitions that a run must still process.

    now: the current time (UTC, naive). Work that a run has completed is left out. The list is
    empty when everything is up to date.
    """
    from sixtyforty.lifecycle.stale_partitions import find_stale_partitions, find_stale_responses

    return [
        join_reasons(stale.reasons_for(first, last))
        for stale in (find_stale_partitions(ws, LIVE, now), find_stale_responses(ws, LIVE, now))
        for first, last in stale.ranges()
        if not _is_done(instance, stale.work_key(first, last))
    ]


def find_next_attempt(instance: dg.DagsterInstance, work: str) -> NextAttempt:
    """Return how many runs have attempted some work, and the reason why the next run must wait, if any.

    work: the value of the tag WORK_TAG. Each failure doubles the wait. Completed work is not attempted again.
    """
    records = _find_runs(instance, {WORK_TAG: work})
    if _is_done(instance, work):
        return NextAttempt(len(records), "a run has completed this work; the run's asset checks show the results")
    if not records:
        return NextAttempt(0, None)
    ended = max(record.end_time or record.update_timestamp.timestamp() for record in records)
    pause = min(FIRST_RETRY_SECONDS * 2 ** (len(records) - 1), LONGEST_RETRY_SECONDS)
    # If the clock was set back, a run may have ended in the future.
    seconds = min(ended - datetime.now().timestamp(), 0.0) + pause
    failures = format_plural(len(records), "time")
    wait_reason = f"failed {failures}, next attempt in {seconds:.0f} s" if seconds > 0 else None
    return NextAttempt(len(records), wait_reason)


def local_date(use_case: UseCase, now: datetime) -> date:
    """Return the current date in the use case's timezone. now: the current time (UTC, naive)."""
    return now.replace(tzinfo=UTC).astimezone(use_case.zone).date()


def _busy_ranges(use_case: UseCase, instance: dg.DagsterInstance, kind: str) -> list[tuple[str, str]]:
    """Return the first and last partition of each unfinished run of one kind. kind: `data` or `responses`."""
    records = _find_runs(instance, {KIND_TAG: kind}, UNFINISHED, use_case.name)
    ranges = (partition_range(record.dagster_run.tags) for record in records)
    return [busy for busy in ranges if busy]


def _find_runs(
    instance: dg.DagsterInstance,
    tags: Mapping[str, str],
    statuses: Sequence[dg.DagsterRunStatus] | None = None,
    job_name: str | None = None,
) -> list[dg.RunRecord]:
    runs = dg.RunsFilter(job_name=job_name, tags=dict(tags), statuses=statuses)
    return list(instance.get_run_records(runs))


def _name_range(first: str, last: str) -> str:
    return first if first == last else f"{first} to {last}"


def _shorten(reason: str) -> str:
    return reason if len(reason) <= WHY_LENGTH else f"{reason[: WHY_LENGTH - 1].rstrip()}…"


def _is_done(instance: dg.DagsterInstance, work: str) -> bool:
    return bool(_find_runs(instance, {WORK_TAG: work}, [dg.DagsterRunStatus.SUCCESS]))
