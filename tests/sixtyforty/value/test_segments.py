"""Money by segment: segments add up to the total, and a segment is called a loser only with evidence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.spec.track import Track
from sixtyforty.value.segments import NOT_RECORDED, Segment, SegmentMoney, estimate_segments, money_by_segment
from tests.sixtyforty.value.kpis import TWO

KPI = TWO.model_copy(update={"segments": ["site", "shift"]})
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["wait", "act"]),
        st.sampled_from(["wait", "act"]),
        st.sampled_from([0.0, 1.0]),
        st.sampled_from(["a", "b", None]),
        st.sampled_from([1, 2]),
    ),
    min_size=1,
    max_size=12,
)


def estimate(days: Sequence[SegmentMoney], track: Track = "replay") -> list[Segment]:
    """Estimate the segments of independent days, with plain loops over the money of each partition."""
    sums_by_segment: dict[tuple[str, str], list[tuple[str, int, float, float]]] = {}
    for number, day in enumerate(days):
        for column, segments in day.items():
            for name, sums in segments.items():
                partition = str(date(2024, 1, 1) + timedelta(days=number))
                sums_by_segment.setdefault((column, name), []).append((partition, *sums))
    return estimate_segments(
        {
            segment: (
                [partition for partition, *_ in sums],
                np.array([decisions for _, decisions, _, _ in sums]),
                np.array([model - current for _, _, model, current in sums]),
            )
            for segment, sums in sums_by_segment.items()
        },
        track,
        block_days=1,
    )


def make_rows(rows: list[tuple]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["action", "current_action", "outcome", "site", "shift"])
    return frame.assign(_partition="d")


def test_a_partition_is_split_as_by_hand() -> None:
    rows = make_rows(
        [
            ("act", "wait", 1.0, "a", 1),  # 7 instead of 0
            ("act", "act", 0.0, "a", 2),  # -3 either way
            ("wait", "act", 1.0, None, 2),  # 0 instead of 7
        ]
    )
    assert money_by_segment(KPI, rows)["d"] == {
        "site": {"a": (2, 4.0, -3.0), NOT_RECORDED: (1, 0.0, 7.0)},
        "shift": {"1": (1, 7.0, 0.0), "2": (2, -3.0, 4.0)},
    }


@given(st.lists(ROWS, min_size=1, max_size=4))
def test_the_segments_of_a_column_add_up_to_the_total(days: list[list[tuple]]) -> None:
    segments = estimate([money_by_segment(KPI, make_rows(rows))["d"] for rows in days])
    rows = [row for day in days for row in day]
    payoff = {("wait", 0.0): 0, ("wait", 1.0): 0, ("act", 0.0): -3, ("act", 1.0): 7}
    gain = sum(payoff[action, outcome] - payoff[current, outcome] for action, current, outcome, *_ in rows)
    for column in KPI.segments:
        of_column = [segment for segment in segments if segment.column == column]
        assert sum(segment.decisions for segment in of_column) == len(rows)
        assert sum(segment.gain for segment in of_column) == pytest.approx(gain)


def test_a_proven_loser_comes_first_and_an_uncertain_segment_is_no_loser() -> None:
    rng = np.random.default_rng(1)
    days = [
        {
            "site": {
                "good": (100, 90 + float(rng.normal(0, 30)), 0.0),
                "bad": (100, 0.0, 60 + float(rng.normal(0, 30))),
                "even": (100, float(rng.normal(0, 30)), 0.0),
            }
        }
        for _ in range(60)
    ]
    segments = estimate(days)
    assert [segment.name for segment in segments] == ["bad", "even", "good"]
    assert [segment.loses for segment in segments] == [True, False, False]
    assert segments[0].to_dict()["loses"] is True


def test_many_equal_segments_rarely_hold_a_loser() -> None:
    """At most one analysis in twenty may name a loser: 20 segments, 60 analyses; 9 would be a 1 in 1,000 chance."""
    rng = np.random.default_rng(2)
    false_alarms = 0
    for _ in range(60):
        noise = rng.normal(0, 30, (40, 20))
        days = [{"site": {f"{i}": (100, float(gain), 0.0) for i, gain in enumerate(day)}} for day in noise]
        false_alarms += any(segment.loses for segment in estimate(days))
    assert false_alarms < 9


def test_people_look_at_live_segments_every_day() -> None:
    gains = np.random.default_rng(3).normal(5, 30, 60)
    days = [{"site": {"a": (100, float(gain), 0.0)}} for gain in gains]
    (live,), (replay,) = estimate(days, "live"), estimate(days)
    assert live.lift.low < replay.lift.low < replay.lift.high < live.lift.high


def test_a_segment_of_a_single_day_has_no_interval_and_is_no_loser() -> None:
    (segment,) = estimate([{"site": {"a": (3, -10.0, 5.0)}}])
    assert (segment.loses, segment.to_dict()["low"], segment.to_dict()["gain"]) == (False, None, -15.0)


def test_days_from_before_the_segments_were_declared_are_left_out() -> None:
    assert estimate([{}, {"site": {"a": (1, 1.0, 0.0)}}])[0].decisions == 1
    assert estimate([]) == []
