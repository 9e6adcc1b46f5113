"""The sequence of a bounded mean agrees with the authors' program, and holds for extreme values."""

from __future__ import annotations

import numpy as np
import pytest

from sixtyforty.value.bounded_mean import bounded_reach, stitched_boundary


def test_the_boundary_is_that_of_the_authors() -> None:
    """The figure is from the unit tests of their library confseq: poly_stitching_bound(100, 0.05, 10, 3)."""
    assert stitched_boundary(100.0, 0.05, least=10.0, scale=3.0) == pytest.approx(64.48755, abs=1e-5)


def test_the_interval_scales_with_the_currency_and_shrinks_with_the_number() -> None:
    cents, dollars = bounded_reach(400, 300, 900, (0, 50), 0.05), bounded_reach(400, 3, 0.09, (0, 0.5), 0.05)
    assert cents == pytest.approx(100 * dollars)
    assert bounded_reach(4000, 3000, 9000, (0, 50), 0.05) < cents / 2


def test_values_far_from_zero_are_predicted_by_the_nearest_bound() -> None:
    near = bounded_reach(400, 300.0, 900.0, (0, 50), 0.05)
    far = bounded_reach(400, 300 + 400 * 1e3, 900 + 2e3 * 300 + 400 * 1e6, (1000, 1050), 0.05)
    assert far == pytest.approx(near)


def test_rare_extreme_values_are_covered_at_every_look() -> None:
    """One value in 200 is 1, and the others are 0: in most runs, none occurs among the first hundred."""
    values = (np.random.default_rng(3).random((400, 1000)) < 0.005).astype(float)
    number, total = np.arange(1, 1001), values.cumsum(1)
    misses = np.abs(total / number - 0.005) > bounded_reach(number, total, total, (0.0, 1.0), 0.05)
    assert misses.any(1).mean() <= 0.05
