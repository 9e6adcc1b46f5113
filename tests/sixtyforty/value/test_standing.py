"""Money is called earned only if it is live, measured, and its interval is above zero."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.spec.kpi import EvidenceLabel
from sixtyforty.spec.track import Track
from sixtyforty.value.rounded_interval import RoundedInterval
from sixtyforty.value.standing import Standing, describe_payback, judge_standing

EARNED = re.compile(r"\b(earned|brought|saved|proven|paid)\b|covered since")
amounts = st.floats(-1e6, 1e6)
known = st.tuples(amounts, amounts, amounts).map(lambda ends: RoundedInterval(*(sorted(ends)[i] for i in (1, 0, 2))))
lifts = known | amounts.map(lambda amount: RoundedInterval(amount, None, None, problem="too few days to say"))


@given(
    track=st.sampled_from(get_args(Track)),
    label=st.sampled_from(get_args(EvidenceLabel)),
    lift=lifts,
    is_retired=st.booleans(),
    is_refused=st.booleans(),
    payback=st.none() | st.just("2024-05-01"),
)
def test_only_a_live_measured_gain_above_zero_is_earned(
    track: Track, label: EvidenceLabel, lift: RoundedInterval, is_retired: bool, is_refused: bool, payback: str | None
) -> None:
    standing = judge_standing(track, label, lift, is_retired=is_retired, is_refused=is_refused)
    may_claim = track == "live" and label != "assumed" and not is_retired and not is_refused
    assert (standing == "earned") == (may_claim and lift.low is not None and lift.low > 0)
    assert (standing == "lost") == (may_claim and lift.high is not None and lift.high < 0)
    clause = describe_payback(standing, lift, payback)
    if standing != "earned":
        assert not EARNED.search(clause)
    assert ("covered since" in clause) == (standing == "earned" and payback is not None)


@pytest.mark.parametrize(
    ("standing", "lift", "payback", "clause"),
    [
        ("earned", RoundedInterval(5, 1, 9), "2024-05-01", "costs covered since 1 May 2024"),
        ("earned", RoundedInterval(5, 1, 9), None, "costs not covered yet"),
        ("lost", RoundedInterval(-5, -9, -1), None, "costs not covered yet"),
        ("replay", RoundedInterval(5, 1, 9), "2024-05-01", "would have covered the costs on 1 May 2024"),
        ("replay", RoundedInterval(5, 1, 9), None, "would not have covered the costs yet"),
        ("replay", RoundedInterval(5, -1, 9), "2024-05-01", "the replay shows no gain that could cover the costs"),
        ("no gain shown", RoundedInterval(5, -1, 9), "2024-05-01", "no gain shown yet"),
        ("retired", RoundedInterval(5, 1, 9), "2024-05-01", "the use case is retired, so this is history"),
        ("assumed", RoundedInterval(5, 1, 9), "2024-05-01", "the gain is assumed, so no costs are covered"),
        ("not known", RoundedInterval(None, None, None), None, "it isn't known whether the costs are covered"),
    ],
)
def test_the_clause_fits_the_standing(standing: Standing, lift: RoundedInterval, payback: str, clause: str) -> None:
    assert clause in describe_payback(standing, lift, payback)
