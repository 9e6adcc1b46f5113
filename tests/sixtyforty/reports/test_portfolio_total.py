"""No total counts a replay, a null result, an assumed gain or a retired use case, and no word claims its money."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sixtyforty.reports.page_templates import page_environment
from sixtyforty.reports.portfolio import PortfolioFacts
from sixtyforty.reports.portfolio_line import PortfolioLine, build_line
from sixtyforty.reports.portfolio_total import add_up_totals, list_asides
from sixtyforty.spec.kpi import EvidenceLabel
from sixtyforty.spec.track import Track
from sixtyforty.value.gain_total import MeasuredGain
from sixtyforty.value.rounded_interval import RoundedInterval
from sixtyforty.value.standing import describe_payback, judge_standing
from tests.sixtyforty.reports.test_portfolio import NOW, make_gaining_use_case
from tests.sixtyforty.value.test_standing import EARNED
from tests.words import read_words


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> PortfolioLine:
    return build_line(make_gaining_use_case(tmp_path_factory.mktemp("home"), "calls", 90.0), 0.0, NOW)


def make_line(line: PortfolioLine, track: Track, low: float, label: EvidenceLabel, is_retired: bool) -> PortfolioLine:
    """Return a line whose gain of 100 per 1,000 has an interval from `low` to 200 - low."""
    lift = RoundedInterval(100.0, low, 200.0 - low)
    standing = judge_standing(track, label, lift, is_retired=is_retired)
    return replace(
        line,
        track=track,
        label=label,
        lift=lift,
        gain=100.0,
        standing=standing,
        costs_covered=describe_payback(standing, lift, "2013-05-01"),
        measured=MeasuredGain(100.0, (100.0 - low) / 2, 13) if standing in ("earned", "lost") else None,
        why="",
        advice="retired" if is_retired else "continue",
    )


Kind = tuple[Track, float, EvidenceLabel, bool]
kinds = st.tuples(
    st.sampled_from(get_args(Track)),
    st.sampled_from([-50.0, 0.0, 10.0, 60.0]),
    st.sampled_from(get_args(EvidenceLabel)),
    st.booleans(),
)


@settings(deadline=None, max_examples=40)
@given(st.lists(kinds, min_size=1, max_size=6))
def test_only_live_proven_gains_make_up_a_total(
    line: PortfolioLine, drawn: list[tuple[Track, float, EvidenceLabel, bool]]
) -> None:
    lines = [make_line(line, *kind) for kind in drawn]
    counted = [k for k in drawn if k[0] == "live" and k[1] > 0 and k[2] != "assumed" and not k[3]]
    totals, asides = add_up_totals(lines), list_asides(lines)
    assert sum(total.use_cases for total in totals) == len(counted)
    assert sum(aside.use_cases for aside in asides) == len(drawn) - len(counted)
    for total in totals:
        assert total.gain.low is not None and total.gain.value is not None and total.gain.high is not None
        assert total.gain.low <= total.gain.value <= total.gain.high
        assert total.gain.value <= total.measured_gain
        assert total.ever_live == sum(kind[0] == "live" for kind in drawn)
    if not counted:
        page = page_environment().get_template("portfolio.html").render(portfolio=PortfolioFacts(lines, totals, asides))
        words = read_words(page).replace("would have brought", "")
        assert "net benefit of live use cases" not in words
        claims = EARNED.findall(words.replace("whose gain is measured and proven", ""))
        assert claims == []


def test_each_aside_says_why_no_total_counts_it(line: PortfolioLine) -> None:
    examples: list[Kind] = [
        ("replay", 60.0, "exact", False),
        ("live", -50.0, "exact", False),
        ("live", 60.0, "assumed", False),
        ("live", 60.0, "exact", True),
    ]
    lines = [make_line(line, *kind) for kind in examples]
    assert [aside.describe() for aside in list_asides(lines)] == [
        "1 use case with an assumed gain of EUR 100. Only a holdout can measure it.",
        "1 use case with live decisions: no gain shown.",
        "Replays of 1 use case would have brought EUR 100 (exact figures). Nobody acted on them.",
        "1 use case retired, with a gain of EUR 100 (exact figures). That is history.",
    ]
    assert add_up_totals(lines) == []


def test_costs_of_failed_live_use_cases_are_paid_for(tmp_path: Path, line: PortfolioLine) -> None:
    earned, null = make_line(line, "live", 60.0, "exact", False), make_line(line, "live", -50.0, "exact", False)
    (total,) = add_up_totals([earned, null])
    assert total.cost == pytest.approx(2 * line.costs.total, abs=0.01)
    assert total.net.value == pytest.approx((total.gain.value or 0) - total.cost, abs=0.01)
    assert "Costs of 2 use cases that ever ran live" in total.describe()
