"""Generate holdouts without any effect: units in two arms whose values have the same distribution.

A constant effect would move an interval and its truth by the same amount. So the share of intervals that miss a
difference of 0 is also the share that miss any constant effect.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.coverage.daily_worlds import (
    LOG_DEVIATION,
    PARETO_SHAPE,
    Floats,
    draw_log_normal_units,
    draw_pareto_units,
)

LOOKS = 60
UNITS_A_LOOK = 50
SHARE = 0.1  # share of the units that are held out
SKEWED_DEVIATION = 0.5  # standard deviation of the logarithm of a skewed unit
GREATEST = 200.0  # declared bound of a value
CAMPAIGNS = 12
HOUSEHOLDS = 500
HOUSEHOLD_SHARE = 0.3  # share of the variance of a household's value that returns in each campaign


@dataclass(frozen=True)
class UnitSample:
    """The values of units, shape (runs, looks, units of a look), and whether each unit is held out, same shape.

    In the world of recurring households, position u is the same household at each look. bounds: the declared bounds of
    a value, None if none are declared.
    """

    values: Floats
    held_out: NDArray[np.bool_]
    bounds: tuple[float, float] | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class UnitWorld:
    """A generator of holdouts. name, generator: texts for the page. draw: returns a sample of some runs."""

    name: str
    generator: str
    draw: Callable[[np.random.Generator, int], UnitSample]
    is_recurring: bool = False


def _draw_separate(
    draw_units: Callable[[np.random.Generator, tuple[int, ...]], Floats],
) -> Callable[[np.random.Generator, int], UnitSample]:
    """Return a generator of units that each appear once. Each unit is held out with the probability SHARE."""

    def draw(rng: np.random.Generator, runs: int) -> UnitSample:
        shape = (runs, LOOKS, UNITS_A_LOOK)
        return UnitSample(draw_units(rng, shape), rng.random(shape) < SHARE)

    return draw


def draw_bounded(rng: np.random.Generator, runs: int) -> UnitSample:
    """Draw log-normal values that can't exceed GREATEST, with declared bounds."""
    shape = (runs, LOOKS, UNITS_A_LOOK)
    values = rng.lognormal(0.0, LOG_DEVIATION, shape).clip(max=GREATEST)
    return UnitSample(values, rng.random(shape) < SHARE, bounds=(0.0, GREATEST))


def draw_recurring(rng: np.random.Generator, runs: int) -> UnitSample:
    """Draw households that appear in each campaign, always in the same arm. SHARE of them are held out.

    A value is a one-way random effect of the household with HOUSEHOLD_SHARE of the variance, plus noise.
    """
    own = np.sqrt(HOUSEHOLD_SHARE) * rng.standard_normal((runs, 1, HOUSEHOLDS))
    noise = np.sqrt(1 - HOUSEHOLD_SHARE) * rng.standard_normal((runs, CAMPAIGNS, HOUSEHOLDS))
    held_out = np.broadcast_to(np.arange(HOUSEHOLDS) < SHARE * HOUSEHOLDS, noise.shape)
    return UnitSample(own + noise, held_out)


SEPARATE = f"{LOOKS} days of {UNITS_A_LOOK} units that each appear once."
INDEPENDENT = UnitWorld(
    "independent units",
    f"{SEPARATE} The values are normal.",
    _draw_separate(lambda rng, shape: rng.standard_normal(shape)),
)
RECURRING = UnitWorld(
    "recurring households",
    f"{HOUSEHOLDS} households in each of {CAMPAIGNS} campaigns. {HOUSEHOLD_SHARE:.0%} of the variance belongs to the"
    " household and returns.",
    draw_recurring,
    is_recurring=True,
)
WORLDS = (
    INDEPENDENT,
    RECURRING,
    UnitWorld(
        "skewed, exponential",
        f"{SEPARATE} The values have an exponential distribution.",
        _draw_separate(lambda rng, shape: rng.exponential(1.0, shape)),
    ),
    UnitWorld(
        "skewed, log-normal",
        f"{SEPARATE} The standard deviation of the value's logarithm is {SKEWED_DEVIATION:g}.",
        _draw_separate(lambda rng, shape: rng.lognormal(0.0, SKEWED_DEVIATION, shape)),
    ),
    UnitWorld(
        "heavy tails, log-normal",
        f"{SEPARATE} The standard deviation of the value's logarithm is {LOG_DEVIATION:g}.",
        _draw_separate(draw_log_normal_units),
    ),
    UnitWorld(
        "heavy tails, Pareto",
        f"{SEPARATE} The values have a Pareto distribution with the shape {PARETO_SHAPE}.",
        _draw_separate(draw_pareto_units),
    ),
    UnitWorld(
        "heavy tails, declared bounds",
        f"{SEPARATE} Log-normal as above, but at most {GREATEST:g}. The bounds 0 and {GREATEST:g} are declared.",
        draw_bounded,
    ),
)
