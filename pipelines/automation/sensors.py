"""What runs by itself: a sensor for data and due decisions, one for approvals and decay, the nightly retrain, digests.

Ordinary sensors and a schedule. Their state is what lies in the lake: each look compares it anew, so nothing hangs on a
cursor and what a dead daemon or run left undone is found. A run key that Dagster has seen is dropped for ever, so ours
is the work's own hash and the number of the attempt.
"""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from assets.resources import Place
from sixtyforty.spec.clock import now
from sixtyforty.spec.use_case import UseCase
from sixtyforty.workspace import Workspace

CASE, KIND, WORK = "sixtyforty/use_case", "sixtyforty/kind", "sixtyforty/work"
LIVE = "live"
DATA = ("features", "outcomes", "decisions", "delivery", "kpi_impact", "impact_report")
PEOPLE = ("acceptance", "impact_report")
RETRAIN = ("training_set", "challenger", "backtest", "champion", "degradation", "break_even", "model_record")
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
BACKOFF = 15, 3600  # seconds after the first failure, and at most


def of(use_case: UseCase) -> dg.Definitions:
    """The sensors and the schedule of a use case. They are off until someone who runs it turns them on."""
    schedules = [_nightly(use_case)] if use_case.automation.retrain_cron else []
    digests = [_digests(use_case)] if use_case.subscriptions else []
    return dg.Definitions(sensors=[_new_data(use_case), _retrain(use_case), *digests], schedules=schedules)


def _new_data(use_case: UseCase) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"{use_case.name}_new_data",
        job_name=use_case.name,
        minimum_interval_seconds=1,
        description="New, changed and late extracts, days that closed, decisions that have come due, responses to them:"
        " one run a range of days, none for a day that a run is already at.",
    )
    def sensor(context: dg.SensorEvaluationContext, place: dg.ResourceParam[Place]) -> Any:
        from sixtyforty.lifecycle.catch_up import heard, look

        moment, ws, turn = now(), place.workspace(use_case), int(context.cursor or 0)
        context.update_cursor(f"{turn + 1}")  # lost, it begins anew: it says no more than which stretch is next
        asked, told = [], list[str]()
        for kind, found, stages in (
            ("data", look(ws, LIVE, moment, turn), (*DATA, *_more(use_case))),
            ("responses", heard(ws, LIVE, moment, turn), PEOPLE),
        ):
            for trouble in found.unreachable.values():
                context.log.error(trouble)
            requests, waiting = _catch_up(use_case, context.instance, kind, found, stages, moment)
            asked += requests
            told += [*found.unreachable.values(), *waiting]
        return asked or dg.SkipReason("; ".join(told) or "everything that has landed is in, what is due is decided")

    return sensor


def _more(use_case: UseCase) -> list[str]:
    """What follows new data beside DATA, where it is declared."""
    return [*(["review_queue"] if use_case.people.review else []), *(["stage_gate"] if use_case.stages else [])]


def _catch_up(
    use_case: UseCase, instance: dg.DagsterInstance, kind: str, found: Any, stages: Sequence[str], moment: datetime
) -> tuple[list[dg.RunRequest], list[str]]:
    """A run a range that is behind, and what is said of the ranges that wait."""
    from sixtyforty.lifecycle.catch_up import summary

    busy = [_days(r) for r in _runs(instance, {CASE: use_case.name, KIND: kind}, UNFINISHED)] if found.ranges() else []
    asked, told = [], []
    for first, last in found.ranges():
        why, work = summary(found.reasons(first, last)), found.key(first, last)
        if any(first <= end and start <= last for start, end in busy):
            told.append(f"{first} to {last} waits for the run that is at it")
            continue
        attempt, wait = _attempt(instance, work)
        if wait:
            told.append(f"{first} to {last} {wait} ({why})")
            continue
        sources = [f"{step}/{s}" for s in sorted(found.sources) for step in ("raw", "validated")]
        tags = {
            WORK: work,
            "sixtyforty/why": why[:250],
            ASSET_PARTITION_RANGE_START_TAG: first,
            ASSET_PARTITION_RANGE_END_TAG: last,
        }
        asked.append(_request(use_case, kind, [*sources, *stages], moment, f"{work}-{attempt}", tags))
    return asked, told


def _nightly(use_case: UseCase) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"{use_case.name}_nightly",
        job_name=use_case.name,
        cron_schedule=str(use_case.automation.retrain_cron),
        execution_timezone=use_case.timezone,
        description="Trains a challenger where accepted data or code is new, and lets the gate judge it.",
    )
    def schedule(context: dg.ScheduleEvaluationContext, place: dg.ResourceParam[Place]) -> Any:
        # by the moment it is, not the tick's own: of several missed nights, one is made good
        return _train(use_case, place, context.instance, now(), "nightly")

    return schedule


