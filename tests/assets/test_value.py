"""The value stages: the KPI with its checks, acceptance, and build or buy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assets import value
from assets.stage import CheckResult, StageResult, StageTarget
from sixtyforty.accounting import acceptance
from sixtyforty.spec.money import format_money
from sixtyforty.workspace import Workspace
from tests.accounted_home import make_accounted_home, write_decisions, write_usage
from tests.assets.conftest import make_run
from tests.experiment_home import KEYS, make_experiment_home
from tests.helpers import WITH_RESPONSES, make_use_case, make_workspace
from tests.sixtyforty.accounting.test_exactness import make_exact

GATE = {"target": 500, "minimum_gain": 100, "stop_date": "2013-08-15"}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A fortnight of live decisions with a holdout."""
    return make_experiment_home(tmp_path_factory.mktemp("experiment"))


@pytest.fixture
def accounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Three months of accounts, written by hand."""
    monkeypatch.setattr("os.fsync", lambda _: None)
    return make_accounted_home(tmp_path)


def checks_of(result: StageResult) -> dict[str, CheckResult]:
    return {check.name: check for check in result.checks}


def test_a_use_case_with_a_holdout_has_a_check_on_its_arms(experiment: Workspace, tmp_path: Path) -> None:
    declared = [check.name for check in value.kpi_checks(StageTarget(experiment.use_case))]
    result = value.account_kpi(run := make_run(experiment, KEYS, track="live"))
    checks = checks_of(result)
    assert set(checks) == set(declared)
    assert checks["money_reconciles"].passed
    holdout: Any = checks["holdout_intact"]
    assert holdout.passed and holdout.description
    evidence = holdout.metadata["holdout"].data
    assert {"lift", "single_look", "units", "held_out", "sample_ratio_p_value", "days_left"} <= set(evidence)
    day: Any = result.published[KEYS[0]].metadata
    assert day["decisions"] == 60
    assert 0 < day["decisions in the holdout"] < 60
    assert run.log.lines[0].startswith("INFO: kpi_impact: valued (496 decisions, gain ")
    plain = StageTarget(make_use_case(tmp_path))
    assert "holdout_intact" not in [check.name for check in value.kpi_checks(plain)]


def test_a_holdout_is_judged_by_the_interval_that_is_valid_at_every_look(experiment: Workspace) -> None:
    checks = checks_of(value.account_kpi(make_run(experiment, KEYS, track="live")))
    lift = checks["holdout_intact"].metadata["holdout"].data["lift"]
    check = checks["beats_current_process"]
    assert check.passed == (lift["low"] > 0)
    low, high = (format_money(lift[end], "EUR", signed=True) for end in ("low", "high"))
    assert f"95% confidence interval: {low} to {high}" in str(check.description)


def test_a_run_records_that_a_holdout_refutes_exact_figures(experiment: Workspace, tmp_path: Path) -> None:
    ws = make_exact(experiment, tmp_path, effect=0.4)
    for _ in range(2):
        accounted = value.account_kpi(run := make_run(ws, KEYS, track="live"))
        assert not checks_of(accounted)["beats_current_process"].passed
        assert accounted.published[KEYS[0]].metadata["label"] == "assumed"
    assert [(row.event, row.by) for row in run.ws.exactness_ledger.rows()] == [("refuted", "holdout")]


def test_a_replay_has_no_evidence_of_an_experiment(experiment: Workspace) -> None:
    result = value.account_kpi(run := make_run(experiment, KEYS))
    assert [check.name for check in result.checks] == ["units_conserved"]
    assert run.log.lines[-1:] == ["INFO: kpi_impact: skipped (no decision has a known outcome yet)"]


def test_the_newest_partition_shows_the_figures_over_all_days(experiment: Workspace) -> None:
    result = value.account_kpi(make_run(experiment, KEYS, track="live"))
    overview = result.newest_metadata
    assert {"cumulative value", "value by month, per 1,000 decisions"} <= overview.keys()
    assert "cumulative value" not in result.published[KEYS[0]].metadata
    months = overview["value by month, per 1,000 decisions"].records
    assert [month.data["decisions"] for month in months] == [244, 252]


def test_a_losing_segment_and_equal_decisions_warn(accounted: Workspace) -> None:
    summary = value.kpi_summary.summarize_kpi(accounted, "replay")
    equal = value._check_decisions_differ(replace(summary, differ_from_current=0, differ_share=0.0))
    assert (equal.passed, equal.warn) == (False, True)
    assert equal.description == "no decision differs from the current process"
    different = value._check_decisions_differ(summary)
    assert different.passed
    assert str(different.description).endswith("% of the decisions differ from the current process")
    segments = value._check_segments(make_run(accounted))
    assert segments.passed == (segments.description == "the current process is better in no segment (95% confidence)")


def test_acceptance_warns_while_nobody_looks_at_the_decisions(experiment: Workspace, tmp_path: Path) -> None:
    empty = make_accounted_home(tmp_path, **WITH_RESPONSES)
    assert value.account_acceptance(run := make_run(empty)).checks == []
    assert run.log.lines == ["INFO: acceptance: skipped (no decision has been taken yet)"]
    result = value.account_acceptance(run := make_run(experiment, KEYS, track="live"))
    checks = checks_of(result)
    assert not checks["people_use_decisions"].passed
    assert checks["responses_match"].description == "0 of 0 responses belong to no decision"
    assert run.log.lines == ["INFO: acceptance: responses counted (nobody has looked at any of 840 decisions)"]


def test_acceptance_labels_simulated_responses(accounted: Workspace) -> None:
    write_usage(accounted, "2013-06-28", simulated=19)
    responses = replace(acceptance.summarize_acceptance(accounted, "replay"), decisions=12)
    text = value.describe_acceptance(responses, accounted.use_case.kpi)
    assert text == (
        "10 decisions seen, 6 followed, 2 overridden; the overrides gained +EUR 30 [simulated: 19 of 19 responses]"
    )


def test_no_gain_over_the_current_process_is_claimed_on_an_outdated_replay(accounted: Workspace) -> None:
    write_decisions(accounted, "2013-06-29")
    checks = checks_of(value.account_kpi(make_run(accounted, [])))
    assert checks["beats_current_process"].passed
    features = accounted.use_case.folder / "features.sql"
    sql = features.read_text()
    features.write_text(f"{sql} -- mended")
    check = checks_of(value.account_kpi(make_run(accounted, [])))["beats_current_process"]
    assert not check.passed
    assert (check.description or "").startswith(
        "The replay is outdated: 1 of 1 day was decided by an earlier declaration. Run `"
    )
    features.write_text(sql)
    assert checks_of(value.account_kpi(make_run(accounted, [])))["beats_current_process"].passed


def test_the_first_account_registers_the_gate_before_its_figures_are_known(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, stages={"poc": GATE})
    value.account_kpi(make_run(ws, []))
    (row,) = ws.stage_ledger.rows()
    assert (row.event, row.known_partitions) == ("enter", 0)
