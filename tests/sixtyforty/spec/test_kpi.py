"""A KPI refuses actions and measurements that don't fit together."""

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
        ({"actions": {"wait": {"limit": 3}, "act": {"limit": 3}}}, "every action has a `limit`; declare"),
        (AMOUNT, "declare either `actions` or an `amount`"),
        ({"measurement": "randomized"}, "`measurement: randomized` needs an experiment"),
        ({"treatment": TREATMENT}, "`measurement: exact` needs no past experiment"),
        ({"holdout": HOLDOUT}, "with `measurement: exact`, the holdout only compares outcomes; remove"),
        (RANDOMIZED | {"holdout": {"share": 0.1}}, "`measurement: randomized` needs the value of an outcome"),
        (
            {"measurement": "randomized", "treatment": TREATMENT | {"propensity": "chance"}},
            "declare either `shares`, if each unit had the same chances, or `propensity`",
        ),
        ({"measurement": "randomized", "treatment": TREATMENT | {"shares": None}}, "declare either `shares`"),
        (
            {"measurement": "randomized", "treatment": TREATMENT | {"shares": {"wait": 0.4, "run": 0.6}}},
            "names the actions run, wait, but kpi.actions declares act, wait",
        ),
        (
            {"measurement": "randomized", "treatment": TREATMENT | {"shares": {"wait": 0.4, "act": 0.5}}},
            "the shares add up to 0.9; change them",
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
        ({"amount": STAFF | {"maximum": 0}}, r"maximum \(0\) must be above minimum"),
    ],
)
def test_an_amount_needs_a_number_that_it_does_not_change(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make_amount_kpi(**changes)


def test_payoffs_in_sql_are_stored_in_hidden_features() -> None:
    kpi = make_kpi(actions={"act": {"gain": "10 + load", "cost": "load"}})
    assert kpi.payoff_sql == {"_gain act": "10 + load", "_cost act": "load"}
    assert kpi.actions_by_cost == ["wait", "act"] and kpi.idle_action == "wait"


@pytest.mark.parametrize(
    ("wait", "act"),
    [
        ({"cost": 0, "gain": 0}, {"cost": 80, "gain": 200}),
        ({"cost": "load"}, {"cost": 80, "gain": 200}),
        ({"cost": "load"}, {"cost": "2 * load", "gain": "load"}),
        ({}, {"cost": "load", "gain": 200}),
        ({}, {"cost": "load"}),
        ({"gain": -5}, {"cost": "load"}),
        ({}, {"gain": 10}),
        ({"gain": -500, "cost": 5}, {"cost": 80}),
    ],
)
def test_the_idle_action_does_not_depend_on_how_costs_are_written(wait: dict[str, Any], act: dict[str, Any]) -> None:
    for names in (("act", "wait"), ("wait", "act")):
        payoffs = {name: {"act": act, "wait": wait}[name] | {"description": name} for name in names}
        kpi = Kpi.model_validate(DECLARED["kpi"] | {"actions": payoffs})
        assert kpi.idle_action == "wait"


def test_the_outcome_columns_include_the_treatment() -> None:
    assert make_kpi().outcome_columns == ["late"]
    kpi = make_kpi(measurement="randomized", treatment=TREATMENT)
    assert (kpi.outcome_columns, kpi.unseen_columns) == (["late", "got"], ["late"])
    own_chances = {"column": "got", "propensity": "chance", "value_per_outcome": -10}
    kpi = make_kpi(measurement="randomized", treatment=own_chances)
    assert (kpi.outcome_columns, kpi.unseen_columns) == (["late", "got", "chance"], ["late", "chance"])


def test_exact_figures_may_have_a_holdout_and_experiments_segments() -> None:
    kpi = make_kpi(holdout={"share": 0.1}, segments=["site"])
    assert kpi.holdout is not None and kpi.holdout.value_per_outcome is None
    assert make_kpi(**RANDOMIZED, segments=["site"]).segments == ["site"]


def test_an_amount_has_a_best_quantile_and_an_idle_amount() -> None:
    kpi = make_amount_kpi()
    assert kpi.amount and kpi.amount.quantile == 0.75
    assert (kpi.idle_action, kpi.actions_by_cost, kpi.has_limits) == ("0", [], False)
