"""Predict the outcome of each unit under each action, by the champion that was in force when the unit was decided.

The doubly robust estimate of a past experiment needs these predictions. A champion was trained before its units were
decided, so it hasn't learned from them. A unit without a prediction counts without one: it had no champion, or the
champion can no longer score it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sixtyforty.modeling.feature_fit import find_feature_problem
from sixtyforty.modeling.model_store import score_rows
from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.partition_columns import Columns
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from sixtyforty.modeling.estimators import FittedModel

VERSION = "champion_version"


def predicted_column(action: str) -> str:
    """Return the name of the column with the expected outcome under an action."""
    return f"_predicted {action}"


class ChampionPredictions:
    """The predictions of champions in a past experiment, from feature rows of some partitions.

    columns: the feature columns that the champions need. models: the champions that can score, by version.
    """

    def __init__(self, ws: Workspace, decisions: Mapping[str, Entry]) -> None:
        self.actions = ws.use_case.kpi.actions_by_cost
        self.columns: list[str] = []
        self.models: dict[str, FittedModel] = {}
        features = list(ws.lake.entries("features", decisions).values())
        if ws.use_case.kpi.treatment is None or not features:
            return
        stored = [ws.lake.columns(group[0]) for group in ws.lake.group_by_columns(features)]
        for version in _read_versions(ws, decisions):
            model = _load_fitting(ws, version, stored)
            if model is not None:
                self.models[version] = model
                needed = [feature for feature in model.features if feature != model.treatment]
                self.columns += [feature for feature in needed if feature not in self.columns]

    def add_to(self, units: pd.DataFrame) -> pd.DataFrame:
        """Return decisions with the expected outcome under each action, NaN where it is unknown.

        units: the columns `champion_version` and `columns`. The new columns are those of `predicted_column`.
        """
        import numpy as np

        predicted = np.full((len(self.actions), len(units)), np.nan)
        for version, model in self.models.items():
            rows = (units[VERSION] == version).to_numpy(bool)
            if rows.any():
                predicted[:, rows] = _predict(model, units[rows], len(self.actions))
        return units.assign(**{predicted_column(a): predicted[i] for i, a in enumerate(self.actions)})


def read_predictions(actions: list[str], units: pd.DataFrame) -> NDArray[np.float64] | None:
    """Return the predictions that `add_to` added, shape (actions, n), or None if there are none.

    actions: the declared actions, cheapest first.
    """
    columns = [predicted_column(action) for action in actions]
    return units[columns].to_numpy(float).T if set(columns) <= set(units.columns) else None


def _read_versions(ws: Workspace, decisions: Mapping[str, Entry]) -> list[str]:
    with ws.lake.open_session(ws.use_case.timezone) as db:
        rows = db.execute(f"select distinct {VERSION} from {ws.lake.select_rows(decisions.values())} order by 1")
        return [version for (version,) in rows.fetchall() if version]


def _load_fitting(ws: Workspace, version: str, stored: list[Columns]) -> FittedModel | None:
    """Return a champion, or None if its files can't be trusted or some partition's features don't fit."""
    try:
        card = ws.models.card(version)
        fits = all(find_feature_problem(card, columns, {}) is None for columns in stored)
        return ws.models.load(version) if fits and card.treatment else None
    except ModelError:
        return None


def _predict(model: FittedModel, rows: pd.DataFrame, actions: int) -> NDArray[np.float64]:
    import numpy as np

    try:
        return score_rows(model, rows)
    except ModelError:
        return np.full((actions, len(rows)), np.nan)
