"""The decisions of the plain scripts, and their money."""

import numpy as np
import pandas as pd
import pytest

from bench.scripts.decisions import decide, value_per_1000

DAY = pd.Timestamp("2013-05-01")


def units(outcomes: list[float], current_actions: list[str]) -> pd.DataFrame:
    """Units of one day with their outcomes and the current process's actions."""
    return pd.DataFrame({"_partition": DAY, "disrupted": outcomes, "current_action": current_actions})


def test_the_action_with_the_highest_payoff_is_taken_and_the_cheapest_of_equal_ones() -> None:
    decided = decide(units([0.0, 0.0, 0.0], ["none"] * 3), np.array([0.2, 0.3, 0.4]))  # a standby pays from 0.3 on
    assert decided["action"].tolist() == ["none", "none", "standby"]
    assert decided["expected"].tolist() == [0.2, 0.3, 0.4]


def test_money_counts_known_outcomes_only() -> None:
    rows = units([1.0, 0.0, np.nan], ["standby", "standby", "none"])
    money = value_per_1000(decide(rows, np.array([0.9, 0.1, 0.9])))
    assert money["decisions"] == 2
    # A standby costs 150 and gains 500 if the flight is disrupted. Here: 350, and 200 of both standbys together.
    assert money["per_1000"]["model"] == pytest.approx(350 / 2 * 1000)
    assert money["per_1000"]["current_process"] == pytest.approx(200 / 2 * 1000)
    assert money["per_1000"]["perfect_foresight"] == pytest.approx(350 / 2 * 1000)
    assert money["per_1000"]["random_choice"] == pytest.approx(0.5 * 200 / 2 * 1000)


def test_no_known_outcome_means_no_money() -> None:
    money = value_per_1000(decide(units([np.nan], ["none"]), np.array([0.5])))
    assert money["decisions"] == 0
    assert set(money["per_1000"].values()) == {None}
