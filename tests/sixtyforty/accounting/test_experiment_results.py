"""The results of an experiment: the effect, its money by day, and what pages and digests may claim from it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import ttest_ind

from sixtyforty.accounting import break_even, experiment_results, kpi_ledger
from sixtyforty.accounting import usage as usage_ledger
from sixtyforty.accounting.acceptance import summarize_acceptance
from sixtyforty.accounting.arm_sums import HoldoutError
from sixtyforty.accounting.holdout_shares import count_held_out
from sixtyforty.accounting.kpi_summary import ASSUMPTION, summarize_kpi
from sixtyforty.accounting.refused_figures import RefusedFiguresError
from sixtyforty.decisions import assignment, provenance
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.decisions.delivery import deliver_decisions
from sixtyforty.decisions.responses import record_response
from sixtyforty.reports import impact_report, model_record
from sixtyforty.reports.digest_sections import auditor_section, owner_section
from sixtyforty.storage.response_log import Response
from sixtyforty.value.daily_values import group_by_month
from sixtyforty.value.experiment_estimate import describe_estimate
from sixtyforty.workspace import Workspace
from tests.experiment_home import (
    KEYS,
    LIVE_DAYS,
    RANDOMIZED,
    SHARE,
    UNITS_A_DAY,
    VALUE_PER_OUTCOME,
    copy_home,
    load_of,
    set_outcomes,
    value_units,
)
from tests.helpers import SQL, WITH_RESPONSES, accept_partitions, make_use_case, make_workspace


def decide_again(ws: Workspace) -> None:
    """Take all live decisions and account for them again, as if the declaration had always been this one."""
    for dataset in ("decisions", "kpi"):
        shutil.rmtree(str(ws.lake.root / dataset))
    take_decisions(ws, KEYS, "live", None)
    kpi_ledger.write_accounts(ws, KEYS, "live")


def is_held_out(ws: Workspace, cluster: str, salt: str = "") -> bool:
    number = assignment.draw_number(ws.use_case.name, salt, [cluster])
    return bool(assignment.is_held_out([number], SHARE)[0])


def test_the_effect_is_the_difference_between_the_arms(experiment: Workspace) -> None:
    values, held_out = value_units(experiment)
    model, current = values[~held_out], values[held_out]
    effect = experiment_results.measure_effect(experiment)
    assert effect is not None
    assert (effect.units, effect.held_out, effect.since) == (len(LIVE_DAYS) * UNITS_A_DAY, held_out.sum(), KEYS[0])
    assert effect.lift.value == pytest.approx(1000 * (model.mean() - current.mean()))
    low, high = ttest_ind(model, current, equal_var=False).confidence_interval(0.95)
    assert (effect.single_look.low, effect.single_look.high) == pytest.approx((1000 * low, 1000 * high))
    assert effect.lift.low < effect.single_look.low < effect.single_look.high < effect.lift.high
    assert effect.gain == pytest.approx(len(model) * effect.lift.value / 1000)
    assert effect.is_trustworthy
    assert effect.design.units_a_day == UNITS_A_DAY


def test_days_and_months_add_up_to_the_gain(experiment: Workspace) -> None:
    values, held_out = value_units(experiment)
    summary, days = summarize_kpi(experiment, "live"), kpi_ledger.read_daily_values(experiment, "live")
    effect = experiment_results.measure_effect(experiment)
    assert effect is not None
    assert [d.partition for d in days] == KEYS
    assert sum(d.decisions for d in days) == summary.decisions == (~held_out).sum()
    assert summary.totals["model"] == pytest.approx(values[~held_out].sum(), abs=0.006)
    assert sum(d.model - d.current_process for d in days) == pytest.approx(effect.gain)
    by_month = [d.model - d.current_process for month in group_by_month(days).values() for d in month]
    assert sum(by_month) == pytest.approx(effect.gain)
    per_1000 = summary.per_1000
    assert per_1000["model"] is not None and per_1000["current_process"] is not None
    assert per_1000["model"] - per_1000["current_process"] == pytest.approx(summary.lift_vs_current.value, abs=0.03)
    assert (per_1000["random_choice"], summary.totals["perfect_foresight"]) == (None, None)
    assert summary.label == "randomized"
    assert summary.holdout is not None and summary.holdout.held_out == held_out.sum()
    assert summary.evidence is not None and summary.evidence.startswith(("The model gains", "No effect shown"))
    json.dumps(summary.to_dict(), allow_nan=False)


def test_a_summary_up_to_a_partition_is_the_effect_until_then(experiment: Workspace) -> None:
    summary = summarize_kpi(experiment, "live", KEYS[6])
    early, late = (experiment_results.measure_effect(experiment, keys) for keys in (KEYS[:7], KEYS))
    assert early is not None and late is not None and summary.holdout is not None
    assert (summary.holdout.units, summary.last) == (7 * UNITS_A_DAY, KEYS[6])
    assert summary.lift_vs_current.value == round(early.lift.value, 2) != round(late.lift.value, 2)
    assert summary.gain == pytest.approx(early.gain, abs=0.02)


def test_the_replay_of_a_randomized_kpi_claims_no_impact(experiment: Workspace, tmp_path: Path) -> None:
    ws = copy_home(experiment, tmp_path / "a")
    take_decisions(ws, KEYS, "replay", None)
    kpi_ledger.write_accounts(ws, KEYS, "replay")
    summary = summarize_kpi(ws, "replay")
    assumed = summary.to_dict()
    assert (assumed["label"], assumed["evidence"], summary.holdout) == ("assumed", ASSUMPTION, None)
    exact = Workspace(make_use_case(tmp_path / "exact"), ws.home, ws.database_url)
    kpi_ledger.write_accounts(exact, KEYS, "replay")
    figures = summarize_kpi(exact, "replay").to_dict()
    assert figures.pop("outdated")  # it was decided by another declaration
    counted = assumed["counted"] | {"standing": figures["counted"]["standing"]}
    differing = {"label": "exact", "evidence": None, "counted": counted}
    assert figures == {k: f for k, f in assumed.items() if k != "outdated"} | differing


def test_a_covariate_narrows_the_interval_and_the_days_still_add_up(experiment: Workspace, tmp_path: Path) -> None:
    ws = copy_home(experiment, tmp_path, kpi={"holdout": {"covariate": "load"}})
    plain, adjusted = (experiment_results.measure_effect(home) for home in (experiment, ws))
    assert plain is not None and adjusted is not None
    days = kpi_ledger.read_daily_values(ws, "live")
    assert adjusted.lift.high - adjusted.lift.low < 0.95 * (plain.lift.high - plain.lift.low)
    assert abs(adjusted.imbalance) < 3
    assert sum(d.model - d.current_process for d in days) == pytest.approx(adjusted.gain)
    unadjusted_days = kpi_ledger.read_daily_values(experiment, "live")
    assert sum(d.model for d in days) == pytest.approx(sum(d.model for d in unadjusted_days))
    plans = [experiment_results.plan_experiment(home).deviation for home in (ws, experiment)]
    assert plans[0] < plans[1]


def test_a_missing_covariate_carries_no_information(experiment: Workspace, tmp_path: Path) -> None:
    assert "late_before" in SQL["features"]  # it is null on the first days
    ws = copy_home(experiment, tmp_path, kpi={"holdout": {"covariate": "late_before"}})
    effect = experiment_results.measure_effect(ws)
    assert effect is not None and np.isfinite(effect.lift.value)


def test_clusters_are_the_unit_of_chance(experiment: Workspace, tmp_path: Path) -> None:
    ws = copy_home(experiment, tmp_path, kpi={"holdout": {"cluster_by": ["load"]}})
    decide_again(ws)
    effect, days = experiment_results.measure_effect(ws), kpi_ledger.read_daily_values(ws, "live")
    assert effect is not None
    decisions = [d for key in KEYS for d in read_decisions(ws, key, "live")]
    loads = {load_of(d.unit["id"]) for d in decisions if d.decided_by == "holdout"}
    assert effect.held_out == len(LIVE_DAYS) * len(loads)
    assert loads == {load_of(i) for i in range(UNITS_A_DAY) if is_held_out(ws, str(load_of(i)))}
    assert sum(d.model - d.current_process for d in days) == pytest.approx(effect.gain)
    values, held_out = value_units(ws)
    by_unit = ttest_ind(values[~held_out], values[held_out], equal_var=False).confidence_interval(0.95)
    width = effect.single_look.high - effect.single_look.low
    assert width > 1.2 * 1000 * (by_unit.high - by_unit.low), "the calls of one load are alike"


def test_clusters_that_recur_have_a_smallest_gain_that_waiting_shows(experiment: Workspace, tmp_path: Path) -> None:
    ws = copy_home(experiment, tmp_path, kpi={"holdout": {"cluster_by": ["load"]}})
    plan = experiment_results.plan_experiment(ws)
    assert plan.clusters == pytest.approx(UNITS_A_DAY)  # each load once a day
    assert plan.is_fixed
    smallest = plan.smallest_effect(always_valid=True)
    assert plan.days(0.9 * smallest, always_valid=True) == np.inf
    assert plan.days(1.5 * smallest, always_valid=True) < np.inf
    decide_again(ws)
    effect = experiment_results.measure_effect(ws)
    assert effect is not None and effect.design.is_fixed
    assert effect.to_dict(0.001)["days_left"] is None
    text = describe_estimate(effect, "EUR", "calls", 1)
    assert "recur" in text or text.startswith(("The model gains", "The model loses"))


def test_units_drawn_in_another_way_than_declared_are_left_out(experiment: Workspace, tmp_path: Path) -> None:
    ws = copy_home(experiment, tmp_path, kpi={"holdout": {"cluster_by": ["load"]}})
    alone = Workspace(make_use_case(tmp_path / "alone", **RANDOMIZED), ws.home, ws.database_url)
    assert experiment_results.measure_effect(alone) is None
    assert experiment_results.read_daily_values(alone, KEYS) == []


def test_two_clusters_are_too_few_to_say(experiment: Workspace, tmp_path: Path) -> None:
    salt = next(
        s for s in "abcdefgh" if is_held_out(experiment, "north", s) and not is_held_out(experiment, "south", s)
    )
    ws = copy_home(experiment, tmp_path, kpi={"holdout": {"cluster_by": ["site"], "salt": salt}})
    decide_again(ws)
    evidence = summarize_kpi(ws, "live").evidence
    assert evidence is not None and evidence.startswith(
        "Too early to say: each arm needs at least 20 independently drawn units or groups. So far, 840 calls"
    )


def test_nobody_knows_whether_an_override_was_right(experiment: Workspace, tmp_path: Path) -> None:
    ws = copy_home(experiment, tmp_path, **WITH_RESPONSES)
    decision = read_decisions(ws, KEYS[0], "live")[0]
    other = {"act": "wait", "wait": "act"}[decision.action]
    record_response(ws, Response(decision.decision_id, "ann", "decider", "overridden", other, "I know better"))
    accept_partitions(ws, KEYS[:1])
    usage_ledger.write_accounts(ws, KEYS[:1], "live")
    acceptance = summarize_acceptance(ws, "live")
    assert (acceptance.overridden, acceptance.known, acceptance.gain) == (1, 0, 0)


def test_a_plan_rests_on_the_days_before_the_start(experiment: Workspace) -> None:
    plan = experiment_results.plan_experiment(experiment)
    late = [int(load_of(i) > 0.5) for i in range(UNITS_A_DAY)]
    values = [VALUE_PER_OUTCOME * outcome - 3 * (load_of(i) > 0.7) for i, outcome in enumerate(late)]
    assert (plan.share, plan.units_a_day) == (SHARE, UNITS_A_DAY)
    assert plan.deviation == pytest.approx(np.std(values), rel=0.01)


def test_a_plan_needs_known_outcomes_and_a_holdout(tmp_path: Path) -> None:
    with pytest.raises(HoldoutError, match="can't be planned"):
        experiment_results.plan_experiment(make_workspace(tmp_path / "new", **RANDOMIZED))
    with pytest.raises(HoldoutError, match="no holdout is declared"):
        experiment_results.plan_experiment(make_workspace(tmp_path / "exact"))


def test_pages_and_digests_claim_no_more_than_the_experiment_shows(experiment: Workspace, tmp_path: Path) -> None:
    ws = copy_home(experiment, tmp_path)
    entry = ws.lake.entry("decisions/live", KEYS[0])
    assert entry is not None
    deliver_decisions(ws, {KEYS[0]: entry}, "live")
    decision = read_decisions(ws, KEYS[0], "live")[0]
    trace = provenance.trace_decision(ws, decision.decision_id)
    assert trace.outcome and trace.outcome.outcome is not None
    cost = 3 if decision.action == "act" else 0
    assert trace.outcome.value == VALUE_PER_OUTCOME * trace.outcome.outcome - cost
    assert trace.outcome.value_current_process is None
    assert trace.policy.version.endswith(f"holdout={SHARE}")
    evidence = summarize_kpi(ws, "live").evidence
    assert evidence is not None
    page = impact_report.write_report(ws, "live").read_text()
    assert evidence in page.replace("&#39;", "'")
    assert "keeps the current process. The other calls are compared with this share." in page
    assert "nan" not in page.replace("finance", "")
    assert "Random choice" not in page
    assert break_even.write_curve(ws, "live") == []
    assert "**randomized**" in model_record.render_record(ws, "live")
    shutil.rmtree(str(ws.lake.root / "validated"))  # these partitions carry no verdict
    assert f"- {evidence}" in owner_section(ws, "live", KEYS)
    assert any("840" in line and "holdout" in line for line in auditor_section(ws, "live", KEYS))


def test_lost_units_of_one_arm_refuse_the_figure_until_they_are_found(experiment: Workspace, tmp_path: Path) -> None:
    ws = copy_home(experiment, tmp_path)
    sound = summarize_kpi(ws, "live")
    outcomes = {p: e for p in KEYS if (e := ws.lake.entry("outcomes", p))}
    for partition in KEYS:
        decisions = read_decisions(ws, partition, "live")
        lost = [d.unit["id"] for d in decisions if d.decided_by == "holdout"][::2]
        set_outcomes(ws, partition, {d.unit["id"]: None if d.unit["id"] in lost else 0 for d in decisions})
    kpi_ledger.write_accounts(ws, KEYS, "live")
    text = r"differ from those declared in kpi.holdout.share \(overall, .* held out 40.0% declared and 2\d.\d% seen"
    with pytest.raises(RefusedFiguresError, match=text):
        summarize_kpi(ws, "live")
    for partition, entry in outcomes.items():
        rows = pq.read_table(experiment.lake.local_file(entry))
        ws.lake.write("outcomes", partition, rows, inputs=entry.inputs, code="test")
    kpi_ledger.write_accounts(ws, KEYS, "live")
    found_again = summarize_kpi(ws, "live")
    assert found_again.to_dict() == sound.to_dict()
    assert found_again.holdout and sound.holdout
    assert found_again.holdout.to_dict(1.0) == sound.holdout.to_dict(1.0)


def test_a_unit_that_returns_is_one_draw(experiment: Workspace) -> None:
    drawn = count_held_out(experiment)
    assert [stratum.stratum for stratum in drawn] == ["overall", "2013-03", "2013-04"]
    assert drawn[0].units == drawn[1].units + drawn[2].units == len(KEYS) * UNITS_A_DAY
    assert drawn[0].declared == {"held out": SHARE, "not held out": 1 - SHARE}


def test_accounts_of_an_earlier_release_have_no_interval(experiment: Workspace, tmp_path: Path) -> None:
    """They don't hold the sums of cubes, so nobody knows whether a few extreme values decide."""
    ws = copy_home(experiment, tmp_path)
    entry = ws.lake.entry("kpi/live", KEYS[0])
    assert entry is not None
    rows = pq.read_table(ws.lake.local_file(entry)).drop_columns("value_cubed")
    ws.lake.write("kpi/live", KEYS[0], rows, inputs=entry.inputs, code="earlier", facts=entry.facts)
    effect = experiment_results.measure_effect(ws)
    assert effect is not None and np.isnan([effect.lift.low, effect.single_look.low]).all()
    assert effect.lift.problem.startswith("too early to say: some accounts were written before")
    assert measure_lift_of(experiment) == effect.lift.value
    kpi_ledger.write_accounts(ws, KEYS[:1], "live")
    again = experiment_results.measure_effect(ws)
    assert again is not None and again.lift.problem == ""


