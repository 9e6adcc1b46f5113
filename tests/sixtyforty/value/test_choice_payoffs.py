"""Named actions: what they pay, which one is chosen, limits, and past experiments."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.spec.actions import Action
from sixtyforty.spec.experiments import Holdout
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.use_case import UseCase
from sixtyforty.value.action_limits import DecisionGroups
from sixtyforty.value.choice_payoffs import ChoicePayoffs
from sixtyforty.value.payoff_base import PayoffError
from sixtyforty.value.payoffs import build_payoffs
from tests.sixtyforty.value.kpis import EXPERIMENT, FARES, SCORES, choice_payoffs, kpis, make_kpi


def test_an_action_pays_its_gain_times_the_outcome_minus_its_cost(tiny_use_case: UseCase) -> None:
    payoffs = choice_payoffs(tiny_use_case.kpi, 4)
    realized = payoffs.realized(["act", "act", "wait", "wait"], np.array([1.0, 0.0, 1.0, 0.0]))
    assert realized.tolist() == [7.0, -3.0, 0.0, 0.0]


def test_acting_is_chosen_where_it_is_expected_to_pay(tiny_use_case: UseCase) -> None:
    score = np.array([0.0, 0.29, 0.31, 1.0])
    assert choice_payoffs(tiny_use_case.kpi, 4).choose_actions(score).tolist() == ["wait", "wait", "act", "act"]


def test_of_equal_actions_the_cheapest_is_chosen() -> None:
    dear, cheap, free = (Action(description="", cost=cost, gain=gain) for cost, gain in ((4, 12), (2, 8), (0, 4)))
    for actions in ({"dear": dear, "cheap": cheap, "free": free}, {"free": free, "cheap": cheap, "dear": dear}):
        chosen = choice_payoffs(make_kpi(actions=actions), 3).choose_actions(np.array([0.25, 0.5, 0.75]))
        assert chosen.tolist() == ["free", "free", "dear"]


@given(kpis(), SCORES)
def test_no_other_action_is_expected_to_pay_more(kpi: Kpi, score: np.ndarray) -> None:
    chosen = choice_payoffs(kpi, len(score)).choose_actions(score).tolist()
    for probability, action in zip(score, chosen, strict=True):
        expected = {name: a.gain * probability - a.cost for name, a in kpi.actions.items()}
        assert expected[action] == max(expected.values())
        equal = [name for name, payoff in expected.items() if payoff == expected[action]]
        assert kpi.actions[action].cost == min(kpi.actions[name].cost for name in equal)


@given(kpis(), st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=20).map(np.array))
def test_perfect_foresight_chooses_by_the_outcome_itself(kpi: Kpi, outcome: np.ndarray) -> None:
    payoffs = choice_payoffs(kpi, len(outcome))
    best = payoffs.best_possible(outcome)
    assert best.tolist() == payoffs.realized(payoffs.choose_actions(outcome).tolist(), outcome).tolist()
    for action in kpi.actions:
        assert (best >= payoffs.realized([action] * len(outcome), outcome)).all()


def test_information_is_worth_most_where_both_actions_pay_the_same(tiny_use_case: UseCase) -> None:
    # Acting pays 7 or -3, waiting 0. At 0.3, an informed person earns 0.3 x 7, an uninformed one nothing.
    information = choice_payoffs(tiny_use_case.kpi, 5).value_of_information(np.array([0.0, 0.1, 0.3, 0.65, 1.0]))
    assert information == pytest.approx([0, 0.7, 2.1, 1.05, 0])
    assert choice_payoffs(tiny_use_case.kpi, 3).margin(np.array([0.0, 0.3, 0.5])) == pytest.approx([3, 0, 2])


@given(kpis(), SCORES)
def test_information_is_worth_what_deciding_after_the_outcome_earns_more(kpi: Kpi, score: np.ndarray) -> None:
    actions = kpi.actions.values()
    for p, information in zip(score, choice_payoffs(kpi, len(score)).value_of_information(score), strict=True):
        uninformed = max(p * (a.gain - a.cost) + (1 - p) * -a.cost for a in actions)
        informed = p * max(a.gain - a.cost for a in actions) + (1 - p) * max(-a.cost for a in actions)
        assert information == pytest.approx(informed - uninformed, abs=1e-9)
        assert information >= 0


@given(kpis(), SCORES)
def test_the_next_best_action_is_the_best_of_the_others(kpi: Kpi, score: np.ndarray) -> None:
    payoffs = choice_payoffs(kpi, len(score))
    chosen = payoffs.choose_actions(score).tolist()
    next_best, margins = payoffs.next_best(score, chosen), payoffs.margin(score)
    for p, action, other, margin in zip(score, chosen, next_best, margins, strict=True):
        expected = {name: a.gain * p - a.cost for name, a in kpi.actions.items()}
        assert other != action
        assert expected[other] == max(payoff for name, payoff in expected.items() if name != action)
        assert margin == pytest.approx(expected[action] - expected[other])


def test_an_unknown_action_is_named(tiny_use_case: UseCase) -> None:
    with pytest.raises(PayoffError, match=r"'run' is not declared\. Declared actions: wait, act"):
        choice_payoffs(tiny_use_case.kpi, 2).realized(["act", "run"], np.zeros(2))


def test_payoffs_in_columns_differ_by_unit() -> None:
    kpi = make_kpi(actions=FARES)
    payoffs = build_payoffs(kpi, pd.DataFrame({"_gain act": [10.0, 2.0], "_cost act": [3.0, 3.0]}))
    assert kpi.payoff_sql == {"_gain act": "fare * 0.5", "_cost act": "fee"}
    assert kpi.idle_action == "wait"
    assert payoffs.realized(["act", "act"], np.ones(2)).tolist() == [7.0, -1.0]
    assert payoffs.choose_actions(np.ones(2)).tolist() == ["act", "wait"]


UNPRICED = pd.DataFrame(
    {"_gain act": [10.0, np.nan, 10.0, np.nan], "_cost act": [3.0, 3.0, np.nan, np.nan], "decided_at": 0}
)


def test_an_action_whose_gain_or_cost_is_unknown_is_not_taken_there() -> None:
    payoffs = build_payoffs(make_kpi(actions=FARES), UNPRICED)
    assert payoffs.is_priced(["act"] * 4).tolist() == [True, False, False, False]
    assert payoffs.is_priced(["wait"] * 4).all()
    assert payoffs.choose_actions(np.ones(4)).tolist() == ["act", "wait", "wait", "wait"]
    assert payoffs.best_possible(np.ones(4)).tolist() == [7.0, 0.0, 0.0, 0.0]
    assert np.isnan(payoffs.realized(["act"] * 4, np.ones(4))).tolist() == [False, True, True, True]
    assert isinstance(payoffs, ChoicePayoffs)
    assert payoffs.margin(np.ones(4)).tolist() == [7.0, np.inf, np.inf, np.inf]
    assert payoffs.value_of_information(np.full(4, 0.5)).tolist() == [1.5, 0.0, 0.0, 0.0]


def test_a_full_limit_is_not_filled_with_units_whose_cost_is_unknown() -> None:
    actions = FARES | {"act": FARES["act"].model_copy(update={"limit": 3, "use_full_limit": True})}
    payoffs = build_payoffs(make_kpi(actions=actions), UNPRICED)
    assert payoffs.choose_actions(np.zeros(4)).tolist() == ["act", "wait", "wait", "wait"]
    assert payoffs.choose_actions(np.ones(4)).tolist() == ["act", "wait", "wait", "wait"]


def test_without_any_known_cost_the_cheapest_action_is_returned() -> None:
    actions = {name: Action(description="", cost=f"{name}_fee") for name in ("mail", "call")}
    rows = pd.DataFrame({"_cost mail": [np.nan, 2.0], "_cost call": [np.nan, np.nan]})
    payoffs = build_payoffs(make_kpi(actions=actions), rows)
    chosen = payoffs.choose_actions(np.ones(2))
    assert chosen.tolist() == ["mail", "mail"]
    assert payoffs.is_priced(chosen.tolist()).tolist() == [False, True]


def test_rows_without_a_payoff_column_are_rejected() -> None:
    with pytest.raises(PayoffError, match=r"lack the column '_gain act', which kpi\.actions\.act\.gain declares"):
        build_payoffs(make_kpi(actions=FARES), pd.DataFrame({"_cost act": [1.0]}))


def test_a_unit_of_a_holdout_is_worth_its_outcome_minus_the_cost_of_its_action() -> None:
    actions = {"none": Action(description=""), "mail": Action(description="", cost=2.0)}
    kpi = make_kpi(actions=actions, measurement="randomized", holdout=Holdout(share=0.1, value_per_outcome=5.0))
    assert choice_payoffs(kpi, 2).unit_values(["mail", "none"], np.array([1.0, 1.0])).tolist() == [3.0, 5.0]


# Limits


def kpi_with_limit(limit: int, use_full_limit: bool = False, cost: float = 2.0) -> Kpi:
    offer = Action(description="offer", cost=cost, gain=1.0, limit=limit, use_full_limit=use_full_limit)
    return make_kpi(actions={"none": Action(description=""), "offer": offer}, outcome_type="number")


def rows_at_noon(count: int) -> pd.DataFrame:
    return pd.DataFrame({"decided_at": [pd.Timestamp("2013-03-10 12:00")] * count})


@given(st.lists(st.integers(-5, 9).map(float), min_size=1, max_size=8).map(np.array), st.integers(1, 8), st.booleans())
def test_within_a_limit_no_other_selection_is_expected_to_pay_more(
    score: np.ndarray, limit: int, use_full_limit: bool
) -> None:
    chosen = build_payoffs(kpi_with_limit(limit, use_full_limit), rows_at_noon(len(score))).choose_actions(score)
    selected = set(np.flatnonzero(chosen == "offer").tolist())
    payoff, allowed = score - 2.0, min(limit, len(score))
    sizes = [allowed] if use_full_limit else range(allowed + 1)
    best = max(payoff[list(rows)].sum() for size in sizes for rows in combinations(range(len(score)), size))
    assert len(selected) <= allowed
    assert payoff[list(selected)].sum() == pytest.approx(best)
    assert not use_full_limit or len(selected) == allowed


def test_a_limit_applies_per_decision_time_and_counts_earlier_decisions() -> None:
    rows = pd.DataFrame(
        {"_partition": ["d"] * 6, "decided_at": pd.to_datetime(["2013-03-10 12:00"] * 3 + ["2013-03-10 13:00"] * 3)}
    )
    payoffs, score = build_payoffs(kpi_with_limit(2), rows), np.array([5.0, 7.0, 6.0, 9.0, 1.0, 8.0])
    assert np.flatnonzero(payoffs.choose_actions(score) == "offer").tolist() == [1, 2, 3, 5]
    noon = DecisionGroups.of_rows(rows).labels[0]
    taken = {noon: {"offer": 1}}
    assert np.flatnonzero(payoffs.choose_actions(score, taken=taken) == "offer").tolist() == [1, 3, 5]


def test_a_barred_row_leaves_its_place_to_the_next() -> None:
    payoffs = build_payoffs(kpi_with_limit(1, use_full_limit=True), rows_at_noon(3))
    barred = {"offer": np.array([True, False, False])}
    assert payoffs.choose_actions(np.array([9.0, 8.0, 1.0]), barred).tolist() == ["none", "offer", "none"]


def test_foresight_keeps_the_limit_but_need_not_use_it_fully() -> None:
    payoffs = build_payoffs(kpi_with_limit(2, use_full_limit=True), rows_at_noon(4))
    assert payoffs.best_possible(np.array([5.0, 4.0, 3.0, 0.0])).tolist() == [3.0, 2.0, 0.0, 0.0]
    assert payoffs.best_possible(np.array([5.0, 1.0, 1.0, 0.0])).tolist() == [3.0, 0.0, 0.0, 0.0]


def test_two_limited_actions_keep_their_own_limits() -> None:
    actions = {
        "none": Action(description=""),
        "call": Action(description="", cost=1, gain=2, limit=1),
        "visit": Action(description="", cost=5, gain=4, limit=1),
    }
    payoffs = build_payoffs(make_kpi(actions=actions), rows_at_noon(3))
    assert sorted(payoffs.choose_actions(np.array([3.0, 3.0, 3.0]))) == ["call", "none", "visit"]


def limited_fares(limit: int, **wait: Any) -> Kpi:
    """Return a KPI whose cheapest action is limited, and whose dearest action has a price in columns."""
    actions = {"wait": Action(description="", cost=1.0, limit=limit, **wait), "act": FARES["act"]}
    return make_kpi(actions=actions, outcome_type="number")


def test_a_limit_never_takes_a_units_last_known_action_twice() -> None:
    rows = rows_at_noon(3).assign(**{"_gain act": [np.nan, np.nan, 9.0], "_cost act": 3.0})
    kpi = limited_fares(1)
    payoffs = build_payoffs(kpi, rows)
    chosen = payoffs.choose_actions(np.zeros(3))
    assert chosen.tolist() == ["wait", "act", "act"]  # the second unit has no allowed action of known price
    assert payoffs.is_priced(chosen.tolist()).tolist() == [True, False, True]
    assert payoffs.best_possible(np.zeros(3)).tolist() == [-1.0, -1.0, -3.0]


def test_a_unit_without_any_known_price_uses_up_no_limit() -> None:
    actions = {
        "wait": Action(description="", cost="fee", limit=1, use_full_limit=True),
        "act": Action(description="", cost="fare"),
    }
    rows = rows_at_noon(3).assign(**{"_cost wait": [np.nan, 2.0, 2.0], "_cost act": [np.nan, 1.0, 1.0]})
    payoffs = build_payoffs(make_kpi(actions=actions), rows)
    assert payoffs.choose_actions(np.zeros(3)).tolist() == ["act", "wait", "act"]
    assert isinstance(payoffs, ChoicePayoffs)
    best = payoffs.best_possible(np.zeros(3))
    assert np.isnan(best[0])
    assert best[1:].tolist() == [-1.0, -1.0]
    assert payoffs.value_of_information(np.full(3, 0.5)).tolist() == [0.0, 0.0, 0.0]


def test_two_full_limits_take_no_units_from_each_other() -> None:
    actions = {
        "none": Action(description=""),
        "call": Action(description="", cost=1, gain=1, limit=1, use_full_limit=True),
        "visit": Action(description="", cost=2, gain=1, limit=1, use_full_limit=True),
    }
    payoffs = build_payoffs(make_kpi(actions=actions), rows_at_noon(3))
    assert sorted(payoffs.choose_actions(np.array([0.9, 0.5, 0.5]))) == ["call", "none", "visit"]


def test_the_next_best_action_is_another_one_even_beyond_a_limit_or_without_a_price() -> None:
    payoffs = build_payoffs(kpi_with_limit(1), rows_at_noon(3))
    assert isinstance(payoffs, ChoicePayoffs)
    score = np.array([3.0, 1.0, 1.0])
    assert payoffs.next_best(score, ["offer", "none", "none"]).tolist() == ["none", "offer", "offer"]
    unpriced = build_payoffs(make_kpi(actions=FARES), UNPRICED)
    assert isinstance(unpriced, ChoicePayoffs)
    assert unpriced.next_best(np.ones(4), ["wait"] * 4).tolist() == ["act"] * 4


PRICES = st.one_of(st.none(), st.integers(-4, 4).map(float))


@st.composite
def priced_choices(draw: st.DrawFn) -> tuple[ChoicePayoffs, np.ndarray, dict[str, int | None]]:
    """Draw the payoffs of up to three actions with limits and unknown prices, scores, and the limits by action."""
    names = ["a", "b", "c"][: draw(st.integers(2, 3))]
    limits: dict[str, int | None] = {name: draw(st.one_of(st.none(), st.integers(1, 3))) for name in names}
    limits[draw(st.sampled_from(names))] = None
    actions = {
        name: Action(
            description="",
            cost=f"cost_{name}" if draw(st.booleans()) else float(draw(st.integers(0, 3))),
            gain=f"gain_{name}" if draw(st.booleans()) else float(draw(st.integers(-3, 3))),
            limit=limit,
            use_full_limit=limit is not None and draw(st.booleans()),
        )
        for name, limit in limits.items()
    }
    kpi, count = make_kpi(actions=actions, outcome_type="number"), draw(st.integers(1, 6))
    prices = {column: draw(st.lists(PRICES, min_size=count, max_size=count)) for column in kpi.payoff_sql}
    score = np.array(draw(st.lists(st.integers(-2, 2).map(float), min_size=count, max_size=count)))
    rows = rows_at_noon(count).assign(**{c: pd.array(v, "Float64") for c, v in prices.items()})
    return ChoicePayoffs(kpi, rows), score, limits


@given(priced_choices())
def test_unknown_prices_and_limits_leave_every_unit_an_action_and_every_figure_a_number(
    drawn: tuple[ChoicePayoffs, np.ndarray, dict[str, int | None]],
) -> None:
    payoffs, score, limits = drawn
    chosen = payoffs.choose_actions(score).tolist()
    priced = np.array(payoffs.is_priced(chosen))
    known = np.array([payoffs.is_priced([name] * len(score)) for name in limits])
    unlimited = np.array([limit is None for limit in limits.values()])
    for name, limit in limits.items():
        assert limit is None or chosen.count(name) <= limit
    assert priced[known[unlimited].any(axis=0)].all()
    best = payoffs.best_possible(score)
    assert np.isnan(best).tolist() == (~known.any(axis=0)).tolist()
    assert not np.isinf(best).any()
    assert np.isfinite(payoffs.value_of_information(np.abs(score) / 2)).all()
    assert not np.isnan(payoffs.margin(score)).any()
    assert all(other != action for other, action in zip(payoffs.next_best(score, chosen), chosen, strict=True))


# Past experiments


def test_a_past_experiment_gives_the_value_of_a_policy() -> None:
    rng = np.random.default_rng(0)
    received = np.where(rng.random(40_000) < 0.25, "mail", "none")
    outcome = np.where(received == "mail", 3.0, 1.0)  # mailing brings 2 x 2 - 1 = 3 more
    payoffs = build_payoffs(EXPERIMENT, pd.DataFrame({"received": received}))
    mail, none = (payoffs.realized([action] * len(received), outcome).sum() for action in ("mail", "none"))
    assert (mail - none) / len(received) == pytest.approx(3.0, abs=0.15)
    assert np.isnan(payoffs.best_possible(outcome)).all()


def test_a_past_experiment_needs_the_action_that_each_unit_received() -> None:
    with pytest.raises(PayoffError, match="lack the columns received, which describe"):
        choice_payoffs(EXPERIMENT, 1).realized(["mail"], np.ones(1))


def test_a_score_per_action_is_paid_by_the_value_of_its_outcome() -> None:
    payoffs = choice_payoffs(EXPERIMENT, 2)
    score = np.array([[1.0, 1.0], [1.4, 1.6]])  # mailing raises the outcome by 0.4 and 0.6, worth 0.8 and 1.2, for 1
    assert payoffs.choose_actions(score).tolist() == ["none", "mail"]
    assert payoffs.expected_outcomes(score, ["none", "mail"]).tolist() == [1.0, 1.6]
