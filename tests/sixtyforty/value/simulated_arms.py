"""Simulated holdouts: two arms of units whose risk is known before the outcome."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sixtyforty.value.experiment import Arm

Floats = NDArray[np.float64]

RUNS = 1000
UNITS = 2000
DAYS, DAILY_UNITS = 60, 50
SHARE = 0.2


def simulate(seed: int, units: int = UNITS, effect: float = 0.0, runs: int = RUNS) -> tuple[Floats, Floats, Floats]:
    """Return who is held out, the values, and the covariate (a known risk of losing 10), each (runs, units).

    The model acts on the greater risks. The savings beyond its costs are worth `effect` a unit, over all units.
    """
    rng = np.random.default_rng(seed)
    held, risk = rng.random((runs, units)) < SHARE, rng.beta(0.6, 1.4, (runs, units))
    late, acts = rng.random((runs, units)) < risk, risk > 0.3
    return held, -10.0 * late + ~held * acts * effect / acts.mean(), risk


def make_arms(held: Floats, value: Floats, covariate: Floats | None = None, looks: int = 1) -> tuple[Arm, Arm]:
    """Return both arms after each of some evenly spread looks; the leading axes are runs and looks."""
    x = np.zeros_like(value) if covariate is None else covariate
    pair = []
    for in_arm in (~held, held):
        columns = (np.ones_like(value), value, x, value**2, value * x, x**2, value**3)
        sums = np.stack([(c * in_arm).reshape(len(value), looks, -1).sum(-1).cumsum(-1) for c in columns], -1)
        pair.append(Arm.from_unit_sums(sums[:, :, None, :]))
    return pair[0], pair[1]


def is_outside(interval: tuple[Floats, Floats], truth: float = 0.0) -> Floats:
    """Return whether the true effect lies outside of each interval."""
    return (interval[0] > truth) | (interval[1] < truth)