def measure_lift_of(ws: Workspace) -> float:
    effect = experiment_results.measure_effect(ws)
    assert effect is not None
    return effect.lift.value


def test_a_few_extreme_values_have_no_interval_and_earn_nothing(experiment: Workspace, tmp_path: Path) -> None:
    ws = copy_home(experiment, tmp_path)
    calls = [decision.unit["id"] for decision in read_decisions(ws, KEYS[0], "live")]
    set_outcomes(ws, KEYS[0], dict.fromkeys(calls, 0) | {calls[0]: 1000})
    kpi_ledger.write_accounts(ws, KEYS, "live")
    summary = summarize_kpi(ws, "live")
    assert summary.lift_vs_current.low is None and summary.counted.standing == "no gain shown"
    assert summary.lift_vs_current.problem.startswith("too heavy-tailed to say")
    assert summary.evidence is not None and summary.evidence.startswith("Too heavy-tailed to say")


def test_values_outside_of_the_declared_bounds_refuse_every_figure(experiment: Workspace, tmp_path: Path) -> None:
    values, _ = value_units(experiment)
    bounds = {"low": float(values.min()), "high": float(values.max())}
    ws = copy_home(experiment, tmp_path / "kept", kpi={"holdout": {"bounds": bounds}})
    assert measure_lift_of(ws) == measure_lift_of(experiment)
    narrow = {"bounds": {"low": bounds["low"] + 0.5, "high": bounds["high"]}}
    ws = copy_home(experiment, tmp_path / "broken", kpi={"holdout": narrow})
    with pytest.raises(RefusedFiguresError, match=r"outside of kpi.holdout.bounds"):
        summarize_kpi(ws, "live")
