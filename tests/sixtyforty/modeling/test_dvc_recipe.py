"""The files of the recipe folder reproduce the stored model and its metrics, to the byte."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path

from sixtyforty.modeling import dvc_recipe
from sixtyforty.modeling.backtest import score_days, value_metrics
from sixtyforty.modeling.model_store import MODEL
from sixtyforty.storage.files import canonical_json
from sixtyforty.workspace import Workspace
from tests.helpers import publish_days
from tests.trained_models import train_on

DAYS = [date(2013, 3, 1) + timedelta(days=i) for i in range(10)]
FOLD, AS_OF = date(2013, 3, 8), date(2013, 3, 11)


def test_the_recipe_reproduces_the_model_and_its_metrics(workspace: Workspace, tmp_path: Path) -> None:
    publish_days(workspace, DAYS, count=10)
    fold, version = train_on(workspace, FOLD), train_on(workspace, AS_OF)
    folder = tmp_path / "recipe"
    dvc_recipe.write_recipe_folder(workspace.use_case, workspace.models, version, fold, folder)
    stored = (workspace.models.folder(version) / MODEL).read_bytes()
    assert (folder / MODEL).read_bytes() == stored
    (folder / MODEL).unlink()
    dvc_recipe.train(folder)
    assert (folder / MODEL).read_bytes() == stored
    days = score_days(workspace.use_case, workspace.lake, workspace.models, fold, FOLD, AS_OF)
    assert (folder / "metrics.json").read_text() == canonical_json(asdict(value_metrics(days)))
    assert json.loads((folder / "recipe.json").read_bytes())["fold"]["version"] == fold
