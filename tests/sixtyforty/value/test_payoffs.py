"""What actions pay and which is chosen: named actions, with limits, an amount, and actions dealt at random."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.spec.kpi import Action, Amount, Kpi, Treatment
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.value.payoff_sql import payoff_sql
from sixtyforty.value.payoffs import ChoicePayoffs, NumericPayoffs, PayoffError, build_payoffs, format_amount

MONEY = st.integers(-50, 50).map(float)
SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=20).map(np.array)


@st.composite
def kpis(draw: st.DrawFn) -> Kpi:
    costs = draw(st.lists(st.integers(0, 50).map(float), min_size=2, max_size=4))
    actions = {f"a{i}": Action(description="", cost=c, gain=draw(MONEY)) for i, c in enumerate(costs)}
    return Kpi(name="k", currency="EUR", measurement="exact", outcome="o", outcome_name="o", unit_plural="n", target=0, actions=actions)


def a_kpi(**fields: Any) -> Kpi:
    said = {"name": "k", "currency": "EUR", "measurement": "exact", "outcome": "o", "outcome_name": "o", "unit_plural": "n", "target": 0}
    return Kpi(**said | fields)


def of(kpi: Kpi, count: int) -> ChoicePayoffs:
    return ChoicePayoffs(kpi, pd.DataFrame(index=range(count)))


def test_an_action_pays_its_gain_times_the_outcome_less_its_cost(tiny_use_case: UseCase) -> None:
    paid = of(tiny_use_case.kpi, 4).paid(["act", "act", "wait", "wait"], np.array([1.0, 0.0, 1.0, 0.0]))
    assert paid.tolist() == [7.0, -3.0, 0.0, 0.0]


def test_acting_is_chosen_where_it_is_expected_to_pay(tiny_use_case: UseCase) -> None:
    assert of(tiny_use_case.kpi, 4).choose(np.array([0.0, 0.29, 0.31, 1.0])).tolist() == ["wait", "wait", "act", "act"]


def test_of_actions_expected_to_pay_the_same_the_cheapest_is_chosen() -> None:
    dear, cheap, free = (Action(description="", cost=c, gain=g) for c, g in ((4, 12), (2, 8), (0, 4)))
    for actions in ({"dear": dear, "cheap": cheap, "free": free}, {"free": free, "cheap": cheap, "dear": dear}):
        kpi = Kpi(
            name="k", currency="EUR", measurement="exact", outcome="o", outcome_name="o", unit_plural="n", target=0, actions=actions
        )
        assert of(kpi, 3).choose(np.array([0.25, 0.5, 0.75])).tolist() == ["free", "free", "dear"]


@given(kpis(), SCORES)
def test_no_other_action_is_expected_to_pay_more(kpi: Kpi, score: np.ndarray) -> None:
    pays = of(kpi, len(score))
    chosen = pays.choose(score).tolist()
    for i, action in enumerate(chosen):
        expected = {a: x.gain * score[i] - x.cost for a, x in kpi.actions.items()}
        assert expected[action] == max(expected.values())
        equal = [a for a, value in expected.items() if value == expected[action]]
        assert kpi.actions[action].cost == min(kpi.actions[a].cost for a in equal)


@given(kpis(), st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=20).map(np.array))
def test_perfect_foresight_is_what_choosing_by_the_outcome_itself_pays(kpi: Kpi, outcome: np.ndarray) -> None:
    pays = of(kpi, len(outcome))
    assert pays.best(outcome).tolist() == pays.paid(pays.choose(outcome).tolist(), outcome).tolist()
    for action in kpi.actions:
        assert (pays.best(outcome) >= pays.paid([action] * len(outcome), outcome)).all()


def test_knowing_is_worth_most_where_both_actions_are_expected_to_pay_the_same(tiny_use_case: UseCase) -> None:
    # acting pays 7 or -3, waiting 0: at 0.3 an informed person makes 0.3 x 7, an uninformed one nothing
    found = of(tiny_use_case.kpi, 5).worth_of_knowing(np.array([0.0, 0.1, 0.3, 0.65, 1.0]))
    assert found == pytest.approx([0, 0.7, 2.1, 1.05, 0])
    assert of(tiny_use_case.kpi, 3).margin(np.array([0.0, 0.3, 0.5])) == pytest.approx([3, 0, 2])


@given(kpis(), SCORES)
def test_knowledge_is_worth_what_deciding_after_the_fact_makes_more_on_average(kpi: Kpi, score: np.ndarray) -> None:
    for p, value in zip(score, of(kpi, len(score)).worth_of_knowing(score), strict=True):
        blind = max(p * (a.gain - a.cost) + (1 - p) * -a.cost for a in kpi.actions.values())
        seeing = p * max(a.gain - a.cost for a in kpi.actions.values()) + (1 - p) * max(
            -a.cost for a in kpi.actions.values()
        )
        assert value == pytest.approx(seeing - blind, abs=1e-9)
        assert value >= 0


@given(kpis(), SCORES)
def test_the_next_best_is_the_best_of_the_others(kpi: Kpi, score: np.ndarray) -> None:
    pays = of(kpi, len(score))
    chosen = pays.choose(score).tolist()
    for p, mine, other, apart in zip(score, chosen, pays.next_best(score, chosen), pays.margin(score), strict=True):
        expected = {a: x.gain * p - x.cost for a, x in kpi.actions.items()}
        assert other != mine
        assert expected[other] == max(v for a, v in expected.items() if a != mine)
        assert apart == pytest.approx(expected[mine] - expected[other])


def test_what_is_no_action_is_named(tiny_use_case: UseCase) -> None:
    with pytest.raises(PayoffError, match="'run' is not an action: wait, act"):
        of(tiny_use_case.kpi, 2).paid(["act", "run"], np.zeros(2))


# Payoffs as columns

FARES = {"wait": Action(description=""), "act": Action(description="", cost="fee", gain="fare * 0.5")}


def test_what_pays_by_column_pays_each_unit_its_own() -> None:
    rows = pd.DataFrame({"_gain act": [10.0, 2.0], "_cost act": [3.0, 3.0]})
    pays, kpi = build_payoffs(a_kpi(actions=FARES), rows), a_kpi(actions=FARES)
    assert kpi.payoff_sql == {"_gain act": "fare * 0.5", "_cost act": "fee"}
    assert kpi.idle_action == "wait"
    assert pays.paid(["act", "act"], np.ones(2)).tolist() == [7.0, -1.0]
    assert pays.choose(np.ones(2)).tolist() == ["act", "wait"]


def test_rows_without_what_an_action_pays_are_refused() -> None:
    with pytest.raises(PayoffError, match=r"lack '_gain act', what kpi\.actions\.act\.gain says"):
        build_payoffs(a_kpi(actions=FARES), pd.DataFrame({"_cost act": [1.0]}))


# Limits


def limited(limit: int, use_full_limit: bool = False, cost: float = 2.0) -> Kpi:
    offer = Action(description="offer", cost=cost, gain=1.0, limit=limit, use_full_limit=use_full_limit)
    return a_kpi(actions={"none": Action(description=""), "offer": offer}, outcome_type="number")


def at_noon(count: int) -> pd.DataFrame:
    return pd.DataFrame({"decided_at": [pd.Timestamp("2013-03-10 12:00")] * count})


@given(st.lists(st.integers(-5, 9).map(float), min_size=1, max_size=8).map(np.array), st.integers(1, 8), st.booleans())
def test_under_a_limit_no_other_choice_of_as_many_is_expected_to_pay_more(
    score: np.ndarray, limit: int, use_full_limit: bool
) -> None:
    kpi, rows = limited(limit, use_full_limit), at_noon(len(score))
    chosen = build_payoffs(kpi, rows).choose(score)
    has = set(np.flatnonzero(chosen == "offer").tolist())
    pays = score - 2.0
    most = min(limit, len(score))
    sizes = [most] if use_full_limit else range(most + 1)
    best = max(pays[list(c)].sum() for size in sizes for c in combinations(range(len(score)), size))
    assert len(has) <= most
    assert pays[list(has)].sum() == pytest.approx(best)
    assert not use_full_limit or len(has) == most


def test_a_limit_holds_at_each_moment_and_counts_what_was_taken_before() -> None:
    rows = pd.DataFrame(
        {"_partition": ["d"] * 6, "decided_at": pd.to_datetime(["2013-03-10 12:00"] * 3 + ["2013-03-10 13:00"] * 3)}
    )
    pays, score = build_payoffs(limited(2), rows), np.array([5.0, 7.0, 6.0, 9.0, 1.0, 8.0])
    assert np.flatnonzero(pays.choose(score) == "offer").tolist() == [1, 2, 3, 5]
    spent = {("d", rows["decided_at"][0]): {"offer": 1}}
    assert np.flatnonzero(pays.choose(score, spent=spent) == "offer").tolist() == [1, 3, 5]


def test_who_is_barred_leaves_the_place_to_the_next() -> None:
    pays, score = build_payoffs(limited(1, use_full_limit=True), at_noon(3)), np.array([9.0, 8.0, 1.0])
    assert pays.choose(score, {"offer": np.array([True, False, False])}).tolist() == ["none", "offer", "none"]


def test_foresight_keeps_to_the_limit_but_need_not_use_it_up() -> None:
    pays = build_payoffs(limited(2, use_full_limit=True), at_noon(4))
    assert pays.best(np.array([5.0, 4.0, 3.0, 0.0])).tolist() == [3.0, 2.0, 0.0, 0.0]
    assert pays.best(np.array([5.0, 1.0, 1.0, 0.0])).tolist() == [3.0, 0.0, 0.0, 0.0]


def test_of_two_limited_actions_each_keeps_its_own() -> None:
    actions = {
        "none": Action(description=""),
        "call": Action(description="", cost=1, gain=2, limit=1),
        "visit": Action(description="", cost=5, gain=4, limit=1),
    }
    pays = build_payoffs(a_kpi(actions=actions), at_noon(3))
    assert sorted(pays.choose(np.array([3.0, 3.0, 3.0]))) == ["call", "none", "visit"]


# An amount

AMOUNT = Amount(description="fitters", shortage_cost=60, excess_cost=20, minimum=1, maximum=9)
STAFF = a_kpi(amount=AMOUNT, outcome_type="number")


def test_too_few_and_too_many_each_cost_their_own() -> None:
    assert AMOUNT.quantile == 0.75
    assert NumericPayoffs(AMOUNT).paid(["3", "5", "4"], np.array([4.0, 4.0, 4.0])).tolist() == [-60.0, -20.0, 0.0]
    assert NumericPayoffs(AMOUNT).choose(np.array([0.2, 3.5, 3.4, 20.0])).tolist() == ["1", "4", "3", "9"]
    assert STAFF.idle_action == "1"
    assert STAFF.describe_action("4") == "4 fitters"


@given(st.lists(st.integers(1, 9), min_size=1, max_size=20), st.integers(1, 9))
def test_the_best_amount_is_the_quantile(needed: list[int], other: int) -> None:
    outcome = np.array(needed, float)
    best = np.quantile(outcome, AMOUNT.quantile, method="inverted_cdf")
    mine, theirs = (NumericPayoffs(AMOUNT).paid([str(a)] * len(needed), outcome).sum() for a in (best, other))
    assert mine >= theirs


@pytest.mark.parametrize(("number", "text"), [(3.0, "3"), (-0.0, "0"), (2.5, "2.5"), (1e6, "1000000")])
def test_the_same_amount_is_the_same_text(number: float, text: str) -> None:
    assert format_amount(number) == text


@pytest.mark.parametrize(
    ("said", "want"), [("5", None), ("4", "another"), ("3.5", "whole"), ("12", "to 9"), ("x", "1")]
)
def test_what_is_answered_instead_is_another_amount_within_limits(said: str, want: str | None) -> None:
    found = STAFF.allowed_instead(said, "4")
    assert found is None if want is None else want in str(found)


# Dealt at random

DEALT = a_kpi(
    label="randomized",
    outcome_type="number",
    actions={"none": Action(description=""), "mail": Action(description="", cost=1)},
    treatment=Treatment(column="got", shares={"none": 0.75, "mail": 0.25}, value_per_outcome=2.0),
)


def test_what_was_dealt_at_random_tells_what_a_policy_is_worth() -> None:
    rng = np.random.default_rng(0)
    got = np.where(rng.random(40_000) < 0.25, "mail", "none")
    outcome = np.where(got == "mail", 3.0, 1.0)  # mailing brings 2 x 2 - 1 = 3 more
    pays = build_payoffs(DEALT, pd.DataFrame({"got": got}))
    all_, none = (pays.paid([a] * len(got), outcome).sum() for a in ("mail", "none"))
    assert (all_ - none) / len(got) == pytest.approx(3.0, abs=0.15)
    assert np.isnan(pays.best(outcome)).all()


def test_a_score_for_each_action_is_paid_by_its_worth() -> None:
    pays = build_payoffs(DEALT, pd.DataFrame(index=range(2)))
    score = np.array([[1.0, 1.0], [1.4, 1.6]])  # of none, of mail: 0.4 and 0.6 more, worth 0.8 and 1.2, for 1
    assert pays.choose(score).tolist() == ["none", "mail"]
    assert pays.expected(score, ["none", "mail"]).tolist() == [1.0, 1.6]


@given(st.sampled_from(["choice", "columns", "amount", "dealt"]), st.data())
def test_sql_pays_the_same(kind: str, data: st.DataObject) -> None:
    kpi = {"choice": data.draw(kpis()), "columns": a_kpi(actions=FARES), "amount": STAFF, "dealt": DEALT}[kind]
    count = data.draw(st.integers(1, 6))
    many = {"min_size": count, "max_size": count}
    names = kpi.actions_by_cost or ["1", "4", "9"]
    rows = pd.DataFrame(
        {
            "action": data.draw(st.lists(st.sampled_from(names), **many)),
            "became": data.draw(st.lists(st.integers(0, 9).map(float), **many)),
            "got": data.draw(st.lists(st.sampled_from(names), **many)),
            **{c: data.draw(st.lists(MONEY, **many)) for c in kpi.payoff_sql},
        }
    )
    paid = build_payoffs(kpi, rows).paid(rows["action"].tolist(), rows["became"].to_numpy())
    with connect("UTC") as db:
        db.register("rows", rows)
        found = db.execute(f"select {payoff_sql(kpi, 'action', 'became')} from rows").fetchall()
    assert [f for (f,) in found] == pytest.approx(paid.tolist())


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "a choice needs two at least"),
        ({"amount": AMOUNT}, "outcome_type: number"),
        ({"amount": AMOUNT, "outcome_type": "number", "actions": FARES}, "either actions"),
        ({"actions": {"a": Action(description="", limit=1), "b": Action(description="", limit=2)}}, "without a limit"),
        ({"actions": FARES, "label": "randomized"}, "needs kpi.holdout or kpi.treatment"),
        ({"actions": FARES, "label": "randomized", "treatment": DEALT.treatment}, "the actions are"),
    ],
)
def test_a_kpi_that_contradicts_itself_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        a_kpi(**fields)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Action(description="", use_full_limit=True), "use_full_limit needs a limit"),
        (lambda: Amount(description="", shortage_cost=1, excess_cost=1, minimum=3, maximum=3), "nothing to choose"),
    ],
)
def test_an_action_that_contradicts_itself_is_refused(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()
