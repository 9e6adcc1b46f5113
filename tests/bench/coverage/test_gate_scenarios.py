"""The years of the gate have the prior and the refreshes that the page states."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from bench.coverage.daily_worlds import INDEPENDENT
from bench.coverage.figures import Figure
from bench.coverage.gate_scenarios import (
    GREATEST_EFFECT,
    LEAST_EFFECT,
    LOOKS,
    RETRAIN_DAYS,
    count_compared_days,
    draw_effects,
    measure_null_promotions,
    measure_refreshes,
)
from bench.coverage.methods import METHODS, Promotions, Refresh


def test_half_of_the_prior_is_without_effect() -> None:
    effects = draw_effects(np.random.default_rng(1), 1000)
    with_effect = effects[effects != 0]
    assert len(with_effect) == 500
    assert LEAST_EFFECT <= with_effect.min() < with_effect.max() <= GREATEST_EFFECT


def test_scrambled_twins_lose_the_gain_and_equal_ones_keep_it(monkeypatch: pytest.MonkeyPatch) -> None:
    losses: list[float] = []

    class Recorder:
        """A gate that records what it could see."""

        def passes_refresh(self, refresh: Refresh) -> bool:
            losses.append(float((refresh.champion - refresh.twin).mean()))
            return True

    monkeypatch.setattr("bench.coverage.gate_scenarios.METHODS", Recorder())
    figures: Sequence[Figure] = measure_refreshes(INDEPENDENT, "nightly", np.random.default_rng(2), 400)
    assert np.mean(losses[:400]) == pytest.approx(0, abs=0.02)
    assert np.mean(losses[400:]) == pytest.approx(0.5, abs=0.04)
    assert [figure.hits for figure in figures] == [400, 0]


def test_twin_and_champion_are_valued_on_two_weeks_or_more_however_often_models_are_trained() -> None:
    assert [count_compared_days(days) for days in RETRAIN_DAYS.values()] == [30, 21, 16]


def test_the_gate_needs_a_proven_gain_for_a_first_promotion() -> None:
    gains = np.stack([np.full((1, 150), -1.0), np.full((1, 150), 1.0)]) + np.sin(np.arange(150))
    assert METHODS.first_promotions(gains, [30, 150]).recipe.tolist() == [-1, 0]


def test_a_year_with_several_recipes_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Recorder:
        """A gate that promotes the second recipe in the first year only."""

        def first_promotions(self, gains: np.ndarray, looks: Sequence[int], **_: object) -> Promotions:
            assert gains.shape == (3, 5, 365)
            assert looks == LOOKS["monthly"]
            forecast = np.array([0.1, np.nan, np.nan])
            return Promotions(np.array([1, -1, -1]), np.array([150, -1, -1]), forecast, forecast, forecast)

    monkeypatch.setattr("bench.coverage.gate_scenarios.METHODS", Recorder())
    figures = measure_null_promotions(INDEPENDENT, 5, "monthly", np.random.default_rng(3), 3)
    assert figures == [Figure("null", "5 recipes, monthly, independent days", 1, 3, 3)]
