"""Which decisions flip, from which action to which."""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.lifecycle.plan_flips import EXAMPLES, FlippedAction, find_flips

START = datetime(2013, 4, 1)
ACTIONS = st.sampled_from(["act", "wait", None])


def make_pairs(actions: list[tuple[str | None, str | None]], score: float | None = 0.4) -> pd.DataFrame:
    """Return one decision an hour with these actions before and after."""
    return pd.DataFrame(
        {
            "decision_id": [f"d{number}" for number in range(len(actions))],
            "_partition": [(START + timedelta(hours=number)).date().isoformat() for number in range(len(actions))],
            "decided_at": [START + timedelta(hours=number) for number in range(len(actions))],
            "before": pd.Series([before for before, _ in actions], dtype=object),
            "after": pd.Series([after for _, after in actions], dtype=object),
            "score": pd.Series([score] * len(actions), dtype=float),
            "reason": ["best"] * len(actions),
        }
    )


def test_flips_are_counted_by_action_and_partition() -> None:
    actions: list[tuple[str | None, str | None]] = [("act", "wait")] * 20 + [("wait", "wait")] * 3
    flips = find_flips(make_pairs([*actions, *([("act", "wait")] * 2), ("wait", "act")]))
    assert flips.by_action == [FlippedAction("act", "wait", 22), FlippedAction("wait", "act", 1)]
    assert (flips.flipped, flips.compared, flips.added, flips.removed) == (23, 26, 0, 0)
    assert flips.by_partition == {"2013-04-01": 21, "2013-04-02": 2}


def test_examples_are_spread_over_time_and_name_score_and_reason() -> None:
    flips = find_flips(make_pairs([("act", "wait")] * 23))
    assert [example.decision_id for example in flips.examples] == ["d0", "d4", "d8", "d12", "d16"]
    first = flips.examples[0]
    assert (first.decided_at, first.before, first.after) == (START, "act", "wait")
    assert (first.score, first.reason) == (0.4, "best")


def test_a_decision_without_a_model_has_no_score() -> None:
    assert find_flips(make_pairs([("act", "wait")], score=None)).examples[0].score is None


def test_new_and_missing_decisions_are_no_flips() -> None:
    flips = find_flips(make_pairs([(None, "act"), ("wait", None), ("wait", "wait")]))
    assert (flips.compared, flips.added, flips.removed, flips.flipped) == (1, 1, 1, 0)


@given(st.lists(st.tuples(ACTIONS, ACTIONS), max_size=40))
def test_every_decision_is_counted_once(actions: list[tuple[str | None, str | None]]) -> None:
    actions = [pair for pair in actions if pair != (None, None)]
    flips = find_flips(make_pairs(actions))
    assert flips.compared + flips.added + flips.removed == len(actions)
    assert flips.flipped == sum(flips.by_partition.values()) <= flips.compared
    assert len(flips.examples) == min(flips.flipped, EXAMPLES)


@given(st.lists(st.sampled_from(["act", "wait"]), max_size=30))
def test_equal_decisions_flip_nothing(actions: list[str]) -> None:
    flips = find_flips(make_pairs([(action, action) for action in actions]))
    assert (flips.flipped, list(flips.examples), flips.compared) == (0, [], len(actions))
