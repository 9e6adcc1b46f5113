"""The least number of observations grows with the square of their skewness."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import skew

from sixtyforty.value.skewness import COCHRAN_FACTOR, needed_observations


def test_the_number_is_that_of_the_unbiased_skewness_without_what_chance_explains() -> None:
    values = np.random.default_rng(1).exponential(1, 500)
    distances = values - values.mean()
    chance = 2 * (6 * 500 * 499 / (498 * 501 * 503)) ** 0.5  # two standard errors for normal values
    expected = COCHRAN_FACTOR * (skew(values, bias=False) - chance) ** 2
    assert needed_observations(500, (distances**2).sum(), (distances**3).sum()) == pytest.approx(expected)
    assert needed_observations(500, (distances**2).sum(), -(distances**3).sum()) == pytest.approx(expected)


def test_equal_values_and_two_values_need_none_and_unknown_cubes_have_no_number() -> None:
    assert needed_observations(50, 0.0, 0.0) == 0
    assert needed_observations(2, 1.0, 1.0) == 0
    assert np.isinf(needed_observations(50, 1.0, np.inf))
    assert needed_observations(np.array([50, 2]), np.ones(2), np.ones(2)).shape == (2,)
