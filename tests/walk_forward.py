"""Walk a recipe forward over real months of flights: train it on the months before, and value the next month."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import numpy as np
import pandas as pd

from pipelines.authoring import catalog
from sixtyforty.modeling.estimators import fit_model
from sixtyforty.modeling.training_plan import read_training_rows
from sixtyforty.value.daily_value import DailyValue, value_of_day
from sixtyforty.value.payoffs import build_payoffs
from tests.helpers import day_range

# The training rows of a model, its features, and the rows of the month that tests it.
Block = tuple[pd.DataFrame, list[str], pd.DataFrame]


def read_blocks(known_at: str) -> list[Block]:
    """Return the blocks of the first four models of the flights. known_at: when the outcomes are read (UTC)."""
    ws, parts = catalog.open_workspace("flight_delays"), []
    for version in ws.models.versions()[:4]:
        card = ws.models.card(version)
        first = card.as_of
        days = day_range(first, first.replace(month=first.month + 1) - timedelta(days=1))
        tested = read_training_rows(
            ws.use_case, ws.lake, ws.lake.entries("features", days), ws.lake.entries("outcomes", days), known_at
        )
        parts.append((ws.models.training_frame(version), card.features, tested.to_pandas()))
    return parts


def walk_forward(
    blocks: Sequence[Block],
    labels: Callable[[np.ndarray], np.ndarray],
    features: Callable[[list[str]], list[str]] = lambda names: names,
) -> list[DailyValue]:
    """Return the daily values of a small, quick recipe, ordered by day.

    labels: changes the labels that the recipe learns. features: chooses the features that it learns from.
    """
    use_case, daily_values = catalog.load_use_case("flight_delays"), []
    recipe = use_case.model.model_copy(update={"params": {"max_iter": 10, "early_stopping": False}})
    for learned, names, tested in blocks:
        labelled = learned.assign(disrupted=labels(learned["disrupted"].to_numpy(float)))
        model = fit_model(recipe, use_case.kpi, features(names), labelled)
        acted = tested.assign(action=build_payoffs(use_case.kpi, tested).choose_actions(model.predict(tested)))
        daily_values += [
            value_of_day(use_case.kpi, str(partition), rows, rows["disrupted"].to_numpy(float))
            for partition, rows in acted.groupby("_partition")
        ]
    return daily_values
