"""`sixtyforty holdout` and the rollout's steps, on a fortnight of live decisions with two arms."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.cli.holdout import HoldoutPlan, _plan_lines
from sixtyforty.modeling.built_by import hash_tested_parts
from sixtyforty.storage.exactness_ledger import ExactnessEvent
from sixtyforty.value.experiment_design import HoldoutDesign
from sixtyforty.workspace import Workspace
from tests.experiment_home import KEYS, copy_home, make_experiment_home
from tests.pipelines.cli.conftest import use_workspace
from tests.pipelines.conftest import RunCli


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Return a use case with a holdout, and 14 live days whose outcomes are known."""
    return make_experiment_home(tmp_path_factory.mktemp("experiment"))


def test_the_plan_and_the_estimate(experiment: Workspace, monkeypatch: pytest.MonkeyPatch, run_cli: RunCli) -> None:
    use_workspace(monkeypatch, experiment)
    answer = run_cli("holdout calls_in_time --effect 400 --json").answer
    design, estimate = answer["design"], answer["holdout"]
    assert (design["share"], design["units_a_day"], design["effect"]) == (0.4, 60, 400)
    assert design["always"]["units"] > design["once"]["units"] > 0
    assert (estimate["units"], estimate["since"]) == (840, KEYS[0])
    at_target = run_cli("holdout calls_in_time --json").answer["design"]  # The target is 100.
    assert at_target["once"]["units"] == pytest.approx(16 * design["once"]["units"], rel=0.01)
    lines = run_cli("holdout calls_in_time --effect 400").out.splitlines()
    assert lines[0] == "60 calls a day, 40.0% in the holdout"
    always = design["always"]
    assert any(f"{always['units']:,} calls, {always['days']:,} days" in line for line in lines)
    assert lines[-1] == answer["evidence"]


def test_150_fixed_guests_never_show_a_small_gain(experiment: Workspace) -> None:
    kpi = experiment.use_case.kpi
    guests = HoldoutDesign(0.2, 6.0, units_a_day=50, between=4.0, clusters=150)
    plan = HoldoutPlan.of(guests, effect=400)
    assert (plan.once.units, plan.once.days, plan.always.units, plan.recurring) == (None, None, None, 150)
    assert plan.always.smallest_effect > plan.once.smallest_effect > 400
    text = "\n".join(_plan_lines(kpi, plan, 1))
    assert "read at any time" in text and "never" in text and "planned_units" not in text
    assert "150 recurring calls or groups never reach 80% power by waiting: the smallest effect per 1,000 that" in text
    assert f"{plan.once.smallest_effect:+,.0f} if read once at the end" in text
    larger = HoldoutPlan.of(guests, effect=5000)
    assert larger.once.units is not None and "never" not in "\n".join(_plan_lines(kpi, larger, 1))


def test_the_impact_of_an_experiment_shows_the_same_evidence(
    experiment: Workspace, monkeypatch: pytest.MonkeyPatch, run_cli: RunCli
) -> None:
    use_workspace(monkeypatch, experiment)
    impact = run_cli("impact calls_in_time --track live").out
    assert run_cli("holdout calls_in_time --json").answer["evidence"] in impact
    assert "random choice" not in impact


def test_a_plan_needs_a_holdout_and_an_effect_above_zero(run_cli: RunCli) -> None:
    finished = run_cli("holdout flight_delays")
    assert (finished.code, finished.out, len(finished.err.splitlines())) == (1, "", 1)
    finished = run_cli("holdout flight_delays --effect -3")
    assert (finished.code, "Give a gain per 1,000 units above zero" in finished.err) == (1, True)


def test_a_refutation_is_shown_and_cleared_with_a_reason(
    experiment: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: RunCli
) -> None:
    ws = copy_home(experiment, tmp_path, kpi={"measurement": "exact", "holdout": {"value_per_outcome": None}})
    use_workspace(monkeypatch, ws)
    row = ExactnessEvent(
        event="refuted",
        declaration=hash_tested_parts(ws.use_case),
        by="holdout",
        why="Refuted: by chance.",
        effective_from="2013-04-20T00:00:00",
    )
    ws.exactness_ledger.record(row)
    answer = run_cli("exactness calls_in_time --json").answer
    assert answer["refutation"].startswith("Refuted: by chance.") and answer["test"]["units"] == 840
    assert answer["refutation"] in run_cli("exactness calls_in_time").out
    assert "needs a reason" in run_cli("exactness calls_in_time --clear").err
    cleared = run_cli("exactness calls_in_time --clear --by ann --why mixed --json").answer
    assert (cleared["refutation"], [row["event"] for row in cleared["history"]]) == (None, ["refuted", "cleared"])
    assert "nothing refutes" in run_cli("exactness calls_in_time --clear --why again").err.lower()
