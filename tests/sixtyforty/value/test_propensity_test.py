"""Right propensities raise no alarm, however often anybody looks; wrong ones are named."""

from __future__ import annotations

import numpy as np
import pytest

from sixtyforty.value.propensity_test import (
    MINIMUM_RECEIVED,
    PLANNED_UNITS,
    ActionWeights,
    WeighedUnits,
    describe_uncalibrated,
)
from sixtyforty.value.sequences import sequence_reach
from sixtyforty.value.share_test import LEVEL


def weigh(mail: np.ndarray, chance: np.ndarray, stratum: str = "overall") -> WeighedUnits:
    """Return the weights of the units. chance: the declared probability of mail."""
    weights = np.where(mail, 1 / chance, 1 / (1 - chance))
    actions = {}
    for name, received in (("mail", mail), ("none", ~mail)):
        w = weights[received]
        actions[name] = ActionWeights(len(w), float(w.sum()), float((w**2).sum()))
    return WeighedUnits(stratum, len(mail), actions)


def test_the_deviation_is_that_of_a_mean_of_weighted_indicators() -> None:
    rng = np.random.default_rng(1)
    chance = rng.uniform(0.1, 0.9, 400)
    mail = rng.random(400) < chance
    numbers = mail / chance
    expected = (numbers.mean() - 1) / (numbers.std(ddof=1) / np.sqrt(400))
    assert weigh(mail, chance).actions["mail"].deviation(400) == pytest.approx(expected)


def test_daily_looks_at_right_propensities_raise_no_alarm() -> None:
    """2,000 experiments of 200 looks, two actions each: at most 1 in 1,000 may ever be refused."""
    rng, looks = np.random.default_rng(2), np.arange(100, 4001, 20)
    reach = sequence_reach(looks, looks / 2, PLANNED_UNITS, 1 - LEVEL / 2)
    chance = rng.uniform(0.1, 0.9, (2000, 4000))
    mail = rng.random((2000, 4000)) < chance
    ever = np.zeros(2000, bool)
    for received, p in ((mail, chance), (~mail, 1 - chance)):
        total, squares = ((received / p**power).cumsum(axis=1)[:, looks - 1] for power in (1, 2))
        error = np.sqrt(looks / (looks - 1) * (squares - total**2 / looks))
        ever |= (np.abs(total - looks) > reach * error).any(axis=1)
    assert ever.mean() <= 2 * LEVEL
    example = weigh(mail[0], chance[0])
    assert example.actions["mail"].deviation(4000) == pytest.approx(
        ((mail[0] / chance[0]).sum() - 4000) / np.sqrt(4000 * (mail[0] / chance[0]).var(ddof=1))
    )
    assert not example.uncalibrated(LEVEL)


@pytest.mark.parametrize("error", [0.15, -0.15])
def test_wrong_propensities_are_named(error: float) -> None:
    rng = np.random.default_rng(3)
    chance = rng.uniform(0.2, 0.8, 2000)
    strata = [weigh(rng.random(2000) < chance + error, chance)]
    text = describe_uncalibrated(strata, "chance")
    assert text is not None
    assert text.startswith("the propensities in 'chance' (kpi.treatment.propensity) don't fit the received actions")
    assert "(overall, 2,000 units: the weights of mail add up to " in text


def test_propensities_of_constant_shares_are_compared_exactly() -> None:
    everyone = ActionWeights(400, 400.0, 400.0)  # each unit received the action with certainty
    assert everyone.deviation(400) == 0
    assert WeighedUnits("overall", 400, {"mail": ActionWeights(400, 800.0, 1600.0)}).uncalibrated(LEVEL) == ["mail"]


def test_an_action_that_few_units_received_is_not_tested() -> None:
    assert ActionWeights(MINIMUM_RECEIVED - 1, 1e6, 1e12).deviation(100) == 0
    assert describe_uncalibrated([], "chance") is None
