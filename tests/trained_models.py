"""A small fitted model, a type that no model file may hold, and models trained in a workspace."""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from sixtyforty.modeling.estimators import FittedModel, fit_model
from sixtyforty.modeling.model_card import ModelCard
from sixtyforty.modeling.trainer import train_models
from sixtyforty.modeling.training_plan import plan_training
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.recipe import Model
from sixtyforty.workspace import Workspace
from tests.helpers import DECLARED

RECIPE = Model(**DECLARED["model"])
KPI = Kpi(**DECLARED["kpi"])
FEATURES = ["site", "load"]


def sha256(blob: bytes) -> str:
    """Return the SHA-256 of bytes, in hex."""
    return hashlib.sha256(blob).hexdigest()


def training_rows(count: int = 60) -> pd.DataFrame:
    """Return rows of features, with three sites and random loads."""
    rng = np.random.default_rng(0)
    return pd.DataFrame({"site": rng.choice(["north", "south", "west"], count), "load": rng.random(count)})


def fit_small_model(recipe: Model = RECIPE) -> FittedModel:
    """Return a model that learned that a load above a half is late."""
    rows = training_rows()
    return fit_model(recipe, KPI, FEATURES, rows.assign(late=rows["load"] > 0.5))


def make_card(**fields: Any) -> ModelCard:
    """Return the card of a model, changed by some fields."""
    card: dict[str, Any] = {
        "version": "v",
        "use_case": "calls_in_time",
        "as_of": date(2013, 3, 7),
        "rows": 48,
        "first": "2013-03-01",
        "last": "2013-03-06",
        "missing_days": [],
        "features": FEATURES,
        "recipe": RECIPE,
        "recipe_version": "recipe",
        "data": {"features": {}, "outcomes": {}},
        "data_version": "data",
        "libraries": {},
        "files": {},
    }
    return ModelCard(**card | fields)


def train_on(ws: Workspace, day: date) -> str:
    """Train the declared model of a local day, and return its version."""
    plan = plan_training(ws.use_case, ws.lake, day)
    ws.models.write_training_set(ws.use_case, ws.lake, plan)
    list(train_models(ws.models, ws.use_case.kpi, [plan.version]))
    return plan.version


class Foreign(BaseEstimator):
    """An estimator that isn't part of scikit-learn; it counts how often it is loaded."""

    loaded: ClassVar[list[Any]] = []

    def __setstate__(self, state: Any) -> None:
        self.loaded.append(state)
        super().__setstate__(state)
