"""A parallel backfill: its waves, and what it does with runs that fail, hang or succeed. See also test_cluster."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from pipelines.authoring import catalog
from pipelines.operations import parallel_backfill
from pipelines.operations.parallel_backfill import ATTEMPTS, BackfillPart, Wave, waves
from pipelines.operations.run import RunFailedError
from pipelines.runtime.dagster_internals import WorkerStatus
from sixtyforty.progress import Work
from sixtyforty.spec.draft import Draft
from sixtyforty.spec.sources import Source
from tests.helpers import CALLS, make_use_case

SUCCESS, FAILURE, STARTED = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED
STARTING = dg.DagsterRunStatus.STARTING


class FakeInstance:
    """A Dagster instance whose runs have the statuses of a script: one for each look at a run."""

    def __init__(self, statuses: dict[str, Sequence[dg.DagsterRunStatus]], dead: Sequence[str] = ()) -> None:
        self.statuses = {run_id: list(script) for run_id, script in statuses.items()}
        self.dead, self.failed = dead, list[str]()
        self.run_launcher = self

    def get_run_by_id(self, run_id: str) -> Any:
        script = self.statuses[run_id]
        status = script.pop(0) if len(script) > 1 else script[0]
        return SimpleNamespace(run_id=run_id, status=status, is_finished=status in (SUCCESS, FAILURE))

    def check_run_worker_health(self, run: Any) -> Any:
        return SimpleNamespace(status=WorkerStatus.NOT_FOUND if run.run_id in self.dead else WorkerStatus.UNKNOWN)

    def report_run_failed(self, run: Any, reason: str) -> None:
        self.failed.append(reason)


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch) -> BackfillPart:
    """Return a part of a backfill whose runs are called run 1, run 2, …; nothing waits on the wall clock."""

    def launch(part: BackfillPart, instance: object) -> None:
        part.run_ids.append(f"run {len(part.run_ids) + 1}")

    monkeypatch.setattr(BackfillPart, "launch", launch)
    monkeypatch.setattr(parallel_backfill, "_wait", lambda: None)
    return BackfillPart("calls", ["features"], ["2024-01-01", "2024-01-02"], "replay", None)


def run_wave(instance: FakeInstance, part: BackfillPart) -> list[str]:
    """Run a wave of one part on a fake instance."""
    return parallel_backfill._run_wave(instance, [part], Work("", "run", 1))  # type: ignore[arg-type]


def test_the_waves_go_from_sources_to_decisions(tmp_path: Path) -> None:
    assert list(waves(make_use_case(tmp_path))) == [
        Wave(("raw/calls", "validated/calls", "raw/visits", "validated/visits"), partitioned=True),
        Wave(("features", "outcomes"), partitioned=True),
        Wave(("decisions", "delivery", "kpi_impact"), partitioned=True),
    ]


def test_reference_tables_come_first_and_have_no_partitions() -> None:
    first, second, *_ = waves(catalog.load_use_case("flight_delays"))
    assert not first.partitioned and "validated/airlines" in first.stages
    assert second.partitioned and "validated/weather" in second.stages


def test_a_draft_has_only_its_sources() -> None:
    source = Source(**CALLS)
    draft = Draft.model_construct(name="orders", sources={"orders": source}, blanks=())
    assert list(waves(draft)) == [Wave(("raw/orders", "validated/orders"), partitioned=True)]


def test_a_run_that_succeeds_is_launched_once(part: BackfillPart) -> None:
    assert run_wave(FakeInstance({"run 1": [STARTED, STARTED, SUCCESS]}), part) == ["run 1"]


def test_a_failed_run_is_replaced(part: BackfillPart) -> None:
    assert run_wave(FakeInstance({"run 1": [FAILURE], "run 2": [SUCCESS]}), part) == ["run 1", "run 2"]


def test_a_run_whose_worker_died_is_marked_failed_and_replaced(part: BackfillPart) -> None:
    instance = FakeInstance({"run 1": [STARTED], "run 2": [SUCCESS]}, dead=["run 1"])
    assert run_wave(instance, part) == ["run 1", "run 2"]
    assert instance.failed == ["The worker of run run 1 died."]


def test_a_run_that_no_worker_starts_is_replaced(part: BackfillPart, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel_backfill, "IDLE_SECONDS", -1)
    instance = FakeInstance({"run 1": [STARTING], "run 2": [SUCCESS]})
    assert run_wave(instance, part) == ["run 1", "run 2"]
    assert "No worker started run run 1" in instance.failed[0]


def test_a_part_that_keeps_failing_ends_the_backfill(part: BackfillPart) -> None:
    instance = FakeInstance({f"run {number}": [FAILURE] for number in range(1, ATTEMPTS + 1)})
    with pytest.raises(RunFailedError, match=rf"{ATTEMPTS} runs .* features failed \(2024-01-01 to 2024-01-02\)"):
        run_wave(instance, part)
    assert len(part.run_ids) == ATTEMPTS
