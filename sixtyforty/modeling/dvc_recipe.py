"""The reproducible recipe behind `dvc.yaml`: the newest model and its metrics, from the files of one folder.

`python -m sixtyforty.modeling.dvc_recipe train FOLDER` writes `model.skops`; `evaluate FOLDER` writes `metrics.json`.
The chain fills the folder through the same functions: `training_set.parquet`, `recipe.json` (model, KPI, features,
the block to evaluate) and `fold.skops` (the model before, which never saw that block).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from sixtyforty.modeling.backtest import value_metrics
from sixtyforty.modeling.estimators import fit_model, restore_model
from sixtyforty.modeling.model_store import ModelStore
from sixtyforty.modeling.skops_files import load_skops, stable_skops
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.recipe import Model
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.lake import canonical, write_atomic
from sixtyforty.value.lift import value_of_day
from sixtyforty.value.policy import Policy


def write_recipe_folder(use_case: UseCase, store: ModelStore, version: str, fold: str, folder: Path) -> None:
    """Puts the inputs of the recipe for `version` into the folder, then its outputs."""
    card, before = store.card(version), store.card(fold)
    recipe: dict[str, Any] = {
        "version": version,
        "model": card["recipe"],
        "kpi": use_case.kpi.model_dump(mode="json"),
        "features": card["features"],
        "fold": {
            "version": fold,
            "sha256": before["files"]["model.skops"],
            "features": before["features"],
            "levels": before["levels"],
            "first": before["as_of"],
            **{k: before[k] for k in ("treatment", "actions") if k in before},
        },
    }
    if left_below := Policy.of(use_case).left_below:
        recipe["left_below"] = left_below
    write_atomic(folder / "training_set.parquet", (store.folder(version) / "training_set.parquet").read_bytes())
    write_atomic(folder / "recipe.json", json.dumps(recipe, indent=1, sort_keys=True).encode())
    write_atomic(folder / "fold.skops", (store.folder(fold) / "model.skops").read_bytes())
    write_atomic(folder / "model.skops", (store.folder(version) / "model.skops").read_bytes())
    evaluate(folder)


def _read(folder: Path) -> tuple[dict[str, Any], Any]:
    import pandas as pd

    return json.loads((folder / "recipe.json").read_bytes()), pd.read_parquet(folder / "training_set.parquet")


def train(folder: Path) -> None:
    """Fits the recipe on the folder's training set; the same bytes as the chain's model."""
    from skops.io import dumps

    recipe, frame = _read(folder)
    model = fit_model(Model(**recipe["model"]), Kpi(**recipe["kpi"]), recipe["features"], frame)
    write_atomic(folder / "model.skops", stable_skops(dumps(model.estimator)))


def evaluate(folder: Path) -> None:
    """Values the model before on the last block of the training set: rows it never saw."""
    recipe, frame = _read(folder)
    fold, kpi = recipe["fold"], Kpi(**recipe["kpi"])
    model = restore_model(load_skops((folder / "fold.skops").read_bytes(), fold["sha256"]), fold)
    rows = frame[frame["_partition"] >= fold["first"]].copy()
    policy = Policy(kpi, Model(**recipe["model"]).vetoes, recipe.get("left_below", 0.0))
    rows["action"] = policy.take(rows, model.score(rows)).action
    days = [
        value_of_day(kpi, str(p), g, g[kpi.outcome].to_numpy(float)) for p, g in rows.groupby("_partition", sort=True)
    ]
    write_atomic(folder / "metrics.json", canonical(value_metrics(days)).encode())


if __name__ == "__main__":
    {"train": train, "evaluate": evaluate}[sys.argv[1]](Path(sys.argv[2]))
