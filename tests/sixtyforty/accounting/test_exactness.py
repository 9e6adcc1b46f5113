"""A holdout tests the assumption behind exact figures. If it refutes the assumption, nothing is called exact."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sixtyforty.accounting import kpi_ledger
from sixtyforty.accounting.exactness import (
    ExactnessError,
    clear_refutation,
    describe_refutation,
    label_figures,
    record_refutation,
    run_exactness_test,
)
from sixtyforty.accounting.forecast import explain_target, read_forecasts
from sixtyforty.accounting.kpi_summary import summarize_kpi
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.lifecycle.stage_gate import read_stage_status
from sixtyforty.modeling.gate_evidence import find_refutation
from sixtyforty.reports import impact_report
from sixtyforty.value.experiment import compare_arms
from sixtyforty.value.experiment_design import normal_quantile
from sixtyforty.workspace import Workspace
from tests.experiment_home import KEYS, copy_home, set_outcomes
from tests.sixtyforty.value.simulated_arms import is_outside, make_arms
from tests.stage_declarations import STAGES

EXACT: dict[str, Any] = {"measurement": "exact", "holdout": {"value_per_outcome": None}}


def make_exact(experiment: Workspace, folder: Path, effect: float = 0.0, **changes: Any) -> Workspace:
    """Return a copy of the home whose figures are declared exact.

    Each call is late with a probability of 50%, whatever is done, minus the effect where the model decides.
    """
    ws = copy_home(experiment, folder, kpi=EXACT, **changes)
    set_random_outcomes(ws, effect)
    return ws


def set_random_outcomes(ws: Workspace, effect: float) -> None:
    rng = np.random.default_rng(4)
    for partition in KEYS:
        late: dict[int, int | None] = {}
        for decision in read_decisions(ws, partition, "live"):
            chance = 0.5 - (effect if decision.decided_by == "model" else 0.0)
            late[decision.unit["id"]] = int(rng.random() < chance)
        set_outcomes(ws, partition, late)
    shutil.rmtree(str(ws.lake.root / "kpi"))
    kpi_ledger.write_accounts(ws, KEYS, "live")


def read_arms(ws: Workspace) -> tuple[np.ndarray, np.ndarray]:
    """Return the outcomes of the model's arm and of the holdout."""
    arms: dict[bool, list[int]] = {True: [], False: []}
    with ws.lake.open_session("UTC") as db:
        outcomes = ws.lake.select_rows(ws.lake.entries("outcomes", KEYS).values())
        late = dict(db.execute(f"select id, late from {outcomes}").fetchall())
    for partition in KEYS:
        for decision in read_decisions(ws, partition, "live"):
            arms[decision.decided_by == "holdout"].append(late[decision.unit["id"]])
    return np.array(arms[False]), np.array(arms[True])


def test_without_an_effect_the_figures_stay_exact_and_the_change_is_bounded(
    experiment: Workspace, tmp_path: Path
) -> None:
    ws = make_exact(experiment, tmp_path)
    test, (model, held_out) = run_exactness_test(ws), read_arms(ws)
    assert test is not None
    assert (test.units, test.held_out) == (len(model) + len(held_out), len(held_out))
    assert (test.model_rate, test.holdout_rate) == pytest.approx((model.mean(), held_out.mean()))
    assert test.difference.value == pytest.approx(model.mean() - held_out.mean())
    error = np.sqrt(model.var(ddof=1) / len(model) + held_out.var(ddof=1) / len(held_out))
    assert test.difference.high - test.difference.value > normal_quantile(0.975) * error
    assert not test.is_refuted and describe_refutation(ws) is None
    summary = summarize_kpi(ws, "live")
    assert (summary.label, label_figures(ws, "replay")) == ("exact", "exact")
    assert summary.evidence is not None and "shows no change of the outcome by the action" in summary.evidence
    assert summary.holdout is None and summary.totals["random_choice"] is not None


def test_held_out_units_keep_the_current_process_and_gain_nothing(experiment: Workspace, tmp_path: Path) -> None:
    ws = make_exact(experiment, tmp_path)
    accounts = [kpi_ledger.read_account(entry) for entry in ws.lake.entries("kpi/live").values()]
    assert all(isinstance(account, kpi_ledger.KpiAccount) for account in accounts)
    test = run_exactness_test(ws)
    assert test is not None
    held_back = sum(a.held_back for a in accounts if isinstance(a, kpi_ledger.KpiAccount))
    assert held_back == test.held_out > 0
    assert summarize_kpi(ws, "live").decisions == test.units - test.held_out


