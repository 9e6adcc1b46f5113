"""Forecast against actual: each day counts once, for who was in force; a verdict is what the intervals say."""

from __future__ import annotations

import math
from dataclasses import astuple
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.accounting.forecast import UNKNOWN, aim, forecast, terms, verdict
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.champion_ledger import ChampionRow
from sixtyforty.value.lift import Interval, estimate_lift
from sixtyforty.workspace import Workspace
from tests.accounted_home import LOSING_MONTH, append_verdict, make_accounted_home, make_daily_value, make_daily_values
from tests.helpers import make_use_case, make_workspace


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_accounted_home(tmp_path_factory.mktemp("told"))


@pytest.fixture(scope="module")
def use_case(tmp_path_factory: pytest.TempPathFactory) -> UseCase:
    return make_use_case(tmp_path_factory.mktemp("declared"))


def row(seq: int, at: datetime, version: str = "", **evidence: tuple[float, float, float]) -> ChampionRow:
    """A promotion."""
    seen = {k: dict(zip(("value", "low", "high"), v, strict=True)) for k, v in evidence.items()}
    return ChampionRow(
        seq=seq,
        track="live",
        version=version or f"v{seq}",
        verdict="PROMOTE",
        kind="refresh",
        as_of=str(at.date()),
        effective_from=at.isoformat(),
        recorded_at="",
        reasons=[],
        evidence=seen,
        by="gate",
        before="",
        hash=f"{seq}",
    )


def test_a_month_is_held_against_its_own_champions_forecast(ws: Workspace) -> None:
    found = read_forecasts(ws, "replay")
    assert [(t.since, t.first, t.last) for t in found.terms] == [
        ("2013-04-01", "2013-04-01", "2013-04-30"),
        ("2013-05-01", "2013-05-01", "2013-05-31"),
        ("2013-06-01", "2013-06-01", "2013-06-30"),
    ]
    may = [d for d in make_daily_values() if d.partition.startswith(LOSING_MONTH)]
    assert astuple(found.terms[1].kept) == pytest.approx(astuple(estimate_lift(may, confidence=0.9)))
    assert [t.verdict.split()[0] for t in found.terms] == ["within", "below", "within"]
    assert [t.plain(500)["target_reached"] for t in found.terms] == [True, False, True]
    assert found.coming == Interval(1000.0, 700.0, 1300.0)


def test_the_refused_and_the_held_are_no_terms_and_forecast_nothing(ws: Workspace) -> None:
    assert all("pr" in v for t in read_forecasts(ws, "replay").terms for v in t.versions)
    assert read_forecasts(ws, "live").terms == []
    assert math.isnan(read_forecasts(ws, "live").coming.value)


def test_json_says_null_where_nothing_is_known(ws: Workspace) -> None:
    plain = read_forecasts(ws, "live").plain(ws.use_case.kpi)
    assert plain["coming_month"] == {"value": None, "low": None, "high": None}
    assert (plain["target"], plain["target_date"], plain["confidence"]) == (500, "2013-06-30", 0.9)


