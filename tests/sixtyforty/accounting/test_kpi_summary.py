"""The summary adds the accounts up, and states what the figures rest on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sixtyforty.accounting.kpi_ledger import read_daily_values
from sixtyforty.accounting.kpi_summary import ASSUMPTION, summarize_kpi, summarize_segments
from sixtyforty.workspace import Workspace
from tests.accounted_home import make_accounted_home, make_daily_value, write_accounts
from tests.helpers import make_workspace


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_accounted_home(tmp_path_factory.mktemp("home"))


def test_the_summary_is_the_sum_of_the_accounts(ws: Workspace) -> None:
    summary, days = summarize_kpi(ws, "replay"), read_daily_values(ws, "replay")
    assert (summary.first, summary.last, summary.days) == ("2013-04-01", "2013-06-30", 91)
    assert summary.decisions == sum(d.decisions for d in days)
    assert summary.totals["model"] == round(sum(d.model for d in days), 2)
    assert summary.gain == round(sum(d.model - d.current_process for d in days), 2)
    assert summary.net_impact == pytest.approx(summary.gain - summary.build - summary.running, abs=0.011)
    assert summary.lift_vs_current.value == round(1000 * summary.gain / summary.decisions, 2)
    assert (summary.label, summary.evidence, summary.holdout) == ("exact", None, None)
    assert summary.operational


def test_a_candidate_is_compared_on_the_same_decisions(ws: Workspace) -> None:
    summary = summarize_kpi(ws, "replay")
    candidate = summary.candidates["by_load"]
    assert candidate.decisions == summary.decisions
    assert candidate.lift_vs_current.value == 250.0  # it earns 5 more than the current process on 20 decisions
    assert candidate.model_minus.value == pytest.approx((summary.lift_vs_current.value or 0) - 250.0, abs=0.011)


def test_a_summary_ends_with_the_partition_asked_for(ws: Workspace) -> None:
    summary = summarize_kpi(ws, "replay", until="2013-04-10")
    assert (summary.last, summary.days) == ("2013-04-10", 10)
    days = read_daily_values(ws, "replay", until="2013-04-10")
    assert summarize_kpi(ws, "replay", daily_values=days) == summary


def test_json_holds_the_partitions_as_from_and_to(ws: Workspace) -> None:
    fields = json.loads(json.dumps(summarize_kpi(ws, "replay").to_dict(), allow_nan=False))
    assert (fields["from"], fields["to"]) == ("2013-04-01", "2013-06-30")
    assert fields["total"] == fields["totals"]["model"]
    assert fields["operational"] is True
    assert fields["lift_vs_current"].keys() == {"value", "low", "high", "problem"}
    assert fields["candidates"]["by_load"].keys() == {"decisions", "per_1000", "lift_vs_current", "model_minus"}


def test_without_accounts_nothing_is_known(tmp_path: Path) -> None:
    summary = summarize_kpi(make_workspace(tmp_path), "replay")
    assert (summary.decisions, summary.first, summary.differ_share) == (0, None, None)
    assert summary.lift_vs_current.to_dict() == {"value": None, "low": None, "high": None, "problem": ""}
    assert not summary.operational


def test_money_that_rests_on_an_assumption_says_so(tmp_path: Path) -> None:
    holdout = {"share": 0.1, "value_per_outcome": -10}
    ws = make_workspace(tmp_path, kpi={"measurement": "randomized", "holdout": holdout})
    write_accounts(ws, [make_daily_value("2013-04-01", 5.0)])
    summary = summarize_kpi(ws, "replay")
    assert (summary.label, summary.evidence) == ("assumed", ASSUMPTION)
    live = summarize_kpi(ws, "live")
    assert (live.label, live.holdout) == ("assumed", None), "no unit of either arm has an outcome"
    assert live.evidence and live.evidence.startswith("The holdout has no result yet")


def test_segments_add_up_to_the_gain(ws: Workspace) -> None:
    segments = summarize_segments(ws, "replay")
    assert {(s.column, s.name) for s in segments} == {("site", "north"), ("site", "south")}
    assert sum(s.gain for s in segments) == pytest.approx(summarize_kpi(ws, "replay").gain)
    assert sum(s.decisions for s in segments) == summarize_kpi(ws, "replay").decisions


def test_without_accounts_there_are_no_segments(tmp_path: Path) -> None:
    assert summarize_segments(make_workspace(tmp_path), "replay") == []