def test_a_refuted_assumption_leaves_no_exact_figure(experiment: Workspace, tmp_path: Path) -> None:
    ws = make_exact(experiment, tmp_path, effect=0.4, **STAGES)
    refutation = describe_refutation(ws)
    assert refutation is not None and refutation.startswith("Refuted: the action changes the outcome")
    summary = summarize_kpi(ws, "live")
    assert (summary.label, summary.evidence, summary.is_refuted) == ("assumed", refutation, True)
    assert label_figures(ws, "replay") == "assumed"
    status = read_stage_status(ws, datetime(2013, 5, 1))
    assert (status.verdict, status.obstacles[0]) == ("continue", refutation)
    page = impact_report.write_report(ws, "live").read_text()
    assert (
        "Refuted: the action changes the outcome" in page
        and "figures are exact" not in page
        and "exact figures" not in page
    )


def test_a_recorded_refutation_stands_whatever_later_data_show(experiment: Workspace, tmp_path: Path) -> None:
    """Otherwise the test would have as many chances to accept as there are runs, and the gate wouldn't see it."""
    ws = make_exact(experiment, tmp_path, effect=0.4)
    row = record_refutation(ws, datetime(2013, 5, 1))
    assert row is not None and row.evidence["refuted"]
    assert record_refutation(ws, datetime(2013, 5, 2)) == row, "recorded once"
    set_random_outcomes(ws, effect=0.0)
    test, refutation = run_exactness_test(ws), describe_refutation(ws)
    assert test is not None and not test.is_refuted
    assert refutation is not None and refutation.startswith("Refuted: the action changes the outcome")
    assert "recorded on 2013-05-01" in refutation and label_figures(ws, "live") == "assumed"
    summary = summarize_kpi(ws, "live")
    assert (summary.is_refuted, summary.evidence, summary.counted.standing) == (True, refutation, "assumed")
    assert explain_target(ws.use_case.kpi, summary.counted, summary.label, summary.invalid_because).endswith(refutation)
    assert read_forecasts(ws, "live").is_outdated
    assert find_refutation(ws.use_case, ws.models) == refutation, "the promotion gate sees it"


def test_a_person_clears_a_refutation_with_a_reason(experiment: Workspace, tmp_path: Path) -> None:
    ws = make_exact(experiment, tmp_path, effect=0.4)
    middle = ws.use_case.opens_at(KEYS[2])
    clear_refutation(ws, "ann", "the groups were mixed up", middle)
    assert [(row.event, row.by) for row in ws.exactness_ledger.rows()] == [("refuted", "holdout"), ("cleared", "ann")]
    whole, test = read_arms(ws), run_exactness_test(ws)
    assert test is not None and 0 < test.units < len(whole[0]) + len(whole[1]), "only later decisions are tested"
    with pytest.raises(ExactnessError, match="no refutation to clear"):
        clear_refutation(make_exact(experiment, tmp_path / "sound"), "ann", "to be safe", middle)


def test_another_outcome_is_tested_anew(experiment: Workspace, tmp_path: Path) -> None:
    ws = make_exact(experiment, tmp_path, effect=0.4)
    record_refutation(ws, datetime(2013, 5, 1))
    set_random_outcomes(ws, effect=0.0)
    assert describe_refutation(ws) is not None
    file = ws.use_case.folder / "outcomes.sql"
    file.write_text(f"{file.read_text()}\nwhere true")
    assert describe_refutation(ws) is None and label_figures(ws, "live") == "exact"


def test_two_arms_that_never_differ_refute_nothing_at_daily_looks() -> None:
    """1,000 holdouts with 60 looks: the always-valid interval excludes zero in at most 5%."""
    rng = np.random.default_rng(7)
    held, late = rng.random((1000, 3000)) < 0.2, (rng.random((1000, 3000)) < 0.1).astype(float)
    effect = compare_arms(*make_arms(held, late, looks=60))
    assert is_outside(effect.always_valid_interval(3000)).any(axis=-1).mean() <= 0.05


def test_without_a_holdout_nothing_is_tested(experiment: Workspace) -> None:
    assert run_exactness_test(experiment) is None  # its figures are randomized
    assert label_figures(experiment, "live") == "randomized"
