"""Every use case side by side: money that reconciles, ranked, with what to do; and what nobody reads."""

from __future__ import annotations

import json
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from sixtyforty.accounting import run_hours
from sixtyforty.accounting.run_hours import FinishedRun
from sixtyforty.lifecycle.stage_steps import retire_use_case
from sixtyforty.reports import portfolio, readership
from sixtyforty.reports.portfolio import Line, scoped, totals
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.workspace import Workspace
from tests.accounted_home import append_verdict, write_decisions, write_usage, write_verdicts
from tests.helpers import WITH_RESPONSES, day_range, make_workspace, merge
from tests.words import assert_plain

NOW = datetime(2013, 7, 1, 12)
COSTS = {"kpi": {"costs": {"build": 1000, "per_month": 100}}}


def one(folder: Path, name: str, gain: float, *, days: int = 60, track: str = "replay", **changes: Any) -> Workspace:
    """A use case of its own in the home `folder`, whose days of 20 decisions gain about so much each."""
    ws = make_workspace(folder, name=name, title=name.title(), **merge(COSTS, changes))
    keys = day_range(date(2013, 4, 1), date(2013, 4, 1) + timedelta(days=days - 1))
    for i, p in enumerate(keys):
        day = DailyValue(p, 20, 40.0 + gain + (i * 7 % 11 - 5), 40.0, 10.0, 90.0, 6, 4, 0)
        row = {k: v for k, v in day.__dict__.items() if k != "candidates"}
        ws.lake.write(f"kpi/{track}", p, pa.Table.from_pylist([row]), facts=day.__dict__ | {"unknown": 0})
    return ws


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here is to outlive a loss of power, and there is much to write."""
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture
def three(tmp_path) -> list[Workspace]:
    return [one(tmp_path, "small", 15.0), one(tmp_path, "large", 90.0), one(tmp_path, "losing", -30.0)]


def by_name(lines: list[Line]) -> dict[str, Line]:
    return {one.name: one for one in lines}


def test_ranked_by_what_is_left(three):
    lines = portfolio.portfolio(three, NOW)
    assert [o.name for o in lines] == ["large", "small", "losing"]
    assert [o.advice for o in lines] == ["grow", "go on", "stop"]
    assert lines[1].why == "Its gain is proven; what it cost isn't earned back yet."


def test_totals_are_those_of_the_ledgers_by_a_query_of_ones_own(three):
    run_hours.add_finished_runs(three[0].home, lambda a, b: [Ran("large", 0.0, 7200.0)], 1.0)
    three[1] = one(three[0].home, "large", 90.0, kpi={"costs": {"per_run_hour": 3}})
    (found,) = totals(portfolio.portfolio(three, NOW))
    files = three[0].home / "data" / "lake" / "*" / "kpi" / "replay" / "*.parquet"
    gain, days = duckdb.sql(f"select sum(model - current_process), count(*) from read_parquet('{files}')").fetchall()[0]
    assert found["gain"] == pytest.approx(gain, abs=0.005)
    running = days * 100 * 12 / 365.25
    assert (found["build"], found["running"]) == (3000, pytest.approx(running, abs=0.02))
    assert found["run_time"] == 6
    assert found["net"] == pytest.approx(gain - 3000 - running - 6, abs=0.02)
    assert found["roi"] == pytest.approx(found["net"] / (3006 + running), abs=0.0002)
    for o in portfolio.portfolio(three, NOW):
        assert o.net == pytest.approx(o.gain - o.build - o.running - o.run_time - o.intervening)


def test_assumed_money_is_never_added_to_money_seen_nor_one_currency_to_another(three, tmp_path):
    assumed = one(
        tmp_path,
        "assumed",
        500.0,
        kpi={"measurement": "randomized", "holdout": {"share": 0.1, "value_per_outcome": -10}},
    )
    crowns = one(tmp_path, "crowns", 9.0, kpi={"currency": "SEK"})
    lines = portfolio.portfolio([*three, assumed, crowns], NOW)
    assert {(t["unit"], t["label"]): t["use_cases"] for t in totals(lines)} == {
        ("EUR", "exact"): 3,
        ("EUR", "assumed"): 1,
        ("SEK", "exact"): 1,
    }
    assert by_name(lines)["assumed"].advice == "prove"
    assert [o.unit for o in lines] == ["EUR"] * 4 + ["SEK"]


def test_where_anything_is_live_the_past_relived_does_not_count(tmp_path):
    ws = one(tmp_path, "both", 20.0)
    day = DailyValue("2013-06-30", 20, 70.0, 40.0, 10.0, 90.0, 6, 4, 0)
    ws.lake.write("kpi/live", day.partition, pa.table({"decisions": [20]}), facts=day.__dict__)
    (found,) = portfolio.portfolio([ws], NOW)
    assert (found.track, found.decisions, found.gain) == ("live", 20, 30.0)


def test_people_quality_and_freshness(tmp_path):
    ws = one(tmp_path, "used", 90.0, **merge(WITH_RESPONSES, {"kpi": {"costs": {"per_response": 2}}}))
    write_verdicts(ws, date(2013, 6, 1), rejected=["2013-06-12"])
    write_decisions(ws, "2013-06-29")
    write_usage(ws, "2013-06-29", simulated=3)
    (found,) = portfolio.portfolio([ws], NOW)
    assert (found.interventions, found.intervening, found.used, found.uptake) == (8, 16.0, 6, 0.6)
    assert found.cost_per_used == pytest.approx(found.cost / 6)
    assert found.simulated
    assert (found.advice, found.why) == (
        "win people",
        "It gains, but people: what is simulated is no sign of use (simulated: 3 of 19 responses).",
    )
    assert found.quality == pytest.approx(27 * 19 / (28 * 20), abs=0.01)
    assert found.newest == "2013-06-30"


def test_what_was_stopped_or_retired_is_said_to_be(tmp_path):
    gate = {"target": 500, "minimum_gain": 100, "stop": "2013-06-15"}
    stopped = one(tmp_path, "stopped", 0.0, days=90, stages={"poc": gate})
    over = one(tmp_path, "over", 90.0, stages={"poc": gate})
    retire(over, "Ada", "the process is gone", NOW)
    found = by_name(portfolio.portfolio([stopped, over], NOW + timedelta(hours=1)))
    assert (found["stopped"].advice, found["stopped"].verdict) == ("stop", "stop")
    assert found["stopped"].next_gate == "poc: +500 per 1,000 by 2013-06-15"
    assert (found["over"].advice, found["over"].stage) == ("over", "retired")


def test_the_next_gate_is_the_one_it_stands_before(tmp_path):
    gate, later = ({"target": 500, "minimum_gain": 100, "stop": d} for d in ("2013-08-15", "2014-02-01"))
    ready = one(tmp_path, "ready", 90.0, stages={"poc": gate, "pilot": later})
    alone = one(tmp_path, "alone", 90.0, stages={"poc": gate})
    found = by_name(portfolio.portfolio([ready, alone], NOW))
    assert found["ready"].next_gate == "pilot: +500 per 1,000 by 2014-02-01"
    assert found["alone"].next_gate == "pilot: none is declared"


def test_a_pilot_begins_further_down_and_is_found_there(tmp_path):
    gate = {"target": 500, "minimum_gain": 100, "stop": "2013-08-15"}
    north = one(tmp_path, "north", 1.0, stages={"poc": gate | {"scope": {"site": "north", "team": "dispatch"}}})
    south = one(tmp_path, "south", 1.0, stages={"poc": gate | {"scope": {"site": "south"}}})
    every = one(tmp_path, "every", 1.0)

    def found(**wanted: str) -> list[str]:
        return [ws.use_case.name for ws in scoped([north, south, every], wanted)]

    assert found(site="north") == ["north", "every"]
    assert found(team="dispatch") == ["north", "south", "every"]
    assert found(site="south", team="office") == ["south", "every"]
    assert portfolio.line(north, 0.0, NOW).scope == "dispatch, north"


def test_the_page_is_for_owners(three):
    path = portfolio.write(three, NOW)
    page = path.read_text()
    assert path == three[0].home / "data" / "reports" / "portfolio.html"
    assert_plain(page)
    assert page.index("1. Large") < page.index("2. Small") < page.index("3. Losing")
    for said in ("<b>Stop</b> Losing", "<b>Grow</b> Large"):
        assert said in page


def test_with_nothing_accounted_for_it_says_so(tmp_path):
    ws = make_workspace(tmp_path)
    (found,) = portfolio.portfolio([ws], NOW)
    assert (found.advice, found.newest, found.roi) == ("begin", None, None)
    assert_plain(portfolio.write([ws], NOW).read_text())
    assert totals([found]) == []
    json.dumps(found.plain, allow_nan=False)


def test_fifty_use_cases_cost_fifty_times_one(tmp_path):
    """In proportion, whatever the machine: no use case is looked at for another's sake."""
    few, many = ([one(tmp_path / f"{n}", f"case_{i}", i - n / 2, days=30) for i in range(n)] for n in (5, 50))
    portfolio.portfolio(few, NOW)  # imports

    def seconds(workspaces: list[Workspace]) -> float:
        began = time.process_time()
        portfolio.portfolio(workspaces, NOW)
        return time.process_time() - began

    small, large = (min(seconds(those) for _ in range(3)) for those in (few, many))  # the first look gathers
    assert large < 10 * small * 2.5
    nets = [o.net for o in portfolio.portfolio(many, NOW)]
    assert nets == sorted(nets, reverse=True)


