"""The portfolio: money that reconciles with the ledgers, ranked, with what to do next."""

from __future__ import annotations

import json
import re
import time
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from sixtyforty.accounting import run_hours
from sixtyforty.accounting.kpi_ledger import kpi_dataset
from sixtyforty.accounting.run_hours import FinishedRun
from sixtyforty.reports.portfolio import build_portfolio, filter_by_scope, write_report
from sixtyforty.reports.portfolio_line import PortfolioLine, build_line
from sixtyforty.reports.portfolio_total import add_up_totals, list_asides
from sixtyforty.spec.track import Track
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.daily_values import FIGURES
from sixtyforty.workspace import Workspace
from tests.accounted_home import append_verdict
from tests.helpers import day_range, make_workspace, merge
from tests.words import assert_plain, read_words

NOW = datetime(2013, 7, 1, 12)
COSTS = {"kpi": {"costs": {"build": 1000, "per_month": 100}}}


def make_gaining_use_case(
    folder: Path, name: str, gain: float, *, days: int = 60, track: Track = "replay", **changes: Any
) -> Workspace:
    """Return a use case in the home `folder`, whose days of 20 decisions gain about `gain` each."""
    ws = make_workspace(folder, name=name, title=name.title(), **merge(COSTS, changes))
    partitions = day_range(date(2013, 4, 1), date(2013, 4, 1) + timedelta(days=days - 1))
    for i, partition in enumerate(partitions):
        day = DailyValue(partition, 20, 40.0 + gain + (i * 7 % 11 - 5), 40.0, 10.0, 90.0, 6, 4, 0)
        row = {name: getattr(day, name) for name in FIGURES}
        facts = day.__dict__ | {"unknown": 0}
        ws.lake.write(kpi_dataset(track), partition, pa.Table.from_pylist([row]), facts=facts)
    return ws


