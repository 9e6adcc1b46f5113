"""Estimates and standard errors equal those of independent libraries: statsmodels and tea-tasting."""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import tea_tasting as tt
from statsmodels.stats.sandwich_covariance import cov_cluster_2groups

from sixtyforty.value.blocks import Blocks
from sixtyforty.value.experiment import Arm, Effect, compare_arms
from sixtyforty.value.lift import estimate_ratio
from sixtyforty.value.unit_groups import GROUPS, GroupedSums

BLOCKS, BLOCK_DAYS = 17, 14
DAYS = BLOCKS * BLOCK_DAYS

Arms = tuple[pd.DataFrame, pd.DataFrame]


def make_arm(seed: int, clusters: int, effect: float = 0.0) -> pd.DataFrame:
    """Return one row per cluster: the sums of its units, value and covariate, as in an arm of households."""
    rng = np.random.default_rng(seed)
    units = rng.integers(1, 9, clusters)
    covariate = units * rng.gamma(2.0, 3.0, clusters)
    value = 2.0 * covariate + units * (effect + rng.normal(0, 4, clusters))
    return pd.DataFrame({"units": units.astype(float), "value": value, "covariate": covariate})


def compare_clusters(arms: Arms, covariate: bool = True) -> Effect:
    sums = [arm[["units", "value", "covariate"]].to_numpy() * [1, 1, covariate] for arm in arms]
    return compare_arms(*(Arm.from_cluster_sums(of_arm[:, None, :]) for of_arm in sums))


def analyze(arms: Arms, metric: tt.Mean | tt.RatioOfMeans) -> tuple[float, float, float]:
    """Return tea-tasting's effect, with its 95% confidence interval by Welch's t. The first arm is the model's."""
    data = pd.concat([arms[1].assign(variant=0), arms[0].assign(variant=1)], ignore_index=True)
    estimate = tt.Experiment(metric=metric).analyze(data)["metric"]
    return estimate.effect_size, estimate.effect_size_ci_lower, estimate.effect_size_ci_upper


def with_interval(effect: Effect) -> tuple[float, float, float]:
    return float(effect.value), *(float(end) for end in effect.single_look_interval())


@pytest.fixture(params=[(1, 60, 45), (2, 400, 40)])
def arms(request: pytest.FixtureRequest) -> Arms:
    seed, model, current = request.param
    return make_arm(seed, model, effect=1.5), make_arm(seed + 100, current)


