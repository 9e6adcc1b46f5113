"""Check whether a model breaks the declared monotone constraints.

A monotone constraint requires that the expected outcome only rises, or only falls, as one feature rises.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sixtyforty.modeling.estimators import FittedModel
from sixtyforty.modeling.model_store import ModelStore

if TYPE_CHECKING:
    import pandas as pd

SAMPLE_ROWS = 500
QUANTILES = 20  # number of quantiles of a feature whose borders are tried as its value
TOLERANCE = 1e-9  # smaller changes of the expected outcome are rounding errors


def find_broken_constraints(constraints: Mapping[str, int], store: ModelStore, version: str) -> list[str]:
    """Return a line of text for each monotone constraint that a model version breaks on a sample of its training set.

    constraints: feature to 1 (the expected outcome only rises) or -1 (the expected outcome only falls).
    """
    if not constraints:
        return []
    rows = store.training_frame(version)
    return find_violations(constraints, store.load(version), rows.sample(min(SAMPLE_ROWS, len(rows)), random_state=0))


def find_violations(constraints: Mapping[str, int], model: FittedModel, rows: pd.DataFrame) -> list[str]:
    """Return a line of text for each monotone constraint that the model breaks on the rows.

    constraints: feature to 1 (the expected outcome only rises) or -1 (the expected outcome only falls). In each row,
    the feature is set in turn to the quantiles of its known values, with all other features unchanged. The size of a
    violation is the largest change of one row's expected outcome in the wrong direction between two quantiles.
    """
    import numpy as np

    violations = []
    for feature, direction in constraints.items():
        known = rows[feature].dropna()
        grid = np.unique(known.quantile(np.linspace(0, 1, QUANTILES + 1), interpolation="nearest"))
        if len(grid) < 2:
            continue
        expected = np.stack([model.predict(rows.assign(**{feature: level})) for level in grid]) * direction
        drops = np.maximum.accumulate(expected) - expected
        end, row = np.unravel_index(drops.argmax(), drops.shape)
        if drops[end, row] > TOLERANCE:
            start = expected[: end + 1, row].argmax()
            violations.append(_describe(feature, direction, float(drops[end, row]), grid[start], grid[end]))
    return violations


def _describe(feature: str, direction: int, size: float, start: float, end: float) -> str:
    allowed, observed = ("rise", "falls") if direction > 0 else ("fall", "rises")
    return (
        f"monotone constraint on {feature}: the expected outcome may only {allowed} as {feature} rises, but it"
        f" {observed} by up to {size:.3g} between {start:g} and {end:g}"
    )
