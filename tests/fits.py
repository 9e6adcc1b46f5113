"""A small model, and a type that no model file may hold."""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from sixtyforty.modeling.estimators import FittedModel, fit_model
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.recipe import Model
from tests.helpers import DECLARED

RECIPE = Model(**DECLARED["model"])
KPI = Kpi(**DECLARED["kpi"])
FEATURES = ["site", "load"]


def sha(blob: bytes) -> str:
    return hashlib.sha256(blob).hexdigest()


def frame(count: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({"site": rng.choice(["north", "south", "west"], count), "load": rng.random(count)})


def fitted(recipe: Model = RECIPE) -> FittedModel:
    rows = frame()
    return fit_model(recipe, KPI, FEATURES, rows.assign(late=rows["load"] > 0.5))


class Foreign(BaseEstimator):
    """Not of scikit-learn."""

    woken: ClassVar[list[Any]] = []

    def __setstate__(self, state: Any) -> None:
        self.woken.append(state)
        super().__setstate__(state)
