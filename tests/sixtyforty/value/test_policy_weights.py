"""The weights of portions add up to those of all units, and survive their storage as JSON."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sixtyforty.spec.experiments import Treatment
from sixtyforty.value.choice_payoffs import ChoicePayoffs
from sixtyforty.value.daily_value import DailyValue, sum_values
from sixtyforty.value.policy_weights import RECEIVED, PolicyWeights, add_weights, weigh_policies
from tests.sixtyforty.value.kpis import EXPERIMENT, make_kpi

KPI = make_kpi(
    measurement="randomized",
    outcome_type="number",
    actions=EXPERIMENT.actions,
    treatment=Treatment(column="received", propensity="chance", value_per_outcome=2.0),
)
NAMES = st.sampled_from(["none", "mail"])
UNITS = st.lists(st.tuples(NAMES, NAMES, NAMES, st.floats(0.01, 1), st.floats(-5, 5)), min_size=1, max_size=12)


@settings(max_examples=25)
@given(UNITS, st.data())
def test_portions_add_up_to_all_units(units: list[tuple[str, str, str, float, float]], data: st.DataObject) -> None:
    columns = ["action", "current_action", "received", "chance", "outcome"]
    rows = pd.DataFrame(units, columns=columns)
    predicted = np.linspace(0, 1, 2 * len(rows)).reshape(2, -1)
    cut = data.draw(st.integers(0, len(rows)))

    def sums(part: slice) -> DailyValue:
        portion = rows[part].reset_index(drop=True)
        outcome = portion["outcome"].to_numpy(float)
        return sum_values(KPI, portion, outcome, None, predicted[:, part]).of_partition("d")

    whole, first, second = sums(slice(None)), sums(slice(cut)), sums(slice(cut, None))
    for policy, weights in add_weights(first.weights, second.weights).items():
        assert vars(weights) == pytest.approx(vars(whole.weights[policy]))
    received = whole.weights[RECEIVED]
    assert received.weight == pytest.approx((1 / rows["chance"]).sum())
    assert received.rare == (rows["chance"] < 0.05).sum()
    assert 0 < received.effective_units <= len(rows) * (1 + 1e-9)
    assert DailyValue.from_dict(json.loads(json.dumps(whole.to_dict()))).weights == whole.weights


def test_without_predictions_the_robust_money_is_the_weighted_money() -> None:
    rows = pd.DataFrame({"received": ["mail", "none"], "chance": [0.2, 0.8]})
    payoffs = ChoicePayoffs(KPI, rows)
    outcome = np.array([3.0, 1.0])
    weights = weigh_policies(payoffs, {"model": ["mail", "mail"]}, outcome, None)["model"]
    assert weights == PolicyWeights(5.0, 25.0, 5.0, 0, (2 * 3.0 - 1) / 0.2)
    assert PolicyWeights(0.0, 0.0, 0.0, 0, 0.0).effective_units == 0


def test_right_predictions_leave_no_noise() -> None:
    rng = np.random.default_rng(0)
    predicted = rng.random((2, 500))
    mail = rng.random(500) < 0.3
    rows = pd.DataFrame({"received": np.where(mail, "mail", "none"), "chance": np.where(mail, 0.3, 0.7)})
    outcome = np.where(mail, predicted[1], predicted[0])
    robust = ChoicePayoffs(KPI, rows).robust(["mail"] * 500, outcome, predicted)
    assert robust == pytest.approx(2 * predicted[1] - 1)
