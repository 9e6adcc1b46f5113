"""The gain of a candidate in a holdout is the difference between the arms where it differs from the current process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_ind

from sixtyforty.accounting.experiment_candidates import measure_candidates
from sixtyforty.accounting.kpi_summary import summarize_kpi
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.reports import impact_report
from sixtyforty.workspace import Workspace
from tests.experiment_home import KEYS, VALUE_PER_OUTCOME, copy_home, load_of

AS_TODAY = "case when load > 0.7 then 'act' else 'wait' end"


def read_units(ws: Workspace) -> list[tuple[float, str, bool, float]]:
    """Return load, action of the current process, whether held out, and value of each unit, by plain Python."""
    with ws.lake.open_session("UTC") as db:
        rows = ws.lake.select_rows(ws.lake.entries("outcomes", KEYS).values())
        late = dict(db.execute(f"select id, late from {rows}").fetchall())
    units = []
    for partition in KEYS:
        for decision in read_decisions(ws, partition, "live"):
            call = decision.unit["id"]
            money = VALUE_PER_OUTCOME * late[call] - (3 if decision.action == "act" else 0)
            units.append((load_of(call), decision.current_action, decision.decided_by == "holdout", money))
    return units


def find_tried_loads(ws: Workspace) -> list[float]:
    """Return the loads at which the model always acts and the current process never does."""
    actions: dict[float, set[tuple[str, str]]] = {}
    for partition in KEYS:
        for decision in read_decisions(ws, partition, "live"):
            if decision.decided_by == "model":
                both = (decision.action, decision.current_action)
                actions.setdefault(load_of(decision.unit["id"]), set()).add(both)
    return sorted(load for load, pairs in actions.items() if pairs == {("act", "wait")})


def test_a_candidate_equals_a_comparison_of_its_units(experiment: Workspace, tmp_path: Path) -> None:
    loads = find_tried_loads(experiment)
    sql = f"case when load > 0.7 or load in ({', '.join(map(str, loads))}) then 'act' else 'wait' end"
    declared = {
        name: {"description": f"{name}.", "action": action} for name, action in (("bolder", sql), ("today", AS_TODAY))
    }
    ws = copy_home(experiment, tmp_path, kpi={"candidates": declared})
    assert loads
    summary, units = summarize_kpi(ws, "live"), read_units(ws)
    bolder, today = summary.candidates["bolder"], summary.candidates["today"]
    model, held_out = (
        np.array([money * (load in loads) for load, _, held, money in units if held == arm]) for arm in (False, True)
    )
    assert bolder.decisions == today.decisions == summary.decisions == len(model)
    lift = bolder.lift_vs_current
    assert lift.value == pytest.approx(1000 * (model.mean() - held_out.mean()), abs=0.01)
    once = ttest_ind(model, held_out, equal_var=False).confidence_interval()
    assert lift.low is not None and lift.high is not None
    assert lift.low < 1000 * once.low < 1000 * once.high < lift.high
    assert (today.lift_vs_current.value, today.lift_vs_current.low, today.lift_vs_current.high) == (0, 0, 0)
    assert today.model_minus == summary.lift_vs_current, "the current process as a candidate"
    gain, minus, model_money = lift.value, bolder.model_minus.value, summary.per_1000["model"]
    assert gain is not None and minus is not None and model_money is not None
    assert gain + minus == pytest.approx(summary.lift_vs_current.value, abs=0.02)
    assert bolder.per_1000 == pytest.approx(model_money - minus, abs=0.02)


def test_an_action_that_nobody_took_has_no_known_gain(experiment: Workspace, tmp_path: Path) -> None:
    ws = copy_home(experiment, tmp_path, kpi={"candidates": {"all": {"description": "Always.", "action": "'act'"}}})
    candidate = summarize_kpi(ws, "live").candidates["all"]
    assert (candidate.per_1000, candidate.lift_vs_current.value, candidate.model_minus.low) == (None, None, None)
    assert "an action that neither the model nor the current process took" in candidate.lift_vs_current.problem
    assert candidate.lift_vs_current.problem in impact_report.write_report(ws, "live").read_text()


def test_without_candidates_or_decisions_there_are_no_figures(experiment: Workspace, tmp_path: Path) -> None:
    assert measure_candidates(experiment, KEYS) == {}
    ws = copy_home(experiment, tmp_path, kpi={"candidates": {"all": {"description": "Always.", "action": "'act'"}}})
    assert measure_candidates(ws, []) == {}
