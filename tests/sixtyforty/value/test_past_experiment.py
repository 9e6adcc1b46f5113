"""The three estimates of a past experiment equal an oracle that is written differently, and cover the truth."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy.stats import t

from sixtyforty.spec.actions import Action, Candidate
from sixtyforty.spec.experiments import Treatment
from sixtyforty.value.daily_value import DailyValue, sum_values
from sixtyforty.value.past_experiment import (
    GainEstimates,
    estimate_gain,
    find_overlap_problem,
    measure_gain,
    measure_overlap,
    require_overlap,
    summarize_experiment,
)
from sixtyforty.value.policy_weights import PolicyWeights
from sixtyforty.value.rounded_interval import RoundedInterval
from sixtyforty.value.unit_groups import DECISIONS, GROUPS, NOT_COUNTED
from tests.sixtyforty.value.kpis import make_kpi

DAYS, UNITS = 40, 50
WORTH, COST = 10.0, 1.0
KPI = make_kpi(
    measurement="randomized",
    outcome_type="number",
    actions={"none": Action(description=""), "mail": Action(description="", cost=COST)},
    candidates={"always": Candidate(description="always", action="'mail'")},
    treatment=Treatment(column="received", propensity="chance", value_per_outcome=WORTH),
)


@dataclass
class Experiment:
    """Units of DAYS days. `chance`: the probability of the action that was received."""

    mail: NDArray[np.bool_]
    chance: NDArray[np.float64]
    outcome: NDArray[np.float64]
    policy: NDArray[np.bool_]
    current: NDArray[np.bool_]
    predicted: NDArray[np.float64]  # under no mail, under mail
    gain: float


def simulate(seed: int, floor: float = 0.1, bias: float = 0.0) -> Experiment:
    """Return a past experiment. Units with a high x gain from mail, and were mailed more often.

    floor: the smallest probability. bias: the error of the declared probabilities.
    """
    rng = np.random.default_rng(seed)
    x = rng.random((DAYS, UNITS))
    p_mail = floor + (1 - 2 * floor) * x
    mail = rng.random(x.shape) < p_mail + bias
    means = np.stack([0.3 + 0.3 * x, 0.2 + 0.6 * x])
    outcome = (rng.random(x.shape) < np.where(mail, means[1], means[0])).astype(float)
    policy, current = x > 0.5, x > 0.8
    worth = WORTH * (means[1] - means[0]) - COST
    gain = float((worth * (policy.astype(int) - current.astype(int))).mean())
    return Experiment(mail, np.where(mail, p_mail, 1 - p_mail), outcome, policy, current, means - 0.05, gain)


def to_days(world: Experiment) -> list[DailyValue]:
    """Return the money of each day, as the accounts add it up."""

    def name(mail: NDArray[np.bool_]) -> list[str]:
        return np.where(mail, "mail", "none").tolist()

    days = []
    for i in range(DAYS):
        rows = pd.DataFrame(
            {
                "action": name(world.policy[i]),
                "current_action": name(world.current[i]),
                "received": name(world.mail[i]),
                "chance": world.chance[i],
            }
        )
        candidates = {"always": ["mail"] * UNITS}
        sums = sum_values(KPI, rows, world.outcome[i], candidates, world.predicted[:, i])
        days.append(sums.of_partition(str(np.datetime64("2024-01-01") + i)))
    return days


def add_up_quickly(world: Experiment) -> list[DailyValue]:
    """Return the same days as `to_days`, without a candidate."""
    paid = WORTH * world.outcome - COST * world.mail
    expected = WORTH * world.predicted - np.array([0.0, COST])[:, None, None]
    columns = {}
    for name, actions in (("model", world.policy), ("current_process", world.current), ("received", world.mail)):
        weight = (world.mail == actions) / world.chance
        robust = weight * paid + (1 - weight) * np.where(actions, expected[1], expected[0])
        rare = (weight > 20).sum(axis=1).tolist()
        sums = [array.tolist() for array in (weight.sum(axis=1), (weight**2).sum(axis=1), weight.max(axis=1))]
        weights = [PolicyWeights(*parts) for parts in zip(*sums, rare, robust.sum(axis=1).tolist(), strict=True)]
        columns[name] = weights, (weight * paid).sum(axis=1).tolist()
    return [
        DailyValue(
            str(np.datetime64("2024-01-01") + i),
            *(UNITS, columns["model"][1][i], columns["current_process"][1][i], 0.0, 0.0, 0, 0, 0),
            weights={name: weights[i] for name, (weights, _) in columns.items()},
        )
        for i in range(DAYS)
    ]


def oracle(world: Experiment, policy: NDArray[np.bool_]) -> dict[str, tuple[float, float, float]]:
    """Return gain and 95% interval per 1,000 units by method, from the influence function of each unit."""
    paid = WORTH * world.outcome - COST * world.mail
    expected = WORTH * world.predicted - np.array([0.0, COST])[:, None, None]

    def parts(actions: NDArray[np.bool_]) -> list[tuple[float, NDArray[np.float64]]]:
        weight = (world.mail == actions) / world.chance
        thompson = weight * paid
        hajek = float(np.average(paid, weights=weight))
        mu = np.where(actions, expected[1], expected[0])
        robust = mu + weight * (paid - mu)
        return [
            (float(thompson.mean()), thompson - thompson.mean()),
            (hajek, weight * (paid - hajek) / weight.mean()),
            (float(robust.mean()), robust - robust.mean()),
        ]

    results = {}
    methods = ("horvitz_thompson", "hajek", "doubly_robust")
    for method, own, other in zip(methods, parts(policy), parts(world.current), strict=True):
        by_day = (own[1] - other[1]).sum(axis=1)
        error = math.sqrt(DAYS / (DAYS - 1) * float((by_day**2).sum())) / (DAYS * UNITS)
        reach = float(t.ppf(0.975, DAYS - 1)) * error
        gain = own[0] - other[0]
        results[method] = (1000 * gain, 1000 * (gain - reach), 1000 * (gain + reach))
    return results


def check_estimates(estimates: GainEstimates, expected: dict[str, tuple[float, float, float]]) -> None:
    for method, ends in expected.items():
        interval = getattr(estimates, method)
        assert (interval.value, interval.low, interval.high) == pytest.approx(ends, abs=0.006), method


def test_estimates_and_intervals_equal_those_of_the_influence_functions() -> None:
    world = simulate(1)
    days = to_days(world)
    for day, quick in zip(days, add_up_quickly(world), strict=True):
        assert (quick.model, quick.current_process) == pytest.approx((day.model, day.current_process))
        for name, weights in quick.weights.items():
            assert vars(weights) == pytest.approx(vars(day.weights[name]))
    summary = summarize_experiment(KPI, "replay", days)
    assert summary is not None
    check_estimates(summary.model, oracle(world, world.policy))
    check_estimates(summary.candidates["always"], oracle(world, np.ones_like(world.policy)))
    official = measure_gain(KPI, "replay", days)
    assert summary.model.horvitz_thompson.value == round(official.value, 2)
    assert (summary.to_dict()["official"], summary.describe_difference()) == ("horvitz_thompson", "")


def test_the_hajek_gain_is_a_weighted_regression_clustered_by_block() -> None:
    """Each unit is stacked once for each policy with its weight; the coefficient of the policy is the gain."""
    world = simulate(7)
    paid = (WORTH * world.outcome - COST * world.mail).ravel()
    weights = [((world.mail == actions) / world.chance).ravel() for actions in (world.policy, world.current)]
    of_policy = np.repeat([1.0, 0.0], DAYS * UNITS)
    design = np.stack([np.ones_like(of_policy), of_policy], axis=1)
    days = np.tile(np.repeat(np.arange(DAYS), UNITS), 2)
    fit = sm.WLS(np.tile(paid, 2), design, weights=np.concatenate(weights)).fit(
        cov_type="cluster", cov_kwds={"groups": days, "use_correction": False}
    )
    reach = float(t.ppf(0.975, DAYS - 1)) * math.sqrt(DAYS / (DAYS - 1)) * fit.bse[1]
    hajek = estimate_gain(KPI, "replay", add_up_quickly(world), "model").hajek
    ends = 1000 * np.array([fit.params[1], fit.params[1] - reach, fit.params[1] + reach])
    assert (hajek.value, hajek.low, hajek.high) == pytest.approx(tuple(ends), abs=0.006)


def test_the_intervals_cover_the_true_gain() -> None:
    """200 experiments. In 2,000 experiments, 94.2% (Horvitz-Thompson), 94.5% and 94.9% (doubly robust) were covered."""
    covered = dict.fromkeys(("horvitz_thompson", "hajek", "doubly_robust"), 0)
    widths = dict.fromkeys(covered, 0.0)
    runs, different = 200, 0
    for seed in range(runs):
        world = simulate(100 + seed)
        estimates = estimate_gain(KPI, "replay", add_up_quickly(world), "model")
        different += bool(estimates.different)
        for method in covered:
            interval = getattr(estimates, method)
            covered[method] += interval.low <= 1000 * world.gain <= interval.high
            widths[method] += interval.high - interval.low
    assert min(covered.values()) / runs >= 0.9, covered
    assert widths["doubly_robust"] < widths["horvitz_thompson"]
    assert different / runs <= 0.03


def test_wrong_propensities_make_the_estimates_differ() -> None:
    estimates = estimate_gain(KPI, "replay", add_up_quickly(simulate(3, bias=0.2)), "model")
    assert "doubly_robust" in estimates.different
    summary = summarize_experiment(KPI, "replay", add_up_quickly(simulate(3, bias=0.2)))
    assert summary is not None and summary.describe_difference().startswith("The estimates disagree by more than")


def test_the_overlap_is_that_of_kish() -> None:
    world = simulate(4, floor=0.01)
    days = add_up_quickly(world)
    overlap = measure_overlap(days)
    assert overlap is not None
    effective = []
    for actions in (world.policy, world.current):
        weights = 1 / world.chance[world.mail == actions]
        effective.append(len(weights) / (1 + weights.var() / weights.mean() ** 2))  # 1 / (1 + CV²)
    assert overlap.effective_units == pytest.approx(min(effective))
    assert overlap.rare_share == (world.chance < 0.05).mean() > 0
    assert overlap.largest_weight == pytest.approx(1 / world.chance.min())
    assert overlap.units == DAYS * UNITS


def test_too_little_overlap_leaves_no_interval() -> None:
    days = add_up_quickly(simulate(5))
    few = [
        replace(day, weights={p: replace(w, squares=400 * w.squares) for p, w in day.weights.items()}) for day in days
    ]
    problem = find_overlap_problem(KPI, few)
    assert problem.startswith("too little overlap to say: the experiment gave the actions of the decisions taken to ")
    lift = measure_gain(KPI, "replay", few)
    assert math.isnan(lift.low) and lift.problem == problem and not math.isnan(lift.value)
    estimates = estimate_gain(KPI, "replay", few, "model")
    assert {e.low for e in (estimates.horvitz_thompson, estimates.hajek, estimates.doubly_robust)} == {None}
    assert find_overlap_problem(KPI, days) == ""


def test_accounts_without_weights_prove_nothing() -> None:
    old = [replace(day, weights={}) for day in add_up_quickly(simulate(6))]
    assert "isn't known" in require_overlap(KPI, old, measure_gain(KPI, "replay", old)).problem
    assert measure_overlap(old) is None and summarize_experiment(KPI, "replay", old) is None
    exact = make_kpi(actions=KPI.actions)
    assert find_overlap_problem(exact, old) == ""


def test_if_units_recur_only_the_official_estimate_has_an_interval() -> None:
    """The same units recur on all days, so blocks alone would make the intervals too narrow."""
    days, number = to_days(simulate(1)), np.arange(GROUPS) % 10
    shares = np.bincount(number, minlength=GROUPS) / GROUPS
    grouped = [
        replace(
            day,
            unit_groups={
                DECISIONS: (shares * day.decisions).tolist(),
                "model": (shares * day.model).tolist(),
                "current_process": (shares * day.current_process).tolist(),
            },
        )
        for day in days
    ]
    alone, estimates = estimate_gain(KPI, "replay", days, "model"), estimate_gain(KPI, "replay", grouped, "model")
    assert estimates.horvitz_thompson == RoundedInterval.of(measure_gain(KPI, "replay", grouped))
    for method in ("hajek", "doubly_robust"):
        interval, without_groups = getattr(estimates, method), getattr(alone, method)
        assert without_groups.low is not None
        assert (interval.value, interval.low, interval.problem) == (without_groups.value, None, NOT_COUNTED)
