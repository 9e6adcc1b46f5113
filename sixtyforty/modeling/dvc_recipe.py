"""Reproduce the newest model and its metrics from the files of one folder; `dvc.yaml` runs this module.

`python -m sixtyforty.modeling.dvc_recipe train FOLDER` writes `model.skops`; `evaluate FOLDER` writes `metrics.json`.
The chain writes these files with the same functions, so DVC reproduces them byte for byte. The folder's inputs are:

- `training_set.parquet`.
- `recipe.json`: the model, the KPI, the features and the card of the previous model.
- `fold.skops`: the previous model. It is evaluated on the newest days of the training set, from which it didn't learn.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sixtyforty.modeling.backtest import value_metrics
from sixtyforty.modeling.estimators import fit_model, restore_model
from sixtyforty.modeling.model_card import ModelCard
from sixtyforty.modeling.model_store import MODEL, TRAINING_SET, ModelStore
from sixtyforty.modeling.skops_files import load_skops, stable_skops
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.recipe import Model
from sixtyforty.storage.files import canonical_json, write_atomic
from sixtyforty.value.daily_value import value_of_day
from sixtyforty.value.policy import Policy

if TYPE_CHECKING:
    import pandas as pd

RECIPE = "recipe.json"


@dataclass(frozen=True)
class RecipeFile:
    """The content of `recipe.json`: the settings with which DVC trains a model version again and measures it.

    `model`, `features`: the recipe and the features of the version. `fold`: the card of the model trained before the
    version; `metrics.json` measures that model on days from which it didn't learn, as a fold of a backtest does.
    `defer_below`: the limit below which a decision is deferred to a reviewer (see `Policy`).
    """

    version: str
    model: Model
    kpi: Kpi
    features: list[str]
    fold: ModelCard
    defer_below: float = 0.0

    def to_json(self) -> bytes:
        """Return the content of `recipe.json`."""
        content: dict[str, Any] = {
            "version": self.version,
            "model": self.model.to_recipe(),
            "kpi": self.kpi.model_dump(mode="json"),
            "features": self.features,
            "fold": json.loads(self.fold.to_json()),
        }
        if self.defer_below:
            content["defer_below"] = self.defer_below
        return json.dumps(content, indent=1, sort_keys=True).encode()

    @classmethod
    def from_json(cls, content: bytes) -> RecipeFile:
        """Read the content of `recipe.json`. Raises ModelError if the previous model's card can't be read."""
        fields = json.loads(content)
        parsed = {
            "model": Model(**fields["model"]),
            "kpi": Kpi(**fields["kpi"]),
            "fold": ModelCard.from_json(json.dumps(fields["fold"]).encode()),
        }
        return cls(**fields | parsed)


def write_recipe_folder(use_case: DecisionChain, store: ModelStore, version: str, fold: str, folder: Path) -> None:
    """Write into a folder what DVC needs to reproduce a model version: training set, recipe, models and metrics.

    fold: the previous model version. `metrics.json` measures the previous model on the days between its own training
    and the training of `version`.
    """
    card, defer_below = store.card(version), Policy.from_use_case(use_case).defer_below
    recipe = RecipeFile(version, card.recipe, use_case.kpi, card.features, store.card(fold), defer_below)
    write_atomic(folder / TRAINING_SET, (store.folder(version) / TRAINING_SET).read_bytes())
    write_atomic(folder / RECIPE, recipe.to_json())
    write_atomic(folder / "fold.skops", (store.folder(fold) / MODEL).read_bytes())
    write_atomic(folder / MODEL, (store.folder(version) / MODEL).read_bytes())
    evaluate(folder)


def _read(folder: Path) -> tuple[RecipeFile, pd.DataFrame]:
    import pandas as pd

    return RecipeFile.from_json((folder / RECIPE).read_bytes()), pd.read_parquet(folder / TRAINING_SET)


def train(folder: Path) -> None:
    """Fit the recipe in `recipe.json` on the folder's training set. Write the fitted model to `model.skops`."""
    from skops.io import dumps

    recipe, frame = _read(folder)
    model = fit_model(recipe.model, recipe.kpi, recipe.features, frame)
    write_atomic(folder / MODEL, stable_skops(dumps(model.estimator)))


def evaluate(folder: Path) -> None:
    """Measure the previous model on the newest days of the training set, from which it didn't learn.

    Write the figures to `metrics.json`.
    """
    recipe, frame = _read(folder)
    fold, kpi = recipe.fold, recipe.kpi
    model = restore_model(load_skops((folder / "fold.skops").read_bytes(), fold.files[MODEL]), fold)
    rows = frame[frame["_partition"] >= fold.as_of.isoformat()].copy()
    policy = Policy(kpi, recipe.model.vetoes, recipe.defer_below)
    rows["action"] = policy.choose_actions(rows, model.predict(rows)).action
    days = [
        value_of_day(kpi, str(partition), day, day[kpi.outcome].to_numpy(float))
        for partition, day in rows.groupby("_partition", sort=True)
    ]
    write_atomic(folder / "metrics.json", canonical_json(asdict(value_metrics(days))).encode())


if __name__ == "__main__":
    {"train": train, "evaluate": evaluate}[sys.argv[1]](Path(sys.argv[2]))
