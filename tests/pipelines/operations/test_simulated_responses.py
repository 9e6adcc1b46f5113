"""Simulated responses need a source of responses, and cover the replay unless days are given."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipelines.authoring import catalog
from pipelines.operations import simulated_responses
from pipelines.operations.simulated_responses import NoResponsesError, add_simulated_responses
from sixtyforty.workspace import Workspace


def test_a_use_case_without_responses_is_refused(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "open_workspace", lambda name: workspace)
    with pytest.raises(NoResponsesError, match=r"people\.responses"):
        add_simulated_responses("calls_in_time")


def test_the_stages_that_read_responses_run_over_the_replay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    runs: list[tuple[Any, ...]] = []
    simulated: list[Any] = []
    monkeypatch.setenv("SIXTYFORTY_HOME", str(tmp_path))

    def simulate(ws: Workspace, partitions: list[str], seed: int) -> int:
        simulated.append((partitions[0], partitions[-1], seed))
        return 7

    def run_range(use_case: str, first: date, last: date, select: list[str]) -> str:
        runs.append((use_case, first, last, select))
        return "run 1"

    monkeypatch.setattr("sixtyforty.decisions.simulation.simulate_responses", simulate)
    monkeypatch.setattr(simulated_responses, "run_range", run_range)
    assert add_simulated_responses("flight_delays", seed=3) == 7
    use_case = catalog.load_use_case("flight_delays")
    source = use_case.people.responses
    stages = [f"raw/{source}", f"validated/{source}", "acceptance", "stage_gate", "impact_report", "model_record"]
    assert runs == [("flight_delays", use_case.replay.first_day, use_case.partitions.end, stages)]
    assert simulated == [(f"{use_case.replay.first_day}", f"{use_case.partitions.end}", 3)]