# What nobody reads


def test_what_nobody_has_read_for_a_month_is_named(tmp_path):
    ws = one(tmp_path, "quiet", 20.0)
    append_verdict(ws, "2013-04-01")
    write_decisions(ws, "2013-06-29")
    (ws.reports / "impact.html").parent.mkdir(parents=True)
    (ws.reports / "impact.html").write_text("x")
    made = datetime.fromisoformat(ws.champion_ledger.rows()[0].recorded_at).replace(tzinfo=None)
    assert readership.unread(ws, made + timedelta(days=29)) == []
    late = made + timedelta(days=40)
    assert readership.unread(ws, late) == ["decisions", "review_queue", "impact_report"]
    for output in ("decisions", "review_queue"):
        readership.note(ws, output, late - timedelta(days=3))
    readership.note(ws, "impact_report", late - timedelta(days=33))
    assert readership.unread(ws, late) == ["impact_report"]
    page = portfolio.write([ws], late).read_text()
    assert "<b>Nobody has read</b> impact report of Quiet" in page


def test_reading_twice_a_day_is_kept_once(tmp_path):
    ws = make_workspace(tmp_path)
    readership.note(ws, "decisions", NOW)
    path = next((tmp_path / "data" / "reads").glob("*.json"))
    before = path.stat().st_mtime_ns
    readership.note(ws, "decisions", NOW + timedelta(minutes=5))
    assert path.stat().st_mtime_ns == before
    assert readership.read(ws) == {"decisions": date(2013, 7, 1)}


def test_run_time_is_counted_once_and_kept_for_ever(tmp_path):
    runs = [Ran("a", 10.0, 3610.0), Ran("b", 20.0, 1820.0), Ran("a", 4000.0, 7600.0)]

    def ended(after: float, until: float) -> list[Ran]:
        return [r for r in runs if after < r.end <= until]

    assert run_hours.read_run_hours(tmp_path) == {}
    assert run_hours.add_finished_runs(tmp_path, ended, 3700.0) == {"a": 1.0, "b": 0.5}
    assert run_hours.add_finished_runs(tmp_path, ended, 3700.0) == {"a": 1.0, "b": 0.5}
    runs = [r for r in runs if r.end > 3700.0]  # Dagster's are purged
    assert run_hours.add_finished_runs(tmp_path, ended, datetime.now(UTC).timestamp()) == {"a": 2.0, "b": 0.5}
