"""The stage gate's asset: it judges the stage, records the verdict, and says what blocks the next stage."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from assets import stage_gate
from sixtyforty.lifecycle.stage_steps import retire_use_case
from tests.accounted_home import make_accounted_home
from tests.assets.conftest import make_run

GATE = {"target": 500, "minimum_gain": 100, "stop_date": "2013-08-15"}


def test_the_stage_gate_is_judged_and_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)
    ws = make_accounted_home(tmp_path, stages={"poc": GATE})
    result = stage_gate.judge_stage(run := make_run(ws, as_of="2013-07-01T00:00:00"))
    (entry,) = result.published.values()
    assert entry.metadata["stage"] == "poc"
    assert entry.metadata["verdict"] in ("pass", "continue", "stop")
    checks = {check.name: check for check in result.checks}
    assert checks["not_stopped"].passed == (entry.metadata["verdict"] != "stop")
    assert checks["stage_as_declared"].description == "the declared stage and gate equal those in the stage ledger"
    verdict, why = entry.metadata["verdict"], entry.metadata["why"]
    assert run.log.lines == [f"INFO: stage_gate: judged (stage poc, {verdict}; {why})"]
    assert ws.stage_ledger.rows()


def test_a_gate_declared_after_its_figures_says_so_in_its_asset(tmp_path: Path) -> None:
    ws = make_accounted_home(tmp_path, stages={"poc": GATE})
    (stage,) = stage_gate.judge_stage(make_run(ws)).published.values()
    assert "The gate was declared after its figures were known: 91 days already had outcomes." in stage.metadata["why"]


def test_a_retired_use_case_is_not_judged_any_more(tmp_path: Path) -> None:
    ws = make_accounted_home(tmp_path, stages={"poc": GATE})
    retire_use_case(ws, "ola", "We agreed on it.", datetime(2013, 7, 1))
    (stage,) = stage_gate.judge_stage(make_run(ws, as_of="2013-07-02T00:00:00")).published.values()
    assert (stage.metadata["stage"], stage.metadata["why"]) == ("retired", "nothing is judged any more")
