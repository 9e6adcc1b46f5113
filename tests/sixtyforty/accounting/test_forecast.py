"""Forecast and actual: a day counts for the champion in force, and the forecast's interval decides the verdict."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.accounting.forecast import (
    ChampionTerm,
    ForecastRecord,
    compare_with_forecast,
    explain_target,
    list_terms,
    read_forecasts,
)
from sixtyforty.accounting.kpi_summary import CountedGain
from sixtyforty.spec.kpi import EvidenceLabel
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.champion_ledger import ChampionRow
from sixtyforty.value.lift import MONTH_DAYS, NO_INTERVAL, UNKNOWN, Interval
from sixtyforty.value.rounded_interval import RoundedInterval
from sixtyforty.workspace import Workspace
from tests.accounted_home import (
    LOSING_MONTH,
    append_verdict,
    make_accounted_home,
    make_daily_value,
    make_daily_values,
)
from tests.helpers import make_use_case, make_workspace

FORECAST = Interval(15, 10, 20)


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_accounted_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def use_case(tmp_path_factory: pytest.TempPathFactory) -> UseCase:
    return make_use_case(tmp_path_factory.mktemp("declared"))


def make_row(seq: int, at: datetime, **evidence: tuple[float, float, float]) -> ChampionRow:
    """Return a promotion."""
    intervals = {name: dict(zip(("value", "low", "high"), ends, strict=True)) for name, ends in evidence.items()}
    return ChampionRow(
        seq=seq,
        track="live",
        version=f"v{seq}",
        verdict="PROMOTE",
        kind="refresh",
        as_of=str(at.date()),
        effective_from=at.isoformat(),
        recorded_at="",
        reasons=[],
        evidence=intervals,
        by="gate",
        previous_hash="",
        hash=f"{seq}",
    )


def test_a_month_is_compared_with_its_own_champions_forecast(ws: Workspace) -> None:
    record = read_forecasts(ws, "replay")
    assert [(t.since, t.first, t.last) for t in record.terms] == [
        ("2013-04-01", "2013-04-01", "2013-04-30"),
        ("2013-05-01", "2013-05-01", "2013-05-30"),
        ("2013-06-01", "2013-06-01", "2013-06-30"),
    ]
    may = [d for d in make_daily_values() if d.partition.startswith(LOSING_MONTH)][:MONTH_DAYS]
    gain = sum(d.model - d.current_process for d in may)
    assert record.terms[1].actual == pytest.approx(1000 * gain / sum(d.decisions for d in may))
    assert [t.verdict for t in record.terms] == ["within the forecast", "below the forecast", "within the forecast"]
    assert [t.to_dict(500)["above_target"] for t in record.terms] == [True, False, True]
    assert [t.name for t in record.terms] == ["April 2013", "May 2013", "June 2013"]
    assert record.coming_month == Interval(1000.0, 700.0, 1300.0)
    assert record.coverage == "2 of 3 months came out within their forecast (90% were to be expected)."


def test_rejected_and_held_challengers_have_no_term_and_no_forecast(ws: Workspace) -> None:
    assert all("pr" in version for term in read_forecasts(ws, "replay").terms for version in term.versions)
    live = read_forecasts(ws, "live")
    assert live.terms == []
    assert math.isnan(live.coming_month.value)


def test_json_is_null_where_nothing_is_known(ws: Workspace) -> None:
    fields = read_forecasts(ws, "live").to_dict(ws.use_case.kpi)
    assert fields["coming_month"] == {"value": None, "low": None, "high": None, "problem": ""}
    assert (fields["target"], fields["target_date"], fields["confidence"]) == (500, "2013-06-30", 0.9)


def test_an_adopted_champion_keeps_the_forecast_of_its_replay(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    append_verdict(ws, "2013-06-01")
    append_verdict(ws, "2013-06-01", track="live", kind="adopted", forecast=None)
    assert read_forecasts(ws, "live").coming_month == Interval(1000.0, 700.0, 1300.0)
    later = append_verdict(ws, "2013-06-01", forecast=(9.0, 8.0, 10.0), repeat=True)
    assert later.seq == len(ws.champion_ledger.rows())
    assert read_forecasts(ws, "live").coming_month.value == 1000.0, "a later judgement changes no earlier forecast"


def test_a_day_counts_for_the_champion_at_its_end(use_case: UseCase) -> None:
    midday = datetime(2013, 4, 10, 16)  # noon in New York
    rows = [make_row(1, midday), make_row(2, midday + timedelta(days=30))]
    days = [make_daily_value(str(date(2013, 4, 9) + timedelta(days=i)), 1.0) for i in range(40)]
    first, second = list_terms(use_case, rows, rows, days)
    assert (first.first, first.last) == ("2013-04-10", "2013-05-09")
    assert (second.first, second.since) == ("2013-05-10", "2013-05-10")


def test_a_champion_from_midnight_on_does_not_count_for_the_day_before(use_case: UseCase) -> None:
    row = make_row(1, use_case.day_start(date(2013, 4, 2)))
    (term,) = list_terms(use_case, [], [row], [make_daily_value("2013-04-01", 1.0)])
    assert (term.first, term.decisions) == (None, 0)
    assert term.verdict == "not known yet"


def test_champions_of_one_month_share_a_term_with_the_first_ones_forecast(use_case: UseCase) -> None:
    start = datetime(2013, 4, 28, 7)
    rows = [make_row(i + 1, start + timedelta(days=i), forecast=(i, i, i)) for i in range(6)]
    april, may = list_terms(use_case, rows, rows, [])
    assert (april.versions, april.forecast.value) == (["v1", "v2", "v3"], 0)
    assert (may.versions, may.forecast.value) == (["v4", "v5", "v6"], 3)


@given(
    hours=st.lists(st.integers(0, 24 * 60), min_size=1, max_size=8).map(sorted),
    money=st.lists(st.tuples(st.integers(-500, 500), st.integers(1, 30)), min_size=1, max_size=60),
)
def test_a_day_counts_at_most_once_and_never_more_than_a_month_after_its_champion(
    hours: list[int], money: list[tuple[int, int]], use_case: UseCase
) -> None:
    rows = [make_row(i + 1, datetime(2013, 4, 1, 4) + timedelta(hours=h)) for i, h in enumerate(hours)]
    first_day = date(2013, 4, 1)
    days = [make_daily_value(str(first_day + timedelta(days=i)), gain, n) for i, (gain, n) in enumerate(money)]
    terms = list_terms(use_case, rows, rows, days)
    start = datetime.fromisoformat(rows[0].effective_from)
    months = [(t.since, str(date.fromisoformat(t.since) + timedelta(days=MONTH_DAYS))) for t in terms]
    compared = [
        d
        for d in days
        if start < use_case.closes_at(d.partition) and any(since <= d.partition < end for since, end in months)
    ]
    assert sum(t.decisions for t in terms) == sum(d.decisions for d in compared)
    total = sum(t.actual * t.decisions / 1000 for t in terms if t.decisions)
    assert total == pytest.approx(sum(d.model - d.current_process for d in compared))
    spans = [(t.first, t.last) for t in terms if t.first]
    assert spans == sorted(spans)
    assert all(t.days <= MONTH_DAYS for t in terms)


@pytest.mark.parametrize(
    ("actual", "verdict"),
    [
        (9.99, "below the forecast"),
        (10, "within the forecast"),
        (15, "within the forecast"),
        (20, "within the forecast"),
        (20.01, "above the forecast"),
        (math.nan, "not known yet"),
    ],
)
def test_the_verdict_is_whether_the_gain_is_inside_the_interval(actual: float, verdict: str) -> None:
    assert compare_with_forecast(FORECAST, actual) == verdict
    assert compare_with_forecast(UNKNOWN, actual) == "not known yet"


def make_term(days: int, actual: float, forecast: Interval = FORECAST) -> ChampionTerm:
    """Return a term of some days."""
    return ChampionTerm("2013-04-01", days, ["v1"], "2013-04-01", "2013-04-30", 600, forecast, actual)


@pytest.mark.parametrize(("days", "verdict"), [(27, "not known yet"), (28, "within the forecast")])
def test_a_term_shorter_than_a_month_has_no_verdict(days: int, verdict: str) -> None:
    assert make_term(days, 15).verdict == verdict


def test_only_months_that_can_be_compared_count_as_within_or_outside_their_forecast() -> None:
    terms = [make_term(30, 15), make_term(30, 5), make_term(3, 5), make_term(30, 5, UNKNOWN)]
    record = ForecastRecord(terms, UNKNOWN)
    assert (record.within, record.compared) == (1, 2)
    assert record.coverage == "1 of 2 months came out within their forecast (90% were to be expected)."
    assert "1 of 1 month came out" in ForecastRecord(terms[:1], UNKNOWN).coverage
    assert ForecastRecord(terms[2:], UNKNOWN).coverage == "No champion with a forecast has decided for 28 days yet."


def test_the_range_of_the_coming_month_is_described_or_the_reason_without_one() -> None:
    assert ForecastRecord([], FORECAST).describe_coming_range("USD") == "$10 to $20 (90%)"
    assert ForecastRecord([], UNKNOWN).describe_coming_range("USD") == NO_INTERVAL
    few = Interval(math.nan, math.nan, math.nan, problem="too few days to say")
    assert ForecastRecord([], few).describe_coming_range("USD") == "too few days to say"


def test_a_gain_that_was_measured_before_there_were_forecasts_is_no_forecast(use_case: UseCase) -> None:
    row = make_row(1, use_case.day_start(date(2013, 4, 1)), lift_vs_current=(10, 5, 15))
    days = [make_daily_value(str(date(2013, 4, 1) + timedelta(days=i)), 1.0) for i in range(30)]
    (term,) = list_terms(use_case, [row], [row], days)
    assert math.isnan(term.forecast.value)
    assert (term.days, term.verdict) == (30, "not known yet")


def test_closed_days_at_the_end_of_a_term_do_not_shorten_it(use_case: UseCase) -> None:
    rows = [make_row(i + 1, use_case.day_start(day)) for i, day in enumerate((date(2013, 6, 1), date(2013, 7, 1)))]
    weekdays = [day for i in range(60) if (day := date(2013, 6, 1) + timedelta(days=i)).weekday() < 5]
    first, second = list_terms(use_case, rows, rows, [make_daily_value(str(day), 1.0) for day in weekdays])
    assert (first.first, first.last, first.days) == ("2013-06-03", "2013-06-28", 30)
    assert (second.first, second.last, second.days) == ("2013-07-01", "2013-07-30", 30)


@pytest.mark.parametrize(
    ("gain", "label", "sentence"),
    [
        ((100, 99, 101), "exact", "The gain of EUR 100 is below it: the 95% confidence interval is EUR 99 to EUR 101."),
        (
            (600, 400, 800),
            "exact",
            "The gain of EUR 600 is above it, but the lower end of its 95% confidence interval isn't:"
            " EUR 400 to EUR 800.",
        ),
        (
            (600, 500, 700),
            "exact",
            "The gain of EUR 600 reaches it: the 95% confidence interval is EUR 500 to EUR 700.",
        ),
        (
            (600, None, None),
            "exact",
            "The gain of EUR 600 is above it, without an interval (too early for an interval).",
        ),
        (
            (600, None, None),
            "assumed",
            "The assumed gain of EUR 600 is above it, without an interval (too early for an interval).",
        ),
        ((None, None, None), "exact", "No gain is known yet."),
        ((600, 550, 650), "assumed", "The assumed gain of EUR 600 is above it. Its effect is declared, not measured."),
        ((100, 50, 150), "assumed", "The assumed gain of EUR 100 is below it. Its effect is declared, not measured."),
    ],
)
def test_the_target_is_explained_with_the_evidence(
    ws: Workspace, gain: tuple[float | None, float | None, float | None], label: EvidenceLabel, sentence: str
) -> None:
    counted = CountedGain("done", "The gain counts what people did.", 1.0, RoundedInterval(*gain), 1.0, None, "earned")
    explanation = explain_target(ws.use_case.kpi, counted, label)
    assert explanation == (
        f"The target is EUR 500 per 1,000 calls by 30 June 2013. {sentence} The gain counts what people did."
    )
