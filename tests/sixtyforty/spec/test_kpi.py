"""A KPI refuses actions and measurements that don't fit together, and describes itself in words."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from sixtyforty.spec.kpi import Kpi
from tests.helpers import DECLARED, merge

HOLDOUT = {"share": 0.1, "value_per_outcome": -10}
TREATMENT = {"column": "got", "shares": {"wait": 0.4, "act": 0.6}, "value_per_outcome": -10}
RANDOMIZED = {"measurement": "randomized", "holdout": HOLDOUT}
STAFF = {"description": "fitters", "shortage_cost": 30, "excess_cost": 10, "maximum": 9}
AMOUNT = {"amount": STAFF, "outcome_type": "number", "outcome_name": "fitters needed"}


def make_kpi(**changes: Any) -> Kpi:
    """Return the KPI of the small use case with changes."""
    return Kpi.model_validate(merge(DECLARED["kpi"], changes))


def make_amount_kpi(**changes: Any) -> Kpi:
    """Return a KPI whose action is a number of fitters."""
    declared = merge(DECLARED["kpi"], AMOUNT | changes)
    return Kpi.model_validate({name: part for name, part in declared.items() if name != "actions"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"actions": {"wait": {"limit": 3}, "act": {"limit": 3}}}, "at least one action must have no limit"),
        (AMOUNT, "declare either `actions` or an `amount`"),
        ({"measurement": "randomized"}, "randomized needs kpi.holdout or kpi.treatment"),
        ({"holdout": HOLDOUT}, "exact has neither holdout nor treatment"),
        (RANDOMIZED | {"segments": ["site"]}, "segments need `measurement: exact`"),
        (
            {"measurement": "randomized", "treatment": TREATMENT | {"shares": {"wait": 0.4, "run": 0.6}}},
            "the shares name run, wait, but the actions are act, wait",
        ),
        (
            {"measurement": "randomized", "treatment": TREATMENT | {"shares": {"wait": 0.4, "act": 0.5}}},
            "the shares add up to 0.9, not to 1",
        ),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make_kpi(**changes)


def test_a_choice_needs_two_actions() -> None:
    declared = DECLARED["kpi"] | {"actions": {"act": {"description": "always"}}}
    with pytest.raises(ValidationError, match="declare at least two actions"):
        Kpi.model_validate(declared)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"outcome_type": "binary"}, "an amount needs `outcome_type: number`"),
        (RANDOMIZED, "an amount needs `measurement: exact`"),
        ({"amount": STAFF | {"maximum": 0}}, "0 is not above minimum"),
    ],
)
def test_an_amount_needs_a_number_that_it_does_not_change(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make_amount_kpi(**changes)


def test_payoffs_in_sql_are_stored_in_hidden_features() -> None:
    kpi = make_kpi(actions={"act": {"gain": "10 + load", "cost": "load"}})
    assert kpi.payoff_sql == {"_gain act": "10 + load", "_cost act": "load"}
    assert kpi.actions_by_cost == ["wait", "act"] and kpi.idle_action == "wait"


def test_the_outcome_columns_include_the_treatment() -> None:
    assert make_kpi().outcome_columns == ["late"]
    assert make_kpi(measurement="randomized", treatment=TREATMENT).outcome_columns == ["late", "got"]


def test_an_amount_has_a_best_quantile_and_an_idle_amount() -> None:
    kpi = make_amount_kpi()
    assert kpi.amount and kpi.amount.quantile == 0.75
    assert (kpi.idle_action, kpi.actions_by_cost, kpi.has_limits) == ("0", [], False)


@pytest.mark.parametrize(
    ("kpi", "action", "instead"),
    [
        (make_kpi(), "act", None),
        (make_kpi(), "wait", "act"),
        (make_kpi(), None, "act"),
        (make_amount_kpi(), "5", None),
        (make_amount_kpi(), "4", "another whole number from 0 to 9"),
        (make_amount_kpi(), "10", "another whole number from 0 to 9"),
        (make_amount_kpi(), "4.5", "another whole number from 0 to 9"),
        (make_amount_kpi(), "many", "another whole number from 0 to 9"),
    ],
)
def test_an_override_takes_another_valid_action(kpi: Kpi, action: str | None, instead: str | None) -> None:
    assert kpi.allowed_instead(action, instead_of="4" if kpi.amount else "wait") == instead


def test_actions_and_outcomes_are_described_in_words() -> None:
    kpi, amount = make_kpi(), make_amount_kpi()
    assert kpi.describe_action("act") == "call a second fitter in" and kpi.describe_action("gone") == "gone"
    assert kpi.describe_expected(0.304) == "late in about 30 of 100 such cases"
    assert (kpi.describe_outcome(1), kpi.describe_outcome(0)) == ("late", "not late")
    assert amount.describe_action("4") == "4 fitters"
    assert amount.describe_expected(3.25) == amount.describe_outcome(3.25) == "3.2 fitters needed"


@pytest.mark.parametrize(
    ("kpi", "sentences"),
    [
        (
            make_kpi(currency="USD", actions={"act": {"limit": 1000}}),
            ["Call a second fitter in: costs $3, brings $10 if late. At most 1,000 at one decision time."],
        ),
        (
            make_kpi(outcome_type="number", outcome_name="minutes lost"),
            ["Call a second fitter in: costs EUR 3, brings EUR 10 for each of the minutes lost."],
        ),
        (
            make_kpi(actions={"act": {"gain": "10 + load"}}),
            ["Call a second fitter in: costs EUR 3, brings the amount that `10 + load` returns if late."],
        ),
        (
            make_kpi(measurement="randomized", treatment=TREATMENT),
            ["Call a second fitter in: costs EUR 3."],
        ),
        (make_amount_kpi(), ["Too few fitters cost EUR 30 each, too many cost EUR 10 each."]),
    ],
)
def test_each_paid_action_has_a_sentence(kpi: Kpi, sentences: list[str]) -> None:
    assert kpi.payoff_sentences == sentences
