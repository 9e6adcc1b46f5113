"""The policy: the action that is expected to pay most, and an id that names a decision for ever."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.modeling import Veto
from sixtyforty.objective import Action, Kpi
from sixtyforty.policy import (
    BEST,
    EVEN,
    Policy,
    PolicyError,
    best,
    choose,
    decision_ids,
    margin,
    next_best,
    partition_of,
    payoff,
    worth_of_knowing,
)
from sixtyforty.use_case import UseCase

MONEY = st.integers(-50, 50).map(float)
SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=20).map(np.array)


@st.composite
def kpis(draw: st.DrawFn) -> Kpi:
    costs = draw(st.lists(st.integers(0, 50).map(float), min_size=2, max_size=4))
    actions = {f"a{i}": Action(description="", cost=c, gain=draw(MONEY)) for i, c in enumerate(costs)}
    return Kpi(name="k", unit="EUR", label="exact", outcome="o", outcome_name="o", noun="n", target=0, actions=actions)


def test_an_action_pays_its_gain_times_the_outcome_less_its_cost(tiny_use_case: UseCase) -> None:
    paid = payoff(tiny_use_case.kpi, ["act", "act", "wait", "wait"], np.array([1.0, 0.0, 1.0, 0.0]))
    assert paid.tolist() == [7.0, -3.0, 0.0, 0.0]


def test_acting_is_chosen_where_it_is_expected_to_pay(tiny_use_case: UseCase) -> None:
    assert choose(tiny_use_case.kpi, np.array([0.0, 0.29, 0.31, 1.0])) == ["wait", "wait", "act", "act"]


def test_of_actions_expected_to_pay_the_same_the_cheapest_is_chosen() -> None:
    dear, cheap, free = (Action(description="", cost=c, gain=g) for c, g in ((4, 12), (2, 8), (0, 4)))
    for actions in ({"dear": dear, "cheap": cheap, "free": free}, {"free": free, "cheap": cheap, "dear": dear}):
        kpi = Kpi(
            name="k", unit="EUR", label="exact", outcome="o", outcome_name="o", noun="n", target=0, actions=actions
        )
        assert choose(kpi, np.array([0.25, 0.5, 0.75])) == ["free", "free", "dear"]


@given(kpis(), SCORES)
def test_no_other_action_is_expected_to_pay_more(kpi: Kpi, score: np.ndarray) -> None:
    chosen = choose(kpi, score)
    for i, action in enumerate(chosen):
        expected = {a: x.gain * score[i] - x.cost for a, x in kpi.actions.items()}
        assert expected[action] == max(expected.values())
        equal = [a for a, value in expected.items() if value == expected[action]]
        assert kpi.actions[action].cost == min(kpi.actions[a].cost for a in equal)


@given(kpis(), st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=20).map(np.array))
def test_perfect_foresight_is_what_choosing_by_the_outcome_itself_pays(kpi: Kpi, outcome: np.ndarray) -> None:
    assert best(kpi, outcome).tolist() == payoff(kpi, choose(kpi, outcome), outcome).tolist()
    for action in kpi.actions:
        assert (best(kpi, outcome) >= payoff(kpi, [action] * len(outcome), outcome)).all()


def test_knowing_is_worth_most_where_both_actions_are_expected_to_pay_the_same(tiny_use_case: UseCase) -> None:
    # acting pays 7 or -3, waiting 0: at 0.3 an informed person makes 0.3 x 7, an uninformed one nothing
    found = worth_of_knowing(tiny_use_case.kpi, np.array([0.0, 0.1, 0.3, 0.65, 1.0]))
    assert found == pytest.approx([0, 0.7, 2.1, 1.05, 0])
    assert margin(tiny_use_case.kpi, np.array([0.0, 0.3, 0.5])) == pytest.approx([3, 0, 2])


@given(kpis(), SCORES)
def test_knowledge_is_worth_what_deciding_after_the_fact_makes_more_on_average(kpi: Kpi, score: np.ndarray) -> None:
    for p, value in zip(score, worth_of_knowing(kpi, score), strict=True):
        blind = max(p * (a.gain - a.cost) + (1 - p) * -a.cost for a in kpi.actions.values())
        seeing = p * max(a.gain - a.cost for a in kpi.actions.values()) + (1 - p) * max(
            -a.cost for a in kpi.actions.values()
        )
        assert value == pytest.approx(seeing - blind, abs=1e-9)
        assert value >= 0


@given(kpis(), SCORES)
def test_the_next_best_is_the_best_of_the_others(kpi: Kpi, score: np.ndarray) -> None:
    chosen = choose(kpi, score)
    for p, mine, other, apart in zip(score, chosen, next_best(kpi, score, chosen), margin(kpi, score), strict=True):
        expected = {a: x.gain * p - x.cost for a, x in kpi.actions.items()}
        assert other != mine
        assert expected[other] == max(v for a, v in expected.items() if a != mine)
        assert apart == pytest.approx(expected[mine] - expected[other])


NIGHT = Veto(when="hour >= 22", never="act", why="nobody can be reached at night")
ROWS = pd.DataFrame({"hour": [9, 23, 23, None], "present_action": ["wait", "act", "act", "act"]})


def test_a_vetoed_action_gives_way_to_the_best_other_and_the_reason_is_said(tiny_use_case: UseCase) -> None:
    found = Policy(tiny_use_case.kpi, {"night": NIGHT}).take(ROWS, np.array([0.9, 0.9, 0.1, 0.9]))
    assert found.action.tolist() == ["act", "wait", "wait", "act"]  # what isn't known vetoes nothing
    veto = "veto night: nobody can be reached at night"
    assert found.reason.tolist() == [BEST, veto, BEST, BEST]
    assert not found.left.any()


@given(kpis(), SCORES, st.data())
def test_no_vetoed_action_is_ever_taken(kpi: Kpi, score: np.ndarray, data: st.DataObject) -> None:
    actions = sorted(kpi.actions)
    never = data.draw(st.lists(st.sampled_from(actions[1:]), min_size=1, unique=True))
    hours = data.draw(st.lists(st.integers(0, 23), min_size=len(score), max_size=len(score)))
    vetoes = {f"v{i}": Veto(when=f"hour >= {8 * i}", never=a, why="so") for i, a in enumerate(never)}
    rows = pd.DataFrame({"hour": hours, "present_action": actions[0]})
    found, free = Policy(kpi, vetoes).take(rows, score), choose(kpi, score)
    for i, hour in enumerate(hours):
        barred = {v.never for n, v in vetoes.items() if hour >= 8 * int(n[1:])}
        assert found.action[i] not in barred
        assert (found.action[i] == free[i]) == (found.reason[i] == BEST) == (free[i] not in barred)


def test_a_veto_that_is_no_condition_is_named(tiny_use_case: UseCase) -> None:
    policy = Policy(tiny_use_case.kpi, {"night": NIGHT.model_copy(update={"when": "stunde > 22"})})
    with pytest.raises(PolicyError, match=r"model\.vetoes\.night\.when .*stunde"):
        policy.take(ROWS, np.zeros(4))


def test_what_is_nearly_even_is_left_to_the_present_process_but_not_what_was_vetoed(tiny_use_case: UseCase) -> None:
    score = np.array([0.35, 0.35, 0.45, 0.9])  # 0.5, 0.5, 1.5 and 6 apart
    found = Policy(tiny_use_case.kpi, {"night": NIGHT}, left_below=1.0).take(ROWS, score)
    assert found.action.tolist() == ["wait", "wait", "wait", "act"]
    assert found.left.tolist() == [True, False, False, False]
    assert found.reason[0] == EVEN
    assert found.reason[1].startswith("veto night")


def test_a_decision_keeps_its_id_for_ever() -> None:
    # These are in delivered decisions: a change here orphans them.
    assert decision_ids("calls_in_time", "live", "2013-03-10", [(93700,), (93701,)]) == [
        "live-2013-03-10-c8bd5733e357",
        "live-2013-03-10-91ac6bd79428",
    ]
    assert decision_ids("flights", "replay", "2013-12-20", [(2013, 12, 20, "UA", 1, "EWR")]) == [
        "replay-2013-12-20-0aec3f35a28e",
    ]


PARTS = st.text("a|\\", max_size=3) | st.text(max_size=3)
KEYS = st.lists(st.tuples(PARTS, PARTS), unique=True, max_size=20)


@given(KEYS)
def test_ids_of_different_units_differ(keys: list[tuple[str, str]]) -> None:
    ids = decision_ids("u", "live", "2013-03-10", keys)
    assert len(set(ids)) == len(keys)


def test_a_separator_within_a_key_makes_no_two_units_one() -> None:
    keys = [("a|b", "c"), ("a", "b|c"), ("a", "b\\|c"), ("a\\|b", "c"), ("a|b|c", ""), ("a\\", "b|c"), ("a\\\\|b", "c")]
    assert len(set(decision_ids("u", "live", "2013-03-10", keys))) == len(keys)


def test_ids_differ_by_use_case_track_and_partition() -> None:
    found = {
        decision_ids(use_case, track, partition, [(1,)])[0]
        for use_case in ("a", "b")
        for track in ("live", "replay")
        for partition in ("2013-03-10", "2013-03-11")
    }
    assert len(found) == 8


@given(st.sampled_from(["live", "replay"]), st.dates().map(str), st.tuples(st.integers(), st.text(max_size=5)))
def test_an_id_names_its_track_and_partition(track: str, partition: str, key: tuple[int, str]) -> None:
    assert partition_of(decision_ids("u", track, partition, [key])[0]) == (track, partition)


@pytest.mark.parametrize(
    "text", ["", "live", "live-2013-03-10", "2013-03-10-1a2b3c4d5e6f", "live-2013-03-10-1a2b3c",
             "-2013-03-10-1a2b3c4d5e6f", "live-../../x-1a2b3c4d5e6f", "live-2013-03-10-1a2b3c4d5e6g"]
)  # fmt: skip
def test_what_is_not_a_decision_id_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is not a decision id: they look like replay-2013-12-20-"):
        partition_of(text)
