"""Simulate years of the gate: recipes without an effect, refreshes, and the forecasts given at promotions."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import numpy as np

from bench.coverage.daily_worlds import CAMPAIGN_DAYS, YEAR, DailyWorld, Floats
from bench.coverage.figures import Figure, ForecastBias
from bench.coverage.methods import FIRST_DAY, METHODS, Refresh
from sixtyforty.modeling.refresh_twin import list_candidates, list_days_near
from sixtyforty.spec.wording import format_plural
from sixtyforty.value.unit_groups import GroupedSums

Schedule = Literal["monthly", "nightly", "each campaign"]
MONTH = 30
LOOKS = {  # the numbers of partitions at which the gate looks
    "monthly": range(MONTH, YEAR + 1, MONTH),
    "nightly": range(MONTH, YEAR + 1),
    "each campaign": range(2, YEAR // CAMPAIGN_DAYS + 1),
}
RETRAIN_DAYS = {"monthly": MONTH, "weekly": 7, "nightly": 1}
PROVEN_GAIN = 0.5  # the gain of a champion's recipe, in standard deviations of a day
HISTORY = 180  # days of the walk-forward backtest before a refresh
EQUAL_DEVIATION = 0.2  # standard deviation of the daily difference between two equal models
SCRAMBLED_DEVIATION = 0.5  # the same for a model with scrambled features, which loses PROVEN_GAIN
LEAST_EFFECT, GREATEST_EFFECT = 0.05, 0.25  # the half of the prior with an effect is uniform between these


def measure_null_promotions(
    world: DailyWorld, recipes: int, schedule: Schedule, rng: np.random.Generator, runs: int
) -> list[Figure]:
    """Return in how many years at least one of some independent recipes without an effect is promoted.

    The gate first looks after MONTH days of the walk-forward backtest, or after two campaigns.
    """
    looks, partitions = LOOKS[schedule], YEAR // world.partition_days
    sample = world.draw(rng, runs * recipes, partitions)
    gains = sample.gains.reshape(runs, recipes, partitions)

    def group_days(run: int, recipe: int, look: int) -> GroupedSums | None:
        return sample.group_days(run * recipes + recipe, look)

    promotions = METHODS.first_promotions(gains, looks, partition_days=world.partition_days, group_days=group_days)
    promoted = int((promotions.recipe >= 0).sum())
    row = f"{format_plural(recipes, 'recipe')}, {schedule}, {world.name}"
    return [Figure("null", row, promoted, runs, runs)]


def count_compared_days(retrain_days: int) -> int:
    """Return on how many days a refresh's twin is valued, if each model of the last HISTORY days was promoted.

    retrain_days: the number of days from one retraining to the next, at most MONTH. Then a stored model is the twin.
    """
    end = FIRST_DAY + timedelta(days=HISTORY)
    first_days = [end - timedelta(days=age) for age in range(retrain_days, HISTORY, retrain_days)]
    stored = [
        day
        for position, middle in list_candidates(first_days, end)
        for day in list_days_near(first_days[position], middle, end)
        if day in first_days
    ]
    return (end - stored[0]).days


def measure_refreshes(world: DailyWorld, retraining: str, rng: np.random.Generator, runs: int) -> list[Figure]:
    """Return how many equal refreshes pass, and how many refreshes with scrambled features are refused.

    retraining: a key of RETRAIN_DAYS.
    """
    gains = PROVEN_GAIN + world.draw(rng, runs, HISTORY).gains
    half = gains[:, HISTORY - count_compared_days(RETRAIN_DAYS[retraining]) :]
    equal = half + EQUAL_DEVIATION * rng.standard_normal(half.shape)
    scrambled = half - PROVEN_GAIN + SCRAMBLED_DEVIATION * rng.standard_normal(half.shape)
    passed, refused = _count_passes(gains, half, equal), runs - _count_passes(gains, half, scrambled)
    row = f"{retraining}, {world.name}"
    return [Figure("equal", row, passed, runs, runs), Figure("scrambled", row, refused, runs, runs)]


def _count_passes(gains: Floats, champions: Floats, twins: Floats) -> int:
    return sum(METHODS.passes_refresh(Refresh(*parts)) for parts in zip(gains, champions, twins, strict=True))


def draw_effects(rng: np.random.Generator, runs: int) -> Floats:
    """Draw true effects from the prior: half are 0, half are uniform. Unit: standard deviations of a day."""
    effects = rng.uniform(LEAST_EFFECT, GREATEST_EFFECT, runs)
    return np.where(np.arange(runs) % 2 == 0, 0.0, effects)


def measure_bias(world: DailyWorld, rng: np.random.Generator, runs: int) -> list[ForecastBias]:
    """Return the mean forecast at the first promotion, and the mean true effect of the promoted recipes.

    Return, too, in how many runs the next month is inside the forecast. One recipe is tried a year, with a look each
    month.
    """
    effects = draw_effects(rng, runs)
    gains = effects[:, None] + world.draw(rng, runs, YEAR + MONTH).gains
    promotions = METHODS.first_promotions(gains[:, None, :YEAR], LOOKS["monthly"])
    promoted = promotions.recipe >= 0
    forecasts, truths = promotions.forecast[promoted], effects[promoted]
    spread = float(np.std(forecasts - truths, ddof=1)) if promoted.sum() > 1 else 0.0
    forecast, effect = (float(numbers.mean()) if len(numbers) else 0.0 for numbers in (forecasts, truths))
    looks = np.where(promoted, promotions.look, 0)
    months = np.array([days[look : look + MONTH].mean() for days, look in zip(gains, looks, strict=True)])
    inside = int((promoted & (promotions.low <= months) & (months <= promotions.high)).sum())
    return [ForecastBias(world.name, forecast, effect, spread, inside, int(promoted.sum()), runs)]
