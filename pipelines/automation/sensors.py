"""Define the sensors of a use case: for new data and due decisions, for new champions, and for digests."""

import math
import os
from dataclasses import dataclass
from typing import Any

import dagster as dg

from assets.resources import ProjectHome
from pipelines.automation.run_requests import (
    LIVE,
    RESPONSE_STAGES,
    RequestedRuns,
    data_stages,
    local_date,
    refusal_of_runs,
    request_catch_up,
    request_retrain,
    request_run,
)
from pipelines.runtime.upstream_assets import read_upstream
from sixtyforty.spec.clock import now
from sixtyforty.spec.use_case import UseCase

MAX_CURSOR_DIGITS = 18


@dataclass(frozen=True)
class Pace:
    """How often the sensors of one kind look: each one every `seconds`, but all together at most `per_second` times.

    One process evaluates the sensors of all use cases, one after the other. Without the second limit, the sensors of
    hundreds of use cases would keep a core busy and still look less often.
    """

    seconds: int
    per_second: int

    def interval(self, sensors: int) -> int:
        """Return the shortest time in seconds between two looks of one sensor. sensors: the number of this kind."""
        return max(self.seconds, math.ceil(sensors / self.per_second))


NEW_DATA, RETRAIN, DIGEST = Pace(1, 5), Pace(30, 1), Pace(300, 1)


def new_data_sensor(use_case: UseCase, use_cases: int) -> dg.SensorDefinition:
    """Return the sensor that starts a run for each range of stale partitions.

    use_cases: how many have such a sensor.
    """

    @dg.sensor(
        name=f"{use_case.name}_new_data",
        job_name=use_case.name,
        minimum_interval_seconds=NEW_DATA.interval(use_cases),
        description="Waits for new, changed and late extracts, ended partitions, due decisions, and responses. Then it"
        " starts one run for each range of partitions, but none for partitions that a run is already processing. The"
        " log of a tick says why it started runs, and a skipped tick says what the sensor waits for. The cursor counts"
        " the ticks. It only chooses which part of a long history is checked next.",
    )
    def sensor(context: dg.SensorEvaluationContext, project_home: dg.ResourceParam[ProjectHome]) -> Any:
        from sixtyforty.lifecycle.stale_partitions import find_stale_partitions, find_stale_responses

        current_time, ws = now(), project_home.workspace(use_case)
        if refusal := refusal_of_runs(ws):
            context.log.error(refusal)
            return dg.SkipReason(refusal)
        turn = _read_turn(context, use_case.name)
        context.update_cursor(f"{turn + 1}")
        upstream = {
            name: read_upstream(context.instance, source)
            for name, source in use_case.sources.items()
            if source.upstream
        }
        requests, skipped = list[dg.RunRequest](), list[str]()
        for kind, stale, stages in (
            ("data", find_stale_partitions(ws, LIVE, current_time, turn, upstream), data_stages(use_case)),
            ("responses", find_stale_responses(ws, LIVE, current_time, turn, upstream), list(RESPONSE_STAGES)),
        ):
            for reason in stale.unreachable.values():
                context.log.error(f"{use_case.name}: a source can't be read; new rows are imported later ({reason})")
            # Without stale partitions, Dagster's storage isn't opened, because most looks find nothing.
            requested = RequestedRuns()
            if stale.ranges():
                requested = request_catch_up(use_case, context.instance, kind, stale, stages, current_time)
            requests += requested.requests
            for reason in requested.reasons:
                context.log.info(f"run requested: {reason}")
            skipped += [*stale.unreachable.values(), *requested.waiting]
        up_to_date = (
            "waits for the next extract, decision time or response: all extracts are imported, and all due decisions"
            " are taken"
        )
        return requests or dg.SkipReason("; ".join(skipped) or up_to_date)

    return sensor


def _read_turn(context: dg.SensorEvaluationContext, name: str) -> int:
    """Return how often the sensor has been evaluated. This number selects the part of a long history to check next.

    People can edit the cursor on Dagster's pages. If the cursor is not a number, start again at 0.
    """
    cursor = context.cursor or "0"
    if cursor.isascii() and cursor.isdigit() and len(cursor) <= MAX_CURSOR_DIGITS:
        return int(cursor)
    context.log.warning(
        f"{name}: the cursor is {cursor[:40]!r}, expected a whole number. The sensor starts again at 0."
        " The cursor only chooses which part of a long history is checked next, so nothing is lost."
    )
    return 0


def retrain_sensor(use_case: UseCase, use_cases: int) -> dg.SensorDefinition:
    """Return the sensor that promotes approved challengers, and trains a challenger when the recent gain is low.

    use_cases: how many have such a sensor.
    """

    @dg.sensor(
        name=f"{use_case.name}_retrain",
        job_name=use_case.name,
        minimum_interval_seconds=RETRAIN.interval(use_cases),
        description="Waits for the approval of a challenger, and then promotes it. Trains a new challenger at once"
        " when the champion's recent gain is below `automation.decay_lift`. A skipped tick says what the sensor waits"
        " for.",
    )
    def sensor(context: dg.SensorEvaluationContext, project_home: dg.ResourceParam[ProjectHome]) -> Any:
        from sixtyforty.lifecycle.champions import find_decay, list_approved

        ws, current_time = project_home.workspace(use_case), now()
        if refusal := refusal_of_runs(ws):
            return dg.SkipReason(refusal)
        approvals = list_approved(ws, current_time)
        if approvals:
            run_key = f"approval-{approvals[-1].hash}"
            return request_run(use_case, "approval", ["champion"], current_time, run_key, {})
        if find_decay(ws, LIVE, local_date(use_case, current_time)):
            return request_retrain(use_case, project_home, context.instance, current_time, "decay")
        return dg.SkipReason(
            "waits for an approval or for a low gain: no challenger waits for promotion, and the champion's recent gain"
            " is unknown or not below decay_lift"
        )

    return sensor


def digest_sensor(use_case: UseCase, use_cases: int) -> dg.SensorDefinition:
    """Return the sensor that sends digests. The sensor starts no run; its skip reason lists the digests sent.

    use_cases: how many may have such a sensor.
    """

    @dg.sensor(
        name=f"{use_case.name}_digests",
        minimum_interval_seconds=DIGEST.interval(use_cases),
        description="Waits for the end of a day, week or month, and then sends each subscribed role its digest. A"
        " failed digest is sent again. The sensor starts no run, so each tick is skipped. The reason of the tick"
        " names the digests that were sent.",
    )
    def sensor(context: dg.SensorEvaluationContext, project_home: dg.ResourceParam[ProjectHome]) -> dg.SkipReason:
        from sixtyforty.reports.alerts import send_by_apprise
        from sixtyforty.reports.digests import describe_receipt, send_digests

        receipts = send_digests(project_home.workspace(use_case), LIVE, now(), os.environ, send_by_apprise)
        return dg.SkipReason("; ".join(map(describe_receipt, receipts)) or "waits for the next digest: none is due")

    return sensor