def test_an_adopted_champion_is_held_to_what_its_replay_promised(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    append_verdict(ws, "2013-06-01")
    append_verdict(ws, "2013-06-01", track="live", kind="adopted", lift=None)
    assert read_forecasts(ws, "live").coming == Interval(1000.0, 700.0, 1300.0)
    later = append_verdict(ws, "2013-06-01", lift=(9.0, 8.0, 10.0), repeat=True)
    assert later.seq == len(ws.champion_ledger.rows())
    assert read_forecasts(ws, "live").coming.value == 1000.0, "what was judged later was promised to nobody then"


def test_a_day_of_change_counts_for_who_is_in_force_at_its_end(use_case: UseCase) -> None:
    midday = datetime(2013, 4, 10, 16)  # noon in New York
    rows = [row(1, midday), row(2, midday + timedelta(days=30))]
    days = [make_daily_value(str(date(2013, 4, 9) + timedelta(days=i)), 1.0) for i in range(40)]
    first, second = terms(use_case, rows, rows, days)
    assert (first.first, first.last) == ("2013-04-10", "2013-05-09")
    assert (second.first, second.since) == ("2013-05-10", "2013-05-10")


def test_midnight_belongs_to_the_day_it_begins(use_case: UseCase) -> None:
    (term,) = terms(use_case, [], [row(1, use_case.day_start(date(2013, 4, 2)))], [make_daily_value("2013-04-01", 1.0)])
    assert (term.first, term.decisions) == (None, 0)
    assert term.verdict == "not known yet"


def test_nightly_champions_share_their_months_row_with_the_first_ones_forecast(use_case: UseCase) -> None:
    nights = [row(i + 1, datetime(2013, 4, 28, 7) + timedelta(days=i), lift_vs_current=(i, i, i)) for i in range(6)]
    april, may = terms(use_case, nights, nights, [])
    assert (april.versions, april.promised.value) == (["v1", "v2", "v3"], 0)
    assert (may.versions, may.promised.value) == (["v4", "v5", "v6"], 3)


@given(
    hours=st.lists(st.integers(0, 24 * 60), min_size=1, max_size=8).map(sorted),
    money=st.lists(st.tuples(st.integers(-500, 500), st.integers(1, 30)), min_size=1, max_size=60),
)
def test_each_day_counts_once_from_the_first_champion_on(
    hours: list[int], money: list[tuple[int, int]], use_case: UseCase
) -> None:
    rows = [row(i + 1, datetime(2013, 4, 1, 4) + timedelta(hours=h)) for i, h in enumerate(hours)]
    days = [make_daily_value(str(date(2013, 4, 1) + timedelta(days=i)), g, n) for i, (g, n) in enumerate(money)]
    found = terms(use_case, rows, rows, days)
    governed = [d for d in days if datetime.fromisoformat(rows[0].effective_from) < use_case.closes_at(d.partition)]
    assert sum(t.decisions for t in found) == sum(d.decisions for d in governed)
    total = sum(t.actual.value * t.decisions / 1000 for t in found if t.decisions)
    assert total == pytest.approx(sum(d.model - d.current_process for d in governed))
    held = [(t.first, t.last) for t in found if t.first]
    assert held == sorted(held)


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        ((5, 0, 9), "below"),
        ((30, 21, 39), "above"),
        ((10, 9, 10), "within"),
        ((20, 20, 22), "within"),
        ((15, 12, 18), "within"),
        ((15, 0, 99), "within"),
        ((5, math.nan, math.nan), "not"),
    ],
)
def test_a_verdict_is_whether_the_intervals_overlap(kept: tuple[float, float, float], said: str) -> None:
    promised = Interval(15, 10, 20)
    assert verdict(promised, Interval(*kept)).split()[0] == said
    assert verdict(UNKNOWN, Interval(*kept)) == "not known yet"


@pytest.mark.parametrize(
    ("value", "low", "said"),
    [
        (100.0, 99.0, "not reached."),
        (600.0, 400.0, ": reached."),
        (600.0, 500.0, "surely reached."),
        (600.0, None, ": reached."),
        (None, None, "nothing is known yet."),
    ],
)
def test_the_target_against_what_came(ws: Workspace, value: float | None, low: float | None, said: str) -> None:
    told_ = explain_target(ws.use_case.kpi, {"value": value, "low": low, "high": None}, "exact")
    assert told_.startswith("The target is +500 EUR per 1,000 calls by 30 June 2013; ")
    assert told_.endswith(said)


def test_what_is_assumed_is_never_sure(ws: Workspace) -> None:
    told_ = explain_target(ws.use_case.kpi, {"value": 600.0, "low": 550.0, "high": 650.0}, "assumed")
    assert told_.endswith("so far it is +600 (assumed): reached.")
