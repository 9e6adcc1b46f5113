"""Predict the gain of a future period from past blocks, shrunk because a model is chosen for its good past.

A model is promoted when its past looks good, so the mean of its past is too high on average. A Bayesian prediction
under a prior that doesn't depend on the choice needs no correction for it: neither for the number of looks, nor for the
number of recipes. The prior: a share NULL_SHARE of recipes has no effect. The effects of the others have a Cauchy
distribution around 0 with the scale EFFECT_SCALE, in standard deviations of a block's gain. Small effects are shrunk
most, and strong effects hardly, because a Cauchy distribution has heavy tails. With this scale, the mean forecast at
promotion is near the mean effect in the worlds of `bench/coverage`. The page `docs/concepts/interval-coverage.md` shows
by how much gains of several sizes are shrunk.

Sources:

- The prior: Rouder, Speckman, Sun, Morey & Iverson (2009), "Bayesian t tests for accepting and rejecting the null
  hypothesis", Psychonomic Bulletin & Review 16(2). Our scale is smaller than theirs of 1, and it refers to the observed
  standard deviation.
- Why a choice needs no correction: Dawid (1994), "Selection paradoxes of Bayesian inference", IMS Lecture Notes 24.
- The own gain of units that recur: Robinson (1991), "That BLUP is a good thing", Statistical Science 6(1).
- The prediction under a prior: Gelman et al. (2013), Bayesian Data Analysis, section 3.2. Without the prior, the
  interval is that of Hahn & Meeker (1991), Statistical Intervals, section 4.7.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NULL_SHARE = 0.5
EFFECT_SCALE = 0.135
GRID_REACH = 8.0  # the grid of effects ends sinh(8) = 1,490 scales away from its center
GRID_POINTS = 201
NEGLIGIBLE = 1e-9  # effects that are less probable are left out


def predict_shrunk(
    mean: float,
    error: float,
    blocks: int,
    period_blocks: float,
    confidence: float,
    *,
    freedom: float | None = None,
    persistent_share: float = 0.0,
    null_share: float = NULL_SHARE,
    effect_scale: float = EFFECT_SCALE,
) -> tuple[float, float, float]:
    """Return the expected gain of a future period, and the ends of its two-sided prediction interval.

    - mean, error: the mean gain of the past blocks and its standard error. All gains have the same unit.
    - blocks: the number of past blocks, at least 2. period_blocks: the length of the future period, in past blocks.
    - freedom: the degrees of freedom of `error`; None for blocks - 1.
    - persistent_share: see `Blocks`. null_share, effect_scale: see the module.

    The gain is normal, and its standard deviation has the prior 1 / sigma. For an effect m, the likelihood of the past
    is Student's t with blocks - 1 degrees of freedom. The gain of the period is then m plus Student's t with `blocks`
    degrees of freedom, times the standard deviation around m of the past blocks / sqrt(period_blocks). Effects are
    added up on a grid.

    Units that recur have a gain of their own, which the past blocks share and the future period has again. It is
    predicted as the share persistent_share of the distance from m to the mean.
    """
    import numpy as np
    from scipy.optimize import brentq
    from scipy.special import stdtr, stdtrit

    if not error > 0:
        return mean, mean, mean
    distance = mean / error  # from here on, the unit is the standard error
    own, renewed = persistent_share, 1 - persistent_share
    scale = effect_scale * math.sqrt(blocks * renewed)
    effects, weights = _weigh_effects(distance, freedom or blocks - 1, null_share, scale)
    centers = effects + own * (distance - effects)
    spread = blocks - 1 + own + renewed * (distance - effects) ** 2
    scales = np.sqrt(renewed * (spread / period_blocks + own))

    def quantile(share: float) -> float:
        of_effects = centers + stdtrit(blocks, share) * scales
        least, greatest = float(of_effects.min()), float(of_effects.max())
        return float(brentq(lambda end: weights @ stdtr(blocks, (end - centers) / scales) - share, least, greatest))

    center, low, high = float(weights @ centers), quantile((1 - confidence) / 2), quantile((1 + confidence) / 2)
    return error * center, error * low, error * high


def shrink_mean(mean: float, error: float, blocks: int, confidence: float) -> tuple[float, float, float]:
    """Return the expected effect after the past, and the ends of its two-sided interval.

    mean, error: the mean gain of the past blocks and its standard error, in one unit. blocks: the number of past
    blocks, at least 2. Under the prior of the module, the result needs no correction for how the past was chosen. The
    ends are rounded outward to the grid of effects.
    """
    import numpy as np

    if not error > 0:
        return mean, mean, mean
    effects, weights = _weigh_effects(mean / error, blocks, NULL_SHARE, EFFECT_SCALE)
    expected = float(weights @ effects / weights.sum())
    order, tail = np.argsort(effects), (1 - confidence) / 2
    ascending, shares = effects[order], np.cumsum(weights[order]) / weights.sum()
    low = ascending[max(int(np.searchsorted(shares, tail)) - 1, 0)]
    high = ascending[min(int(np.searchsorted(shares, 1 - tail)) + 1, len(ascending) - 1)]
    return error * expected, error * float(low), error * float(high)


def _weigh_effects(
    distance: float, freedom: float, null_share: float, scale: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return effects in standard errors, and the probability of each after the past: both of shape (effects,).

    distance: the mean of the past, in standard errors. freedom: the degrees of freedom of the standard error. scale:
    the scale of the prior, in standard errors. The first effect is 0. The others are dense around 0 and around the
    mean, where the prior and the likelihood are large.
    """
    import numpy as np
    from scipy.stats import cauchy, t

    steps = np.sinh(np.linspace(-GRID_REACH, GRID_REACH, GRID_POINTS))
    effects = np.unique(np.concatenate([scale * steps, distance + steps]))
    widths = np.gradient(effects)
    prior = (1 - null_share) * cauchy.pdf(effects, scale=scale) * widths
    weights = np.append(null_share, prior) * t.pdf(distance - np.append(0.0, effects), freedom)
    weights /= weights.sum()
    matters = weights > NEGLIGIBLE
    return np.append(0.0, effects)[matters], weights[matters]
