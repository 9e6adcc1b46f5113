"""Money told apart by segment: nothing lost, nothing invented, and losers called so only when it is sure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.value.segments import NOT_RECORDED, Segment, SegmentMoney, estimate_segments, money_by_segment
from tests.sixtyforty.value.test_lift import TWO

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


def over(days: Sequence[SegmentMoney]) -> list[Segment]:
    """The segments of all days, by plain loops over each partition's `money`."""
    parts: dict[tuple[str, str], list[tuple[int, float, float]]] = {}
    for one in days:
        for column, said in one.items():
            for name, sums in said.items():
                parts.setdefault((column, name), []).append(sums)
    return estimate_segments(
        {
            segment: (np.array([n for n, _, _ in sums]), np.array([m - p for _, m, p in sums]))
            for segment, sums in parts.items()
        }
    )


def frame(rows: list[tuple]) -> pd.DataFrame:
    found = pd.DataFrame(rows, columns=["action", "current_action", "outcome", "site", "shift"])
    return found.assign(_partition="d")


def test_a_partition_is_told_apart_as_by_hand() -> None:
    found = money_by_segment(
        KPI,
        frame(
            [
                ("act", "wait", 1.0, "a", 1),  # 7 instead of 0
                ("act", "act", 0.0, "a", 2),  # -3 either way
                ("wait", "act", 1.0, None, 2),  # 0 instead of 7
            ]
        ),
    )["d"]
    assert found == {
        "site": {"a": (2, 4.0, -3.0), NOT_RECORDED: (1, 0.0, 7.0)},
        "shift": {"1": (1, 7.0, 0.0), "2": (2, -3.0, 4.0)},
    }


@given(st.lists(ROWS, min_size=1, max_size=4))
def test_the_segments_of_a_column_add_up_to_the_whole(days: list[list[tuple]]) -> None:
    parts = over([money_by_segment(KPI, frame(rows))["d"] for rows in days])
    rows = [r for day in days for r in day]
    pays = {("wait", 0.0): 0, ("wait", 1.0): 0, ("act", 0.0): -3, ("act", 1.0): 7}
    gain = sum(pays[a, o] - pays[p, o] for a, p, o, *_ in rows)
    for column in KPI.segments:
        mine = [s for s in parts if s.column == column]
        assert sum(s.decisions for s in mine) == len(rows)
        assert sum(s.gain for s in mine) == pytest.approx(gain)


def test_a_segment_that_surely_loses_is_named_first_and_one_that_may_not_be_is_not() -> None:
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
    found = over(days)
    assert [s.name for s in found] == ["bad", "even", "good"]
    assert [s.loses for s in found] == [True, False, False]
    assert found[0].plain["loses"] is True


def test_many_segments_without_any_difference_seldom_hold_a_loser() -> None:
    """At most one look in twenty may call a loser that isn't: 20 segments, 60 looks; 9 would be a 1 in 1,000 chance."""
    rng = np.random.default_rng(2)
    called = 0
    for _ in range(60):
        noise = rng.normal(0, 30, (40, 20))
        days = [{"site": {f"{i}": (100, float(x), 0.0) for i, x in enumerate(day)}} for day in noise]
        called += any(s.loses for s in over(days))
    assert called < 9


def test_a_segment_seen_on_one_day_only_has_no_interval_and_is_no_loser() -> None:
    (found,) = over([{"site": {"a": (3, -10.0, 5.0)}}])
    assert (found.loses, found.plain["low"], found.plain["gain"]) == (False, None, -15.0)


def test_days_accounted_before_segments_were_declared_are_left_out() -> None:
    assert over([{}, {"site": {"a": (1, 1.0, 0.0)}}])[0].decisions == 1
    assert over([]) == []
