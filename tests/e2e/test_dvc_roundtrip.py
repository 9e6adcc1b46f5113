"""A training set comes back from DVC byte for byte, and `dvc repro` on a clean clone gives the same metrics."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from pipelines.authoring import catalog
from pipelines.demo import flights
from sixtyforty.modeling import estimators, outcomes, training_plan
from sixtyforty.modeling.dvc_recipe import write_recipe_folder
from sixtyforty.storage.dvc_versions import DvcVersions
from sixtyforty.workspace import Workspace
from tests.e2e.test_hour_by_hour import import_and_validate, publish_features
from tests.helpers import day_range

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
STAGES = ["train@flight_delays", "evaluate@flight_delays"]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def checkout(to: Path) -> Path:
    """Copy the project's files as a clean clone has them: what git tracks or would track, and nothing of data/."""
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    return to


def changes(versions: DvcVersions) -> set[str]:
    """Return what differs from what DVC recorded. Other use cases are left out: their chains never ran here."""
    return {name for name in versions.find_changes() if "@" not in name or name in STAGES}


def run(home: Path, remote: Path, *command: str) -> str:
    env = os.environ | {
        "SIXTYFORTY_HOME": str(home),
        "SIXTYFORTY_DVC_REMOTE": str(remote),
        "PYTHONPATH": str(home),
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(command, cwd=home, env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """A clone whose chain has trained two models and pushed them to a remote."""
    home, remote = checkout(tmp_path_factory.mktemp("first")), tmp_path_factory.mktemp("remote")
    ws = Workspace(catalog.load_use_case("flight_delays"), home, f"sqlite:///{home}/deliveries.sqlite")
    days = day_range(date(2013, 1, 1), date(2013, 1, 31))
    flights.land(ws.landing.folder, date(2013, 1, 1), date(2013, 1, 31))
    import_and_validate(ws, days)
    publish_features(ws, days)
    for p, rows in outcomes.build_outcomes(ws.use_case, ws.lake, days).tables.items():
        ws.lake.write("outcomes", p, rows)
    dvc, models = DvcVersions(home, str(remote)), []
    for as_of in (date(2013, 1, 22), date(2013, 2, 1)):
        plan = training_plan.plan_training(ws.use_case, ws.lake, as_of)
        ws.models.write_training_set(ws.use_case, ws.lake, plan)
        rows, card = ws.models.training_frame(plan.version), ws.models.card(plan.version)
        model = estimators.fit_model(ws.use_case.model, ws.use_case.kpi, card.features, rows)
        ws.models.write_model(plan.version, model)
        models.append(plan.version)
    dvc.snapshot([ws.lake.root / "raw" / "weather", *(ws.models.folder(v) for v in models)])
    folder = home / "data" / "recipe" / "flight_delays"
    write_recipe_folder(ws.use_case, ws.models, models[1], models[0], folder)
    dvc.snapshot([folder / n for n in ("training_set.parquet", "recipe.json", "fold.skops")])
    dvc.commit(STAGES)
    dvc.publish()
    return ws, dvc, models, remote


@pytest.mark.e2e
def test_the_files_of_an_older_model_come_back_byte_for_byte(chain, tmp_path):
    ws, dvc, models, _ = chain
    recorded = {p.name: digest(p) for p in ws.models.folder(models[0]).iterdir()}
    (ws.models.folder(models[0]) / "training_set.parquet").write_bytes(b"overwritten by mistake")

    files = dvc.restore(ws.models.folder(models[0]), tmp_path / "back")

    assert {p.name: digest(p) for p in files} == recorded
    assert recorded["training_set.parquet"] == ws.models.card(models[0]).files["training_set.parquet"]
    shutil.copyfile(tmp_path / "back" / "training_set.parquet", ws.models.folder(models[0]) / "training_set.parquet")


@pytest.mark.e2e
def test_dvc_finds_no_change_after_the_chain_ran(chain):
    ws, dvc, _, remote = chain
    assert not changes(dvc)
    assert "up to date" in run(ws.home, remote, "dvc", "status", *STAGES)


@pytest.mark.e2e
def test_only_new_files_are_recorded(chain):
    ws, dvc, _, _ = chain
    assert dvc.snapshot([ws.lake.root / "raw" / "weather"]) == 0
    (ws.lake.root / "raw" / "weather" / "new.json").write_text("{}")
    assert dvc.snapshot([ws.lake.root / "raw" / "weather"]) == 1
    assert not changes(dvc)


@pytest.mark.e2e
def test_dvc_repro_on_a_clean_clone_gives_the_same_model_and_metrics(chain, tmp_path):
    ws, _, models, remote = chain
    clone, recipe = checkout(tmp_path / "clone"), Path("data/recipe/flight_delays")
    assert not (clone / "data").exists()

    run(clone, remote, str(BIN / "sixtyforty"), "fetch-training-data", "flight_delays")
    run(clone, remote, "dvc", "repro", "--force", *STAGES)

    for name in ("model.skops", "metrics.json"):
        assert digest(clone / recipe / name) == digest(ws.home / recipe / name), name
    command = [str(BIN / "sixtyforty"), "fetch-training-data", "flight_delays", "--model", models[0], "--to", "back"]
    assert "training_set.parquet" in run(clone, remote, *command)
    assert digest(clone / "back" / "training_set.parquet") == ws.models.card(models[0]).files["training_set.parquet"]
