"""The advice for a use case follows from its gain, its costs, its people and its gate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sixtyforty.accounting.acceptance import summarize_acceptance
from sixtyforty.accounting.kpi_summary import KpiSummary, summarize_kpi
from sixtyforty.lifecycle.stage_gate import StageStatus, read_stage_status
from sixtyforty.reports.portfolio_advice import advise
from sixtyforty.value.rounded_interval import RoundedInterval
from sixtyforty.workspace import Workspace
from tests.accounted_home import write_decisions, write_usage
from tests.helpers import WITH_RESPONSES, merge
from tests.sixtyforty.reports.test_portfolio import NOW, make_gaining_use_case

GATE = {"stages": {"poc": {"target": 500, "minimum_gain": 100, "stop_date": "2013-12-01"}}}


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_gaining_use_case(tmp_path_factory.mktemp("home"), "calls", 90.0, **merge(WITH_RESPONSES, GATE))


@pytest.fixture(scope="module")
def summary(ws: Workspace) -> KpiSummary:
    return summarize_kpi(ws, "replay")


@pytest.fixture(scope="module")
def status(ws: Workspace) -> StageStatus:
    return read_stage_status(ws, NOW)


@pytest.mark.parametrize(
    ("changes", "net", "advice", "reason"),
    [
        ({"decisions": 0}, 0.0, "start", "No outcome is known yet. Run the chain on the first days of its data."),
        (
            {"lift_vs_current": RoundedInterval(-5, -9, -1)},
            0.0,
            "stop",
            "The current process does better",
        ),
        ({"label": "assumed"}, 9.0, "prove", "The gain is assumed. Run a holdout before you rely on it."),
        ({"lift_vs_current": RoundedInterval(5, -1, 9)}, 9.0, "continue", "No gain is shown yet."),
        ({}, -9.0, "continue", "The replay shows a gain, but it is below the costs of the use case so far."),
        ({}, 9.0, "go live", "The replay shows a gain above the costs. Nobody has acted on it yet"),
        ({"basis": "unrecorded"}, 9.0, "expand", "The gain is proven and covers the costs. Extend the use case."),
    ],
)
def test_the_advice_follows_from_gain_and_costs(
    ws: Workspace, summary: KpiSummary, changes: dict[str, object], net: float, advice: str, reason: str
) -> None:
    actual, why = advise(ws, replace(summary, **changes), None, net, None, NOW)
    assert actual == advice
    assert why.startswith(reason)


def test_a_gate_that_is_not_passed_holds_the_use_case_back(
    ws: Workspace, summary: KpiSummary, status: StageStatus
) -> None:
    waiting = replace(status, verdict="continue", obstacles=["2 partitions with known outcomes, 14 needed"])
    assert advise(ws, summary, None, 9.0, waiting, NOW) == (
        "continue",
        "The replay shows a gain, but the stage gate isn't passed yet: 2 partitions with known outcomes, 14 needed.",
    )
    stopped = replace(status, verdict="stop", obstacles=["the stage missed its deadline, 2013-06-15"])
    assert advise(ws, summary, None, 9.0, stopped, NOW) == (
        "stop",
        "The stage gate stopped the use case: the stage missed its deadline, 2013-06-15.",
    )


def test_simulated_responses_prove_no_adoption(tmp_path: Path, summary: KpiSummary) -> None:
    ws = make_gaining_use_case(tmp_path, "used", 90.0, **WITH_RESPONSES)
    write_decisions(ws, "2013-06-29")
    write_usage(ws, "2013-06-29", simulated=3)
    advice, why = advise(ws, summary, summarize_acceptance(ws, "replay"), 9.0, None, NOW)
    assert advice == "build adoption"
    assert why == (
        "The replay shows a gain, but not that people use the decisions. Simulated responses are no evidence of use"
        " (simulated: 3 of 19 responses)."
    )
