"""Bins of predictions: scikit-learn computes the same reliability, Brier score and errors from the units."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, mean_absolute_error, mean_squared_error

from sixtyforty.spec.kpi import Kpi
from sixtyforty.value.group_sums import SumsByGroup, split_partitions
from sixtyforty.value.prediction_bins import BINS, calibrate, sum_predictions
from tests.sixtyforty.value.kpis import EXPERIMENT, TWO, make_kpi

NUMBER = make_kpi(outcome_type="number", actions=TWO.actions)
PROBABILITIES = st.one_of(st.sampled_from([n / 10 for n in range(11)]), st.floats(0, 1))


def known_units(expected: list[float], outcome: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        {"_partition": "2013-04-01", "action": "act", "expected": expected, "outcome": outcome}, dtype=object
    ).astype({"expected": float, "outcome": float})


def sum_bins(kpi: Kpi, known: pd.DataFrame) -> SumsByGroup:
    return split_partitions(sum_predictions(kpi, known)).get("2013-04-01", {})


@given(st.lists(st.tuples(PROBABILITIES, st.sampled_from([0.0, 1.0])), min_size=2, max_size=80))
def test_the_reliability_is_that_of_scikit_learn(pairs: list[tuple[float, float]]) -> None:
    expected, outcome = map(list, zip(*pairs, strict=True))
    calibration = calibrate(TWO, sum_bins(TWO, known_units(expected, outcome)))
    assert calibration is not None
    mean_outcome, mean_prediction = calibration_curve(outcome, expected, n_bins=BINS)
    assert [b.mean_prediction for b in calibration.bins] == pytest.approx(mean_prediction)
    assert [b.mean_outcome for b in calibration.bins] == pytest.approx(mean_outcome)
    assert sum(b.predictions for b in calibration.bins) == calibration.predictions == len(pairs)
    assert calibration.mean_squared_error == pytest.approx(brier_score_loss(outcome, expected, labels=[0, 1]))


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=80))
def test_a_number_has_at_most_ten_bins_and_the_same_errors(pairs: list[tuple[float, float]]) -> None:
    expected, outcome = map(list, zip(*pairs, strict=True))
    calibration = calibrate(NUMBER, sum_bins(NUMBER, known_units(expected, outcome)))
    assert calibration is not None
    assert 1 <= len(calibration.bins) <= BINS
    assert sum(b.predictions for b in calibration.bins) == len(pairs)
    assert [b.mean_prediction for b in calibration.bins] == sorted(b.mean_prediction for b in calibration.bins)
    assert calibration.mean_squared_error == pytest.approx(mean_squared_error(outcome, expected))
    assert calibration.mean_absolute_error == pytest.approx(mean_absolute_error(outcome, expected))
    assert calibration.mean_prediction == pytest.approx(np.mean(expected), abs=1e-6)
    assert calibration.not_above == pytest.approx(np.mean(np.array(outcome) <= np.array(expected)))


def test_only_units_with_a_prediction_count() -> None:
    sums = sum_bins(TWO, known_units([0.25, float("nan")], [1.0, 1.0]))
    assert sums == {("002",): (1, 0.25, 1.0, 0.5625, 0.75, 0)}
    assert sum_bins(TWO, known_units([float("nan")], [1.0])) == {}
    assert calibrate(TWO, {}) is None


def test_after_a_treatment_only_units_that_received_the_decided_action_count() -> None:
    units = known_units([3.0, 5.0], [2.0, 9.0]).assign(received=["act", "none"])
    assert calibrate(EXPERIMENT, sum_bins(EXPERIMENT, units)) == calibrate(EXPERIMENT, sum_bins(EXPERIMENT, units[:1]))


def test_json_has_four_decimals() -> None:
    calibration = calibrate(TWO, sum_bins(TWO, known_units([1 / 3], [1.0])))
    assert calibration is not None
    figures = calibration.to_dict()
    assert (figures["predictions"], figures["mean_prediction"]) == (1, 0.3333)
    assert figures["bins"] == [{"predictions": 1, "mean_prediction": 0.3333, "mean_outcome": 1.0, "not_above": 0.0}]
