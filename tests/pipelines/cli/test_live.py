"""Going live from the command line: what a holdout can show and has shown, and the steps of the rollout."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.authoring import catalog
from pipelines.cli import main
from sixtyforty.accounting import kpi_ledger
from sixtyforty.decisions.deciding import decide
from sixtyforty.lifecycle import rollout
from sixtyforty.workspace import Workspace
from tests.helpers import make_use_case, merged
from tests.sixtyforty.accounting.test_experiment_ledger import LIVE, RANDOMIZED, P, a_fortnight

ROLLOUT = {"automation": {"rollout": {"holdout_share": 0.5, "min_days": 2}}}


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return a_fortnight(tmp_path_factory.mktemp("lived"))


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(words)
        return code, *capsys.readouterr()

    return run


def test_the_design_and_what_was_found(lived, monkeypatch, say):
    monkeypatch.setattr(catalog, "workspace", lambda _: lived)
    code, out, _ = say("holdout", "calls_in_time", "--effect", "400", "--json")
    answer = json.loads(out)
    design, found = answer["design"], answer["holdout"]
    assert code == 0
    assert (design["share"], design["units_a_day"], design["effect"]) == (0.4, 60, 400)
    assert design["always"]["units"] > design["once"]["units"] > 0
    assert (found["units"], found["since"]) == (840, P[0])
    smaller = json.loads(say("holdout", "calls_in_time", "--json")[1])["design"]  # the target: 100
    assert smaller["once"]["units"] == pytest.approx(16 * design["once"]["units"], rel=0.01)
    code, out, _ = say("holdout", "calls_in_time", "--effect", "400")
    assert code == 0
    assert out.splitlines()[0] == "60 calls a day, 40.0% of them held back"
    assert f"{design['always']['units']:,} calls, {design['always']['days']:,} days" in out
    assert out.splitlines()[-1] == answer["told"]
    code, out, _ = say("impact", "calls_in_time", "--track", "live")
    assert code == 0
    assert answer["told"] in out
    assert "random choice" not in out


@pytest.fixture
def in_shadow(lived: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Some days in shadow, an exact use case; people are content."""
    shutil.copytree(lived.home, tmp_path / "home", ignore=shutil.ignore_patterns("decisions", "kpi"))
    exact: dict[str, Any] = {k: v for k, v in RANDOMIZED.items() if k != "kpi"}
    case = make_use_case(tmp_path / "home" / "use_case", **merged(exact, ROLLOUT))
    ws = Workspace(case, tmp_path / "home", f"sqlite:///{tmp_path}/deliveries.db")
    decide(ws, P[:5], "live", None)
    kpi_ledger.account(ws, P[:5], "live")
    monkeypatch.setattr(catalog, "workspace", lambda _: ws)
    monkeypatch.setattr(rollout, "unaccepted", lambda _: [])
    monkeypatch.setattr("sixtyforty.spec.clock.now", lambda: ws.use_case.starts(LIVE[5]) + timedelta(minutes=1))
    return ws


def test_a_step_up_and_down_again(in_shadow, monkeypatch, say):
    code, out, _ = say("rollout", "calls_in_time", "--json")
    assert (code, json.loads(out)["step"], json.loads(out)["against"]) == (0, "shadow", [])
    monkeypatch.setattr(rollout, "unaccepted", lambda _: ["nobody comes"])
    code, out, err = say("rollout", "calls_in_time", "--up", "--why", "let's")
    assert (code, out, err) == (1, "", "sixtyforty: it stays at shadow: nobody comes\n")
    assert "against going up: nobody comes" in say("rollout", "calls_in_time")[1]
    monkeypatch.setattr(rollout, "unaccepted", lambda _: [])
    code, out, _ = say("rollout", "calls_in_time", "--up", "--by", "Ada", "--why", "it would have paid")
    assert (code, out) == (0, f"holdout from {P[5]}T04:01:00 UTC, by Ada: it would have paid\n")
    lines = say("rollout", "calls_in_time")[1].splitlines()
    assert lines[1] == f"in force: holdout, since {P[5]} 04:01 UTC; 0 whole days have outcomes"
    assert "against going up: 0 whole days of this step have outcomes, 2 are needed" in lines
    assert say("rollout", "calls_in_time", "--down", "--why", "complaints")[0] == 0
    assert [r.step for r in in_shadow.rollout.rows()] == ["holdout", "shadow"]
