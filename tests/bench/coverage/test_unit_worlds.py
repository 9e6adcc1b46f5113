"""Each holdout has no effect, and the shares and the returning households that the page states."""

from __future__ import annotations

import numpy as np
import pytest

from bench.coverage.unit_worlds import (
    CAMPAIGNS,
    HOUSEHOLD_SHARE,
    HOUSEHOLDS,
    LOOKS,
    RECURRING,
    SHARE,
    UNITS_A_LOOK,
    WORLDS,
    UnitWorld,
)


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_the_arms_differ_only_by_chance(world: UnitWorld) -> None:
    sample = world.draw(np.random.default_rng(1), 300)
    held_out = sample.held_out
    differences = [
        values[~held].mean() - values[held].mean() for values, held in zip(sample.values, held_out, strict=True)
    ]
    assert abs(np.mean(differences)) < 4 * np.std(differences) / np.sqrt(len(differences))
    assert held_out.mean() == pytest.approx(SHARE, abs=0.003)


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_a_sample_has_the_stated_shape(world: UnitWorld) -> None:
    sample = world.draw(np.random.default_rng(2), 3)
    expected = (3, CAMPAIGNS, HOUSEHOLDS) if world.is_recurring else (3, LOOKS, UNITS_A_LOOK)
    assert sample.values.shape == sample.held_out.shape == expected


def test_a_household_stays_in_its_arm_and_keeps_a_part_of_its_value() -> None:
    sample = RECURRING.draw(np.random.default_rng(3), 100)
    assert (sample.held_out == sample.held_out[:, :1]).all()
    first, last = sample.values[:, 0].ravel(), sample.values[:, -1].ravel()
    assert np.corrcoef(first, last)[0, 1] == pytest.approx(HOUSEHOLD_SHARE, abs=0.02)
