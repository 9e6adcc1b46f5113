"""Whether a model keeps to what experts know: that the expected outcome may only rise, or only fall, with a feature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sixtyforty.modeling.estimators import FittedModel
from sixtyforty.modeling.model_store import ModelStore

if TYPE_CHECKING:
    import pandas as pd

SAMPLE = 500  # rows tried
STEPS = 20  # values each feature is moved to: its quantiles
TOLERANCE = 1e-9  # of the expected outcome: what rounding does


def find_broken_constraints(monotone: Mapping[str, int], store: ModelStore, version: str) -> list[str]:
    """The constraints a model version breaks on a sample of the rows it learned from, each with how badly."""
    if not monotone:
        return []
    rows = store.training_frame(version)
    return find_violations(monotone, store.load(version), rows.sample(min(SAMPLE, len(rows)), random_state=0))


def find_violations(monotone: Mapping[str, int], model: FittedModel, rows: pd.DataFrame) -> list[str]:
    """A line for each constraint (feature to 1 or -1) that fails: each row's feature moved, all else as it is.

    The feature goes through the quantiles of its known values in `rows`; the violation is the most by which the
    expected outcome of any one row goes the wrong way between two of them.
    """
    import numpy as np

    found = []
    for feature, direction in monotone.items():
        grid = np.unique(rows[feature].dropna().quantile(np.linspace(0, 1, STEPS + 1), interpolation="nearest"))
        if len(grid) < 2:
            continue
        moved = np.stack([model.score(rows.assign(**{feature: value})) for value in grid]) * direction
        wrong = np.maximum.accumulate(moved) - moved
        step, row = np.unravel_index(wrong.argmax(), wrong.shape)
        if wrong[step, row] > TOLERANCE:
            start = moved[: step + 1, row].argmax()
            way, does = ("fall", "falls") if direction > 0 else ("rise", "rises")
            found.append(
                f"monotone: {feature} (the expected outcome must not {way} as it rises): it {does} by up to"
                f" {wrong[step, row]:.3g}, between {grid[start]:g} and {grid[step]:g}"
            )
    return found