def _retrain(use_case: UseCase) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"{use_case.name}_retrain",
        job_name=use_case.name,
        minimum_interval_seconds=30,
        description="Promotes what was approved, and retrains at once when the realised lift decays.",
    )
    def sensor(context: dg.SensorEvaluationContext, place: dg.ResourceParam[Place]) -> Any:
        from sixtyforty.lifecycle.champions import approved, decayed

        ws, moment = place.workspace(use_case), now()
        waiting = approved(ws)
        if waiting:
            return _request(use_case, "approval", ["champion"], moment, f"approval-{waiting[-1].hash}", {})
        why = decayed(ws, LIVE, _today(use_case, moment))
        if why:
            return _train(use_case, place, context.instance, moment, "decay")
        return dg.SkipReason("nothing was approved, and the realised lift holds or isn't known yet")

    return sensor


def _digests(use_case: UseCase) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"{use_case.name}_digests",
        minimum_interval_seconds=300,
        description="Tells each subscribed role how it goes, once a day, week or month; what failed is tried again.",
    )
    def sensor(context: dg.SensorEvaluationContext, place: dg.ResourceParam[Place]) -> dg.SkipReason:
        from sixtyforty.reports.alerts import by_apprise
        from sixtyforty.reports.digests import receipt, tell

        found = tell(place.workspace(use_case), LIVE, now(), os.environ, by_apprise)
        return dg.SkipReason("; ".join(map(receipt, found)) or "every digest that is due was sent, or waits")

    return sensor


def undone(ws: Workspace, instance: dg.DagsterInstance, moment: datetime) -> list[str]:
    """What a run could still do at a UTC moment, in words; empty when the chain is at rest."""
    from sixtyforty.lifecycle.catch_up import heard, look, summary

    return [
        summary(found.reasons(first, last))
        for found in (look(ws, LIVE, moment), heard(ws, LIVE, moment))
        for first, last in found.ranges()
        if not _done(instance, found.key(first, last))
    ]


def _train(use_case: UseCase, place: Place, instance: dg.DagsterInstance, moment: datetime, why: str) -> Any:
    from sixtyforty.lifecycle.champions import nothing_new

    if _runs(instance, {CASE: use_case.name, KIND: "retrain"}, UNFINISHED):
        return dg.SkipReason("a retrain is running")
    today, ws = _today(use_case, moment), place.workspace(use_case)
    reason = ws.progress.over(moment) or nothing_new(ws, today)
    if reason:
        return dg.SkipReason(reason)
    attempt, wait = _attempt(instance, f"retrain-{use_case.name}-{today}")
    if wait:
        return dg.SkipReason(f"{today}: {wait}")
    key = f"retrain-{use_case.name}-{today}"
    return _request(use_case, "retrain", RETRAIN, moment, f"{key}-{attempt}", {WORK: key, "sixtyforty/why": why})


def _request(
    use_case: UseCase, kind: str, stages: Sequence[str], moment: datetime, key: str, tags: Mapping[str, str]
) -> dg.RunRequest:
    clock = {"track": LIVE, "as_of": moment.isoformat(timespec="seconds")}
    return dg.RunRequest(
        run_key=key,
        job_name=use_case.name,
        asset_selection=[dg.AssetKey([use_case.name, *s.split("/")]) for s in stages],
        run_config={"resources": {"clock": {"config": clock}}, "loggers": {"console": {}}},
        # what failed is found again and asked for with the state of then: Dagster need not try it again
        tags={CASE: use_case.name, KIND: kind, "sixtyforty/track": LIVE, "dagster/max_retries": "0", **tags},
    )


def _runs(
    instance: dg.DagsterInstance, tags: Mapping[str, str], statuses: Sequence[dg.DagsterRunStatus] | None = None
) -> list[Any]:
    return list(instance.get_run_records(dg.RunsFilter(tags=dict(tags), statuses=statuses)))


def _days(record: Any) -> tuple[str, str]:
    tags = record.dagster_run.tags
    return tags[ASSET_PARTITION_RANGE_START_TAG], tags[ASSET_PARTITION_RANGE_END_TAG]


def _done(instance: dg.DagsterInstance, work: str) -> bool:
    return bool(_runs(instance, {WORK: work}, [dg.DagsterRunStatus.SUCCESS]))


def _attempt(instance: dg.DagsterInstance, work: str) -> tuple[int, str | None]:
    """The number of the next attempt at a piece of work, and why it must wait, if it must."""
    records = _runs(instance, {WORK: work})
    if _done(instance, work):
        return len(records), "was done and is as it stays: its checks say why"
    ended = max((r.end_time or r.update_timestamp.timestamp() for r in records), default=0.0)
    wait = min(BACKOFF[0] * 2 ** (len(records) - 1), BACKOFF[1]) if records else 0
    left = ended + wait - datetime.now().timestamp()
    return len(records), f"failed {len(records)} times, is tried again in {left:.0f} s" if left > 0 else None


def _today(use_case: UseCase, moment: datetime) -> date:
    return moment.replace(tzinfo=UTC).astimezone(use_case.zone).date()
