"""The progress of a run: its steps, weighted by their seconds in an earlier run of about as many partitions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg

from pipelines.runtime.dagster_internals import partition_range_tags
from pipelines.runtime.step_progress import count_step, follow_steps, seconds_of_similar_run
from sixtyforty.progress import ESTIMATING, Work, begin_work, show_work_on
from tests.helpers import make_use_case

STAGES = {"calls__features": "features", "calls__challenger": "challenger"}
START, SUCCESS = dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_SUCCESS


class FakeInstance:
    """A Dagster instance with successful runs, the newest first: each with its days, and the seconds of its steps."""

    def __init__(self, *runs: tuple[str, str, dict[str, float]]) -> None:
        self.runs = runs

    def get_runs(self, filters: dg.RunsFilter, limit: int) -> Sequence[Any]:
        tags = (partition_range_tags(first, last) for first, last, _ in self.runs)
        return [SimpleNamespace(run_id=number, tags=run_tags) for number, run_tags in enumerate(tags)][:limit]

    def get_run_step_stats(self, run_id: int) -> Sequence[Any]:
        steps = self.runs[run_id][2]
        return [SimpleNamespace(step_key=k, start_time=100.0, end_time=100.0 + s) for k, s in steps.items()]


def test_the_seconds_come_from_the_newest_run_of_about_the_same_size(tmp_path: Path) -> None:
    use_case = make_use_case(tmp_path)

    def similar_seconds(*runs: tuple[str, str, dict[str, float]]) -> dict[str, float]:
        instance: Any = FakeInstance(*runs)
        return seconds_of_similar_run(instance, use_case, STAGES, partitions=30)

    both = {"calls__features": 10.0, "calls__challenger": 30.0}
    day = ("2013-05-01", "2013-05-01", {"calls__features": 1.0, "calls__challenger": 2.0})
    part = ("2013-05-01", "2013-05-31", {"calls__features": 1.0})
    month = ("2013-05-01", "2013-05-31", both)
    assert similar_seconds(day, part, month) == both
    assert similar_seconds(day, part) == {}


def count(kind: dg.DagsterEventType, step: str) -> None:
    event: Any = SimpleNamespace(event_type=kind, step_key=step)
    count_step(event)


def test_steps_count_by_their_earlier_seconds() -> None:
    shares: list[float] = []
    texts: list[str] = []

    def show(works: Sequence[Work]) -> None:
        part = works[-1] if len(works) > 1 else None
        shares.extend(work.share(part) for work in works[:1])
        texts.extend(work.describe(part) for work in works[:1])

    with show_work_on(show), follow_steps("calls", STAGES, {"calls__features": 10.0, "calls__challenger": 30.0}):
        count(START, "calls__features")
        with begin_work("", "partition", 4) as work:
            work.advance(2)
        count(SUCCESS, "calls__features")
        count(START, "calls__challenger")
    assert 0.125 in shares and shares[-1] == 0.25
    assert texts[-1] == f"run calls: 1 of 2 steps, {ESTIMATING}, now challenger"


def test_without_an_earlier_run_no_time_of_the_whole_is_estimated() -> None:
    texts: list[str] = []
    with show_work_on(lambda works: texts.extend(work.describe() for work in works)), follow_steps("calls", STAGES, {}):
        count(START, "calls__features")
        count(SUCCESS, "calls__features")
    assert texts[-1] == "run calls: 1 of 2 steps"


def test_an_event_of_a_run_that_nobody_follows_is_ignored() -> None:
    count(START, "calls__features")
