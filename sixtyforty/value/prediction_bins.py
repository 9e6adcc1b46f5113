"""Compare predictions with outcomes, by bins of the expected outcome.

The bins are fixed, so that the sums of several days can be added. A probability has ten bins of equal width. A number
has five bins for each power of ten, as in the Renard series R5 (ISO 3).

Sources:

- Reliability by bins: DeGroot & Fienberg (1983), "The Comparison and Evaluation of Forecasters", The Statistician 32.
  The bins and their means are those of `sklearn.calibration.calibration_curve` with `strategy="uniform"`.
- The Brier score: Brier (1950), "Verification of Forecasts Expressed in Terms of Probability", Monthly Weather Review
  78(1). It is the mean squared error of a probability.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sixtyforty.spec.kpi import Kpi
from sixtyforty.value.group_sums import SumsByGroup, sum_by_group

if TYPE_CHECKING:
    import pandas as pd

    from sixtyforty.value.payoff_base import Floats

BINS = 10
BIN_SUMS = ("predictions", "predicted", "outcome", "squared_error", "absolute_error", "not_above")
DECADES = range(-3, 12)
STEPS_A_DECADE = 5


@dataclass(frozen=True)
class ReliabilityBin:
    """The predictions of one bin, or of neighboring bins.

    - predictions: the number of predictions.
    - mean_prediction, mean_outcome: the mean expected outcome, and the mean outcome of the same units.
    - not_above: the share of the units whose outcome was at most the prediction.
    """

    predictions: int
    mean_prediction: float
    mean_outcome: float
    not_above: float


@dataclass(frozen=True)
class Calibration:
    """How well predictions match outcomes, over all predictions and by bin.

    - bins: at most BINS bins, sorted by prediction. For a number, neighboring bins are joined, so that each has about
      as many predictions.
    - mean_squared_error: for a binary outcome, this is the Brier score.
    - calibration_error: the mean distance between the mean prediction and the mean outcome of a bin, weighted by its
      number of predictions.
    - not_above: the share of the units whose outcome was at most the prediction.
    """

    predictions: int
    mean_prediction: float
    mean_outcome: float
    mean_squared_error: float
    mean_absolute_error: float
    calibration_error: float
    not_above: float
    bins: list[ReliabilityBin]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures for JSON, with four decimals."""
        return {name: _round_figure(figure) for name, figure in asdict(self).items() if name != "bins"} | {
            "bins": [{name: _round_figure(figure) for name, figure in asdict(b).items()} for b in self.bins]
        }


def sum_predictions(kpi: Kpi, known: pd.DataFrame) -> SumsByGroup:
    """Return BIN_SUMS by partition and bin, over the units with a prediction. A bin's key is its number, three digits.

    After a past treatment, only units that received the decided action count: the prediction is about that action.

    known: `_partition`, `action`, `expected` (null without a model), `outcome` (without nulls), and the treatment's
    column.
    """
    import numpy as np

    predicted = known[known["expected"].notna()]
    if kpi.treatment:
        predicted = predicted[predicted[kpi.treatment.column] == predicted["action"]]
    expected, outcome = predicted["expected"].to_numpy(float), predicted["outcome"].to_numpy(float)
    keys = np.array([f"{position:03}" for position in range(len(_inner_edges(kpi)) + 1)], object)
    error, ones = expected - outcome, np.ones(len(expected), int)
    numbers = [ones, expected, outcome, error**2, np.abs(error), (outcome <= expected).astype(int)]
    return sum_by_group([predicted["_partition"], keys[np.searchsorted(_inner_edges(kpi), expected)]], numbers)


def calibrate(kpi: Kpi, sums_by_bin: SumsByGroup) -> Calibration | None:
    """Return how well the predictions match the outcomes; None without predictions.

    sums_by_bin: BIN_SUMS by bin, added over all partitions (see `sum_predictions`).
    """
    import numpy as np

    if not sums_by_bin:
        return None
    rows = np.array([sums for _, sums in sorted(sums_by_bin.items())], float)
    if kpi.outcome_type == "number":
        rows = _join_bins(rows)
    count, predicted, outcome, squared, absolute, not_above = rows.sum(axis=0)
    return Calibration(
        predictions=int(count),
        mean_prediction=float(predicted / count),
        mean_outcome=float(outcome / count),
        mean_squared_error=float(squared / count),
        mean_absolute_error=float(absolute / count),
        calibration_error=float(np.abs(rows[:, 1] - rows[:, 2]).sum() / count),
        not_above=float(not_above / count),
        bins=[ReliabilityBin(int(n), float(p / n), float(y / n), float(below / n)) for n, p, y, _, _, below in rows],
    )


def _inner_edges(kpi: Kpi) -> Floats:
    """Return the ascending edges between the bins. A prediction on an edge belongs to the bin below."""
    import numpy as np

    if kpi.outcome_type == "binary":
        return np.linspace(0, 1, BINS + 1)[1:-1]
    magnitudes = np.array([10.0 ** (d + s / STEPS_A_DECADE) for d in DECADES for s in range(STEPS_A_DECADE)])
    return np.concatenate([-magnitudes[::-1], magnitudes])


def _join_bins(rows: Floats) -> Floats:
    """Join neighboring bins into at most BINS, each with about as many predictions. rows: shape (bins, BIN_SUMS)."""
    import numpy as np

    middle = np.cumsum(rows[:, 0]) - rows[:, 0] / 2
    group = np.minimum((middle / rows[:, 0].sum() * BINS).astype(int), BINS - 1)
    return np.add.reduceat(rows, np.flatnonzero(np.diff(group, prepend=-1)))


def _round_figure(figure: float) -> float:
    return figure if isinstance(figure, int) else round(figure, 4)
