"""What knowledge and data are worth: the whole curve from all that is known to nothing, on planted knowledge."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from sixtyforty.accounting import break_even, degradation
from sixtyforty.accounting.break_even import Point, bearable, crossing, curve
from sixtyforty.accounting.degradation import Finding
from sixtyforty.value.lift import Interval
from tests.sixtyforty.value.test_lift import THREE, TWO


def units(n: int = 6000, days: int = 30, seed: int = 3) -> pd.DataFrame:
    """Units whose chance of an outcome is known exactly; today's process acts on none."""
    rng = np.random.default_rng(seed)
    chance = rng.beta(1, 2, n)
    return pd.DataFrame(
        {
            "_partition": [f"2013-03-{i % days + 1:02}" for i in range(n)],
            "expected": chance,
            "current_action": "wait",
            "outcome": (rng.random(n) < chance).astype(float),
        }
    )


def sure(value: float) -> Interval:
    return Interval(value, value, value)


def test_with_all_knowledge_it_is_the_lift_itself() -> None:
    rows = units()
    first = curve(TWO, rows)[0]
    acts = rows["expected"] > 0.3  # acting costs 3 and pays 10
    assert first.lost == 0
    assert first.present.value == pytest.approx(1000 * (10 * rows["outcome"] - 3)[acts].sum() / len(rows))


def test_without_any_it_is_a_random_choice() -> None:
    last = curve(TWO, units())[-1]
    assert last.lost == 1
    assert last.coin.low < 0 < last.coin.high
    assert abs(last.coin.value) < 60  # of some 1,000 with all of it


def test_the_less_it_knows_the_less_it_is_worth() -> None:
    points = curve(TWO, units())
    assert all(a.present.value > b.present.value for a, b in pairwise(points))
    assert all(a.coin.value > b.coin.value for a, b in pairwise(points))
    assert points == curve(TWO, units())  # the same every time


def test_of_actions_worth_the_same_the_cheapest_is_taken_as_the_policy_does() -> None:
    rows = pd.DataFrame(
        {"_partition": ["d", "d"], "expected": [0.0, 1.0], "current_action": ["wait", "wait"], "outcome": [0.0, 1.0]}
    )
    # an outcome pays 10 - 3 or 16 - 7, none costs 3, 7 or, by waiting, 1: wait, then rush
    assert curve(THREE, rows)[0].present.value == pytest.approx(1000 * ((-1 + 9) - (-1 - 1)) / 2)


def test_the_curve_crosses_nothing_where_the_line_does() -> None:
    points = [Point(x, sure(y), sure(1.0)) for x, y in ((0.0, 10.0), (0.5, 5.0), (1.0, -5.0))]
    assert crossing(points, "present") == pytest.approx(0.75)
    assert crossing(points, "coin") is None
    assert crossing([Point(0.0, sure(-1), sure(1))], "present") == 0
    assert crossing([], "present") is None


def finding(feed: str, fault: str, ungated: float) -> Finding:
    return Finding(feed, fault, sure(ungated), sure(0.0), 0.0, False)


def test_a_feed_may_be_wrong_for_a_share_of_the_units_in_proportion() -> None:
    found = bearable([finding("", "none", 10), finding("a", "stale", -30), finding("b", "stale", 4)])
    assert found == {("a", "stale"): pytest.approx(0.25), ("b", "stale"): None}
    assert bearable([finding("", "none", -1), finding("a", "stale", -30)]) == {("a", "stale"): 0}
    assert bearable([]) == {}


def test_in_the_lake_it_is_what_was_worked_out(workspace) -> None:
    assert break_even.work_out(workspace, "replay") == []
    assert break_even.recorded(workspace) == (None, [])
    assert break_even.told(workspace) == []


def test_an_interval_that_is_not_known_survives_being_kept() -> None:
    one = Point(0.1, Interval(1.0, math.nan, math.nan), sure(2.0))
    again = break_even._point(break_even._plain(one))
    assert (again.lost, again.present.value, again.coin) == (0.1, 1.0, sure(2.0))
    assert math.isnan(again.present.low)


def test_every_fault_of_the_drill_has_its_words() -> None:
    assert {*break_even.HAPPENS} == {*degradation.FAULTS} - {"missing"}