@pytest.mark.parametrize("seed", range(5))
def test_a_lift_is_a_weighted_regression_clustered_by_block(seed: int) -> None:
    """The ratio of sums is the mean of daily means, weighted by the days' counts (statsmodels: WLS on a constant)."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(50, 400, DAYS)
    totals = counts * (3 + rng.normal(0, 2, BLOCKS).repeat(BLOCK_DAYS) + rng.normal(0, 4, DAYS))
    partitions = [str(date(2024, 1, 1) + timedelta(days=number)) for number in range(DAYS)]
    fit = sm.WLS(totals / counts, np.ones(DAYS), weights=counts).fit(
        cov_type="cluster", cov_kwds={"groups": np.arange(DAYS) // BLOCK_DAYS}, use_t=True
    )
    blocks = Blocks.of(partitions, totals, counts, BLOCK_DAYS)
    assert (blocks.ratio, blocks.error) == pytest.approx((fit.params[0], fit.bse[0]), rel=1e-9)
    lift = estimate_ratio(partitions, totals, counts, block_days=BLOCK_DAYS)
    assert (lift.low, lift.high) == pytest.approx(tuple(1000 * fit.conf_int()[0]), rel=1e-9)


def test_a_ratio_metric_is_that_of_the_delta_method(arms: Arms) -> None:
    expected = analyze(arms, tt.RatioOfMeans("value", "units", equal_var=False, use_t=True))
    assert with_interval(compare_clusters(arms, covariate=False)) == pytest.approx(expected, rel=1e-9)


def test_single_units_have_welchs_interval(arms: Arms) -> None:
    single = arms[0].assign(units=1.0), arms[1].assign(units=1.0)
    expected = analyze(single, tt.Mean("value", equal_var=False, use_t=True))
    assert with_interval(compare_clusters(single, covariate=False)) == pytest.approx(expected, rel=1e-9)


def test_the_slope_is_that_of_a_regression_on_both_arms(arms: Arms) -> None:
    """The slope with the smallest error regresses the arms' residuals, weighted by the arms' precision (WLS)."""
    parts = []
    for arm in arms:
        means = arm.sum() / arm["units"].sum()
        residuals = arm[["value", "covariate"]] - np.outer(arm["units"], means[["value", "covariate"]])
        drawn = len(arm)
        parts.append(residuals.assign(weight=drawn / (drawn - 1) / arm["units"].sum() ** 2))
    rows = pd.concat(parts)
    fit = sm.WLS(rows["value"], rows["covariate"], weights=rows["weight"]).fit()
    assert float(compare_clusters(arms).slope) == pytest.approx(fit.params["covariate"], rel=1e-9)


def test_cuped_is_the_ratio_of_values_less_slope_times_covariate(arms: Arms) -> None:
    effect = compare_clusters(arms)
    first, second = (arm.assign(value=arm["value"] - float(effect.slope) * arm["covariate"]) for arm in arms)
    expected = analyze((first, second), tt.RatioOfMeans("value", "units", equal_var=False, use_t=True))
    assert with_interval(effect) == pytest.approx(expected, rel=1e-9)


def test_cuped_differs_little_from_tea_tastings_slope() -> None:
    """tea-tasting takes the slope of both arms as one sample, ours has the smallest error: both are consistent."""
    arms = make_arm(3, 4000, effect=1.5), make_arm(4, 4000)
    effect = compare_clusters(arms)
    metric = tt.RatioOfMeans("value", "units", "covariate", "covariate_units", equal_var=False, use_t=True)
    first, second = (arm.assign(covariate_units=arm["units"]) for arm in arms)  # the four names must differ
    value, low, high = analyze((first, second), metric)
    ours = with_interval(effect)
    assert abs(ours[0] - value) < 0.02 * float(effect.error)
    assert ours[2] - ours[1] == pytest.approx(high - low, rel=1e-3)


def test_strata_are_a_regression_on_the_strata_clustered_by_unit() -> None:
    """Each arm's mean over strata is a linear combination of OLS coefficients with cluster-robust errors."""
    rng = np.random.default_rng(6)
    clusters, strata = 50, 3
    values = [rng.normal(mean, 3, (clusters, strata)) + rng.normal(0, 2, (clusters, 1)) for mean in (4.0, 2.0)]
    shown = [rng.random((clusters, strata)) < 0.7 for _ in values]
    stacked = [np.stack([s, v * s, 0 * v], -1) for v, s in zip(values, shown, strict=True)]
    effect = compare_arms(*(Arm.from_cluster_sums(of_arm) for of_arm in stacked))
    weight = shown[0].sum(0) / shown[0].sum()
    means, variances = [], []
    for value, is_shown in zip(values, shown, strict=True):
        cluster, stratum = np.nonzero(is_shown)
        design = np.eye(strata)[stratum]
        fit = sm.OLS(value[is_shown], design).fit(
            cov_type="cluster", cov_kwds={"groups": cluster, "use_correction": False}
        )
        means.append(weight @ fit.params)
        drawn = clusters / (clusters - 1)  # the correction for few clusters, without that for the strata
        variances.append(drawn * weight @ fit.cov_params() @ weight)
    assert float(effect.value) == pytest.approx(means[0] - means[1], rel=1e-9)
    assert float(effect.error) == pytest.approx(np.sqrt(sum(variances)), rel=1e-9)


def test_the_error_for_units_that_recur_is_the_two_way_clustered_one_of_statsmodels() -> None:
    rng = np.random.default_rng(11)
    campaigns = 13
    money = rng.normal(size=GROUPS) + rng.normal(size=(campaigns, 1)) / 4 + rng.normal(size=(campaigns, GROUPS))
    model = sm.OLS(money.ravel(), np.ones(money.size)).fit()
    by_campaign, by_group = np.repeat(np.arange(campaigns), GROUPS), np.tile(np.arange(GROUPS), campaigns)
    variances = [float(part[0, 0]) for part in cov_cluster_2groups(model, by_campaign, by_group)]
    days = [str(date(2024, 1, 1) + timedelta(days=28 * number)) for number in range(campaigns)]
    grouped = GroupedSums(money, np.ones_like(money))
    blocks = Blocks.of(days, money.sum(1), [GROUPS] * campaigns, groups=grouped)
    assert blocks.error == pytest.approx(math.sqrt(max(variances)))