@pytest.fixture(autouse=True)
def without_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests write much, and nothing of it must survive a loss of power."""
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture
def three_use_cases(tmp_path: Path) -> list[Workspace]:
    gains = {"small": 15.0, "large": 90.0, "losing": -30.0}
    return [make_gaining_use_case(tmp_path, name, gain) for name, gain in gains.items()]


def by_name(lines: list[PortfolioLine]) -> dict[str, PortfolioLine]:
    return {line.name: line for line in lines}


def test_use_cases_are_ranked_by_net_benefit(three_use_cases: list[Workspace]) -> None:
    lines = build_portfolio(three_use_cases, NOW)
    assert [line.name for line in lines] == ["large", "small", "losing"]
    assert [line.advice for line in lines] == ["go live", "continue", "stop"]


def test_totals_equal_an_independent_query_of_the_ledgers(three_use_cases: list[Workspace]) -> None:
    home = three_use_cases[0].home
    run_hours.add_finished_runs(home, lambda a, b: [FinishedRun("large", 0.0, 7200.0)], 1.0)
    three_use_cases[1] = make_gaining_use_case(home, "large", 90.0, kpi={"costs": {"per_run_hour": 3}})
    lines = build_portfolio(three_use_cases, NOW)
    assert add_up_totals(lines) == [], "nobody acted on a replay"
    (replays,) = list_asides(lines)
    files = home / "data" / "lake" / "*" / "kpi" / "replay" / "*.parquet"
    gain, days = duckdb.sql(f"select sum(model - current_process), count(*) from read_parquet('{files}')").fetchall()[0]
    assert replays.gain == pytest.approx(gain, abs=0.005)
    running = days * 100 * 12 / 365.25
    assert sum(line.costs.total for line in lines) == pytest.approx(3006 + running, abs=0.02)
    for line in lines:
        costs = line.costs
        assert line.net == pytest.approx(
            line.gain - costs.build - costs.running - costs.run_time - costs.responses_cost
        )


def test_a_live_total_is_corrected_for_selection(tmp_path: Path) -> None:
    """One of two live use cases gains. Its gain is shrunk, and both pay their costs."""
    live = [make_gaining_use_case(tmp_path, n, g, days=120, track="live") for n, g in (("a", 90.0), ("b", 0.0))]
    lines = build_portfolio(live, NOW)
    assert [line.standing for line in lines] == ["earned", "no gain shown"]
    (total,) = add_up_totals(lines)
    assert (total.use_cases, total.ever_live) == (1, 2)
    assert total.measured_gain == pytest.approx(by_name(lines)["a"].gain)
    assert (total.gain.low or 0) < (total.gain.value or 0) < total.measured_gain
    assert total.cost == pytest.approx(sum(line.costs.total for line in lines), abs=0.01)


def test_assumed_money_and_other_currencies_are_added_up_apart(
    three_use_cases: list[Workspace], tmp_path: Path
) -> None:
    kpi = {"measurement": "randomized", "holdout": {"share": 0.1, "value_per_outcome": -10}}
    assumed = make_gaining_use_case(tmp_path, "assumed", 500.0, kpi=kpi)
    crowns = make_gaining_use_case(tmp_path, "crowns", 9.0, kpi={"currency": "SEK"})
    lines = build_portfolio([*three_use_cases, assumed, crowns], NOW)
    assert {(t.currency, t.label): t.use_cases for t in list_asides(lines)} == {
        ("EUR", "exact"): 3,
        ("EUR", "assumed"): 1,
        ("SEK", "exact"): 1,
    }
    assert by_name(lines)["assumed"].advice == "prove"
    assert [line.currency for line in lines] == ["EUR"] * 4 + ["SEK"]


def test_use_cases_are_filtered_by_the_scope_of_their_stage(tmp_path: Path) -> None:
    gate = {"target": 500, "minimum_gain": 100, "stop_date": "2013-08-15"}
    scopes = {"north": {"site": "north", "team": "dispatch"}, "south": {"site": "south"}}
    north, south = (
        make_gaining_use_case(tmp_path, name, 1.0, stages={"poc": gate | {"scope": scope}})
        for name, scope in scopes.items()
    )
    everywhere = make_gaining_use_case(tmp_path, "everywhere", 1.0)

    def names(**scope: str) -> list[str]:
        return [ws.use_case.name for ws in filter_by_scope([north, south, everywhere], scope)]

    assert names(site="north") == ["north", "everywhere"]
    assert names(team="dispatch") == ["north", "south", "everywhere"]
    assert names(site="south", team="office") == ["south", "everywhere"]
    assert build_line(north, 0.0, NOW).scope == "dispatch, north"


def test_the_page_is_in_plain_words_and_says_what_to_do(three_use_cases: list[Workspace]) -> None:
    path = write_report(three_use_cases, NOW)
    page = path.read_text()
    assert path == three_use_cases[0].home / "data" / "reports" / "portfolio.html"
    assert_plain(page)
    assert page.index("1. Large") < page.index("2. Small") < page.index("3. Losing")
    for advice in ("<b>Stop</b> Losing", "<b>Go live</b> with Large"):
        assert advice in page
    assert re.findall(r"\d{4}-\d\d-\d\d", read_words(page)) == [], "days are in words"


def test_without_outcomes_the_page_says_how_to_begin(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    (line,) = build_portfolio([ws], NOW)
    assert (line.advice, line.inputs.newest, line.roi) == ("start", None, None)
    page = write_report([ws], NOW).read_text()
    assert_plain(page)
    words = read_words(page)
    assert "has decisions with a known outcome, its net benefit is shown here." in words
    assert "(too early for an interval)" in words
    assert add_up_totals([line]) == list_asides([line]) == []
    json.dumps(line.plain, allow_nan=False)


def test_unread_outputs_are_named_on_the_page(tmp_path: Path) -> None:
    ws = make_gaining_use_case(tmp_path, "quiet", 20.0)
    append_verdict(ws, "2013-04-01")
    recorded = datetime.fromisoformat(ws.champion_ledger.rows()[0].recorded_at).replace(tzinfo=None)
    (ws.reports / "impact.html").parent.mkdir(parents=True)
    (ws.reports / "impact.html").write_text("x")
    words = read_words(write_report([ws], recorded + timedelta(days=40)).read_text())
    assert "Unread : nobody has opened impact report of Quiet on the desk for 30 days." in words


def test_fifty_use_cases_cost_fifty_times_as_much_as_one(tmp_path: Path) -> None:
    """In proportion, on any machine: no use case is read for the sake of another one."""
    few, many = (
        [make_gaining_use_case(tmp_path / f"{n}", f"case_{i}", i - n / 2, days=30) for i in range(n)] for n in (5, 50)
    )
    build_portfolio(few, NOW)  # imports

    def seconds(workspaces: list[Workspace]) -> float:
        start = time.process_time()
        build_portfolio(workspaces, NOW)
        return time.process_time() - start

    small, large = (min(seconds(workspaces) for _ in range(3)) for workspaces in (few, many))  # the first reads files
    assert large < 10 * small * 2.5
    nets = [line.net for line in build_portfolio(many, NOW)]
    assert nets == sorted(nets, reverse=True)
