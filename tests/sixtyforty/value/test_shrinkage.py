"""Shrunk predictions: equal to other formulas where these exist, and right on average under their own prior."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import cauchy, t

from sixtyforty.value.shrinkage import EFFECT_SCALE, NULL_SHARE, predict_shrunk

DISTANCES = st.floats(0, 30)
BLOCKS = st.integers(8, 60)


@pytest.mark.parametrize(("distance", "blocks", "period_blocks"), [(0.0, 8, 2.0), (5.0, 8, 2.1), (-3.0, 26, 1.0)])
def test_without_a_prior_the_interval_is_that_of_hahn_and_meeker(
    distance: float, blocks: int, period_blocks: float
) -> None:
    half = t.ppf(0.95, blocks - 1) * math.sqrt(1 + blocks / period_blocks)
    prediction = predict_shrunk(distance, 1.0, blocks, period_blocks, 0.9, null_share=0.0, effect_scale=1e5)
    assert prediction == pytest.approx((distance, distance - half, distance + half), abs=1e-3)


@pytest.mark.parametrize(("distance", "blocks"), [(0.5, 8), (3.0, 8), (5.0, 13), (-4.0, 26)])
def test_the_expected_gain_equals_an_adaptive_integral(distance: float, blocks: int) -> None:
    scale = EFFECT_SCALE * math.sqrt(blocks)

    def density(effect: float) -> float:
        return float(cauchy.pdf(effect, scale=scale) * t.pdf(distance - effect, blocks - 1))

    options = {"points": [0.0, distance], "limit": 500}
    mass, moment = quad(density, -60, 60, **options)[0], quad(lambda m: m * density(m), -60, 60, **options)[0]
    null = NULL_SHARE * t.pdf(distance, blocks - 1)
    expected = (1 - NULL_SHARE) * moment / (null + (1 - NULL_SHARE) * mass)
    assert predict_shrunk(distance, 1.0, blocks, 2.0, 0.9)[0] == pytest.approx(expected, rel=2e-3, abs=1e-3)


@given(DISTANCES, BLOCKS, st.floats(0.01, 1000))
def test_a_loss_mirrors_a_gain_and_the_unit_does_not_matter(distance: float, blocks: int, unit: float) -> None:
    gain = predict_shrunk(distance, 1.0, blocks, 2.0, 0.9)
    loss = predict_shrunk(-distance * unit, unit, blocks, 2.0, 0.9)
    mirrored = (-unit * gain[0], -unit * gain[2], -unit * gain[1])
    assert loss == pytest.approx(mirrored, rel=1e-3, abs=1e-3 * unit)


@given(DISTANCES, BLOCKS)
def test_a_gain_is_shrunk_toward_zero_and_a_larger_gain_stays_larger(distance: float, blocks: int) -> None:
    center, low, high = predict_shrunk(distance, 1.0, blocks, 2.0, 0.9)
    assert -1e-9 <= center <= distance + 1e-9
    assert low < center < high
    assert predict_shrunk(distance + 0.5, 1.0, blocks, 2.0, 0.9)[0] > center


@given(BLOCKS)
def test_the_more_standard_errors_the_less_is_shrunk(blocks: int) -> None:
    kept = [predict_shrunk(distance, 1.0, blocks, 2.0, 0.9)[0] / distance for distance in (2.0, 4.0, 8.0, 16.0)]
    assert kept == sorted(kept)
    assert kept[-1] > 0.98


def test_a_gain_that_never_varies_is_its_own_prediction() -> None:
    assert predict_shrunk(3.0, 0.0, 8, 2.0, 0.9) == (3.0, 3.0, 3.0)


def test_recipes_chosen_for_their_past_keep_what_is_forecast_under_the_prior() -> None:
    """Of 20 recipes, the one with the best past is chosen. Its forecast is right on average, its past too good."""
    rng, blocks, recipes, period_blocks = np.random.default_rng(1), 20, 20, 2
    forecasts, pasts, months, inside = [], [], [], 0
    for _ in range(1000):
        effects = np.where(rng.random(recipes) < NULL_SHARE, 0.0, EFFECT_SCALE * rng.standard_cauchy(recipes))
        past = effects[:, None] + rng.standard_normal((recipes, blocks))
        means, errors = past.mean(1), past.std(1, ddof=1) / math.sqrt(blocks)
        best = int(np.argmax(means / errors))
        center, low, high = predict_shrunk(means[best], errors[best], blocks, period_blocks, 0.9)
        month = rng.normal(effects[best], 1 / math.sqrt(period_blocks))
        inside += low <= month <= high
        if center < 2:  # few strong effects would hide the others
            forecasts.append(center)
            pasts.append(means[best])
            months.append(effects[best])
    assert np.mean(forecasts) == pytest.approx(np.mean(months), rel=0.1)
    assert np.mean(pasts) > 1.15 * np.mean(months)
    assert 0.86 <= inside / 1000 <= 0.94
