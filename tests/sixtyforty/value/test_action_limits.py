"""Units compete for an action within their partition and decision time, wherever the units come from."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.spec.actions import Action
from sixtyforty.value.action_limits import DecisionGroups, LimitedUnits, count_actions
from sixtyforty.value.choice_payoffs import ChoicePayoffs, choose_together
from tests.sixtyforty.value.kpis import make_kpi

NOON, ONE = pd.Timestamp("2013-03-10 12:00"), pd.Timestamp("2013-03-10 13:00")
ROWS = pd.DataFrame({"_partition": ["a", "b", "a", "b"], "decided_at": [NOON, NOON, ONE, NOON]})
CALLS = make_kpi(
    actions={
        "none": Action(description=""),
        "visit": Action(description="", cost=5, gain=9, limit=2),
        "call": Action(description="", cost=2, gain=5, limit=3, use_full_limit=True),
    }
)


def test_a_group_is_a_partition_and_a_decision_time() -> None:
    groups = {label: rows.tolist() for label, rows in DecisionGroups.of_rows(ROWS).rows_by_group()}
    assert groups == {("a", NOON): [0], ("b", NOON): [1, 3], ("a", ONE): [2]}
    times = DecisionGroups.of_rows(ROWS[["decided_at"]])
    assert {label: rows.tolist() for label, rows in times.rows_by_group()} == {("", NOON): [0, 1, 3], ("", ONE): [2]}
    assert list(DecisionGroups.of_rows(ROWS.iloc[:0]).rows_by_group()) == []


def test_parts_share_groups() -> None:
    joined = DecisionGroups.join([DecisionGroups.of_rows(ROWS.iloc[:2]), DecisionGroups.of_rows(ROWS.iloc[2:])])
    groups = {label: rows.tolist() for label, rows in joined.rows_by_group()}
    assert groups == {("a", NOON): [0], ("b", NOON): [1, 3], ("a", ONE): [2]}


def test_actions_are_counted_by_group() -> None:
    rows = ROWS.assign(action=["x", "y", "y", "y"])
    assert count_actions(rows, "action") == {
        ("a", NOON): Counter("x"),
        ("b", NOON): Counter("yy"),
        ("a", ONE): {"y": 1},
    }
    assert count_actions(rows.iloc[:0], "action") == {}


def test_a_row_without_any_allowed_action_gets_the_cheapest_without_a_limit() -> None:
    groups = DecisionGroups.of_rows(ROWS.iloc[:2])
    units = LimitedUnits(CALLS, np.full((3, 2), -np.inf), groups, np.full(2, -1))
    assert units.choose({}).tolist() == [0, 0]


@given(
    st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.booleans()), min_size=1, max_size=12), st.integers(1, 12)
)
def test_units_in_parts_get_the_same_actions(units: list[tuple[int, bool, bool]], size: int) -> None:
    score = np.array([score / 9 for score, _, _ in units])
    rows = pd.DataFrame({"_partition": "d", "decided_at": [ONE if later else NOON for _, later, _ in units]})
    barred = {"call": np.array([is_barred for _, _, is_barred in units])}
    taken = {("d", NOON): {"visit": 1}}
    undivided = ChoicePayoffs(CALLS, rows).choose_actions(score, barred, taken).tolist()
    spans = [slice(start, start + size) for start in range(0, len(units), size)]
    parts = [(ChoicePayoffs(CALLS, rows.iloc[s]), score[s], {"call": barred["call"][s]}) for s in spans]
    assert [action for chosen in choose_together(parts, taken) for action in chosen.tolist()] == undivided
