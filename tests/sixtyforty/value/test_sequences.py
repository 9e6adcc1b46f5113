"""Confidence sequences: their width, and their error over many looks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from sixtyforty.value.sequences import sequence_reach, sequence_rho


def test_a_sequence_is_narrowest_at_the_planned_number() -> None:
    observed = np.arange(1, 200)
    assert observed[sequence_reach(observed, 1e9, 50).argmin()] == 50


def test_with_a_known_error_the_reach_is_that_of_the_paper() -> None:
    scaled = 50 * sequence_rho(50) ** 2
    expected = math.sqrt((1 + 1 / scaled) * math.log((scaled + 1) / 0.05**2))
    assert float(sequence_reach(50, 1e9, 50)) == pytest.approx(expected, rel=1e-3)
    assert expected > norm.ppf(0.975)


@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_looks_at_each_block_rarely_miss_the_truth(confidence: float) -> None:
    rng = np.random.default_rng(5)
    gains = rng.normal(0, 1, (4000, 40))
    number = np.arange(1, 41)
    mean = gains.cumsum(1) / number
    variance = ((gains**2).cumsum(1) - number * mean**2) / np.maximum(number - 1, 1)
    looks = slice(7, None)  # from eight blocks on
    reach = sequence_reach(number[looks], number[looks] - 1, 13, confidence)
    misses = np.abs(mean[:, looks]) > reach * np.sqrt(variance[:, looks] / number[looks])
    assert misses.any(1).mean() <= 1 - confidence
