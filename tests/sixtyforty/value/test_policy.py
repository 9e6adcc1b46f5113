"""The policy: the action that is expected to pay most, and an id that names a decision for ever."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.recipe import Veto
from sixtyforty.spec.use_case import UseCase
from sixtyforty.value.payoffs import build_payoffs
from sixtyforty.value.policy import (
    BEST_REASON,
    REVIEW_REASON,
    Policy,
    PolicyError,
    make_decision_ids,
    parse_decision_id,
)
from tests.sixtyforty.value.test_payoffs import SCORES, kpis

NIGHT = Veto(when="hour >= 22", never="act", why="nobody can be reached at night")
ROWS = pd.DataFrame({"hour": [9, 23, 23, None], "current_action": ["wait", "act", "act", "act"]})


def test_a_vetoed_action_gives_way_to_the_best_other_and_the_reason_is_said(tiny_use_case: UseCase) -> None:
    found = Policy(tiny_use_case.kpi, {"night": NIGHT}).take(ROWS, np.array([0.9, 0.9, 0.1, 0.9]))
    assert found.action.tolist() == ["act", "wait", "wait", "act"]  # what isn't known vetoes nothing
    veto = "veto night: nobody can be reached at night"
    assert found.reason.tolist() == [BEST_REASON, veto, BEST_REASON, BEST_REASON]
    assert not found.left.any()


@given(kpis(), SCORES, st.data())
def test_no_vetoed_action_is_ever_taken(kpi: Kpi, score: np.ndarray, data: st.DataObject) -> None:
    actions = sorted(kpi.actions)
    never = data.draw(st.lists(st.sampled_from(actions[1:]), min_size=1, unique=True))
    hours = data.draw(st.lists(st.integers(0, 23), min_size=len(score), max_size=len(score)))
    vetoes = {f"v{i}": Veto(when=f"hour >= {8 * i}", never=a, why="so") for i, a in enumerate(never)}
    rows = pd.DataFrame({"hour": hours, "current_action": actions[0]})
    found, free = Policy(kpi, vetoes).take(rows, score), build_payoffs(kpi, rows).choose(score)
    for i, hour in enumerate(hours):
        barred = {v.never for n, v in vetoes.items() if hour >= 8 * int(n[1:])}
        assert found.action[i] not in barred
        assert (found.action[i] == free[i]) == (found.reason[i] == BEST_REASON) == (free[i] not in barred)


def test_a_veto_that_is_no_condition_is_named(tiny_use_case: UseCase) -> None:
    policy = Policy(tiny_use_case.kpi, {"night": NIGHT.model_copy(update={"when": "stunde > 22"})})
    with pytest.raises(PolicyError, match=r"model\.vetoes\.night\.when .*stunde"):
        policy.take(ROWS, np.zeros(4))


def test_what_is_nearly_even_is_left_to_the_current_process_but_not_what_was_vetoed(tiny_use_case: UseCase) -> None:
    score = np.array([0.35, 0.35, 0.45, 0.9])  # 0.5, 0.5, 1.5 and 6 apart
    found = Policy(tiny_use_case.kpi, {"night": NIGHT}, left_below=1.0).take(ROWS, score)
    assert found.action.tolist() == ["wait", "wait", "wait", "act"]
    assert found.left.tolist() == [True, False, False, False]
    assert found.reason[0] == REVIEW_REASON
    assert found.reason[1].startswith("veto night")


def test_a_decision_keeps_its_id_for_ever() -> None:
    # These are in delivered decisions: a change here orphans them.
    assert make_decision_ids("calls_in_time", "live", "2013-03-10", [(93700,), (93701,)]) == [
        "live-2013-03-10-c8bd5733e357",
        "live-2013-03-10-91ac6bd79428",
    ]
    assert make_decision_ids("flights", "replay", "2013-12-20", [(2013, 12, 20, "UA", 1, "EWR")]) == [
        "replay-2013-12-20-0aec3f35a28e",
    ]


PARTS = st.text("a|\\", max_size=3) | st.text(max_size=3)
KEYS = st.lists(st.tuples(PARTS, PARTS), unique=True, max_size=20)


@given(KEYS)
def test_ids_of_different_units_differ(keys: list[tuple[str, str]]) -> None:
    ids = make_decision_ids("u", "live", "2013-03-10", keys)
    assert len(set(ids)) == len(keys)


def test_a_separator_within_a_key_makes_no_two_units_one() -> None:
    keys = [("a|b", "c"), ("a", "b|c"), ("a", "b\\|c"), ("a\\|b", "c"), ("a|b|c", ""), ("a\\", "b|c"), ("a\\\\|b", "c")]
    assert len(set(make_decision_ids("u", "live", "2013-03-10", keys))) == len(keys)


def test_ids_differ_by_use_case_track_and_partition() -> None:
    found = {
        make_decision_ids(use_case, track, partition, [(1,)])[0]
        for use_case in ("a", "b")
        for track in ("live", "replay")
        for partition in ("2013-03-10", "2013-03-11")
    }
    assert len(found) == 8


@given(st.sampled_from(["live", "replay"]), st.dates().map(str), st.tuples(st.integers(), st.text(max_size=5)))
def test_an_id_names_its_track_and_partition(track: str, partition: str, key: tuple[int, str]) -> None:
    assert parse_decision_id(make_decision_ids("u", track, partition, [key])[0]) == (track, partition)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "live",
        "live-2013-03-10",
        "2013-03-10-1a2b3c4d5e6f",
        "live-2013-03-10-1a2b3c",
        "-2013-03-10-1a2b3c4d5e6f",
        "live-../../x-1a2b3c4d5e6f",
        "live-2013-03-10-1a2b3c4d5e6g",
    ],
)
def test_what_is_not_a_decision_id_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is not a decision id: they look like replay-2013-12-20-"):
        parse_decision_id(text)
