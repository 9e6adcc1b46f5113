"""The line of a use case: its track, usage, data quality, stage and next gate."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from sixtyforty.accounting.kpi_ledger import kpi_dataset
from sixtyforty.lifecycle.stage_steps import retire_use_case
from sixtyforty.reports.portfolio_line import build_line
from sixtyforty.value.daily_value import DailyValue
from tests.accounted_home import make_accounted_home, write_decisions, write_usage, write_verdicts
from tests.helpers import WITH_RESPONSES, merge
from tests.sixtyforty.reports.test_portfolio import NOW, make_gaining_use_case


def test_live_decisions_replace_the_replay(tmp_path: Path) -> None:
    ws = make_gaining_use_case(tmp_path, "both", 20.0)
    day = DailyValue("2013-06-30", 20, 70.0, 40.0, 10.0, 90.0, 6, 4, 0)
    ws.lake.write(
        kpi_dataset("live"), day.partition, pa.table({"decisions": [20]}), facts=day.__dict__ | {"unknown": 0}
    )
    line = build_line(ws, 0.0, NOW)
    assert (line.track, line.decisions, line.gain) == ("live", 20, 30.0)


def test_usage_data_quality_and_freshness_are_shown(tmp_path: Path) -> None:
    changes = merge(WITH_RESPONSES, {"kpi": {"costs": {"per_response": 2}}})
    ws = make_gaining_use_case(tmp_path, "used", 90.0, **changes)
    write_verdicts(ws, date(2013, 6, 1), rejected=["2013-06-12"])
    write_decisions(ws, "2013-06-29")
    write_usage(ws, "2013-06-29", simulated=3)
    line = build_line(ws, 0.0, NOW)
    assert (line.usage.responses, line.costs.responses_cost, line.usage.used, line.usage.uptake) == (8, 16.0, 6, 0.6)
    assert line.cost_per_used == pytest.approx(line.costs.total / 6)
    assert line.usage.simulated
    assert line.inputs.quality == pytest.approx(27 * 19 / (28 * 20), abs=0.01)
    assert line.inputs.newest == "2013-06-30"


def test_a_stopped_and_a_retired_use_case_are_shown_as_such(tmp_path: Path) -> None:
    gate = {"target": 500, "minimum_gain": 100, "stop_date": "2013-06-15"}
    stopped = make_gaining_use_case(tmp_path, "stopped", 0.0, days=90, stages={"poc": gate})
    retired = make_gaining_use_case(tmp_path, "retired", 90.0, stages={"poc": gate})
    retire_use_case(retired, "Ada", "the process is gone", NOW)
    lines = {ws.use_case.name: build_line(ws, 0.0, NOW + timedelta(hours=1)) for ws in (stopped, retired)}
    assert (lines["stopped"].advice, lines["stopped"].verdict) == ("stop", "stop")
    assert lines["stopped"].next_gate == "proof of concept: EUR 500 per 1,000 units by 15 June 2013"
    assert (lines["retired"].advice, lines["retired"].stage) == ("retired", "retired")


def test_the_next_gate_is_the_first_that_is_not_passed(tmp_path: Path) -> None:
    first, later = ({"target": 500, "minimum_gain": 100, "stop_date": d} for d in ("2013-08-15", "2014-02-01"))
    ready = make_gaining_use_case(tmp_path, "ready", 90.0, stages={"poc": first, "pilot": later})
    without_pilot = make_gaining_use_case(tmp_path, "without_pilot", 90.0, stages={"poc": first})
    lines = {ws.use_case.name: build_line(ws, 0.0, NOW) for ws in (ready, without_pilot)}
    assert lines["ready"].next_gate == "pilot: EUR 500 per 1,000 units by 1 February 2014"
    assert lines["without_pilot"].next_gate == "pilot: no gate is declared"


def test_a_gate_passed_at_a_negative_return_is_explained(tmp_path: Path) -> None:
    gate = {"target": 500, "minimum_gain": 100, "stop_date": "2013-08-15"}
    changes = {"kpi": {"costs": {"build": 1_000_000}}, "stages": {"poc": gate}}
    dear = build_line(make_gaining_use_case(tmp_path, "dear", 90.0, **changes), 0.0, NOW)
    assert (dear.verdict, dear.roi is not None and dear.roi < 0) == ("pass", True)
    assert dear.gate_note.startswith("The stage gate is passed, but the costs are not covered: they are still EUR ")
    cheap = replace(dear, costs=replace(dear.costs, build=0.0, running=0.0))
    assert cheap.gate_note == ""


def test_a_line_as_json_is_flat_and_rounded(tmp_path: Path) -> None:
    plain = build_line(make_gaining_use_case(tmp_path, "calls", 15.0), 1.25, NOW).plain
    assert (plain["build"], plain["uptake"], plain["newest"]) == (1000, None, None)
    assert plain["net"] == round(plain["gain"] - plain["cost"], 2)
    assert plain["roi"] == round(plain["roi"], 4)


def test_the_months_within_their_forecast_are_counted(tmp_path: Path) -> None:
    ws = make_accounted_home(tmp_path)
    assert build_line(ws, 0.0, NOW).forecasts == (
        "2 of 3 months came out within their forecast (90% were to be expected)."
    )


def test_a_use_case_without_a_champion_has_no_forecasts(tmp_path: Path) -> None:
    assert build_line(make_gaining_use_case(tmp_path, "none", 20.0), 0.0, NOW).forecasts == ""
