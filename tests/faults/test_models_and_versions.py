"""Model files that somebody replaced, and several processes that record versions at once."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from skops.io import dumps

from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.storage.dvc_versions import POINTERS, DvcVersions
from sixtyforty.storage.files import write_atomic
from sixtyforty.workspace import Workspace
from tests.faults.conftest import APRIL, NOW
from tests.faults.worker import open_workspace, run_chain, start_process, wait_for_exit

LAST_DAY = APRIL[-1].isoformat()


@pytest.fixture(scope="module")
def decided_home(home_before: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose last day a model decides. Don't write to it."""
    home = shutil.copytree(home_before, tmp_path_factory.mktemp("decided") / "home")
    assert wait_for_exit(start_process(run_chain, home, APRIL[0], APRIL[-1], NOW)) == 0
    return home


@pytest.fixture
def undecided(decided_home: Path, tmp_path: Path) -> Workspace:
    """A copy of that home without the decisions of the last day."""
    ws = open_workspace(shutil.copytree(decided_home, tmp_path / "home"))
    ws.lake.drop(decisions_dataset("replay"), LAST_DAY)
    return ws


def replace_model(ws: Workspace, blob: bytes, with_forged_hash: bool) -> None:
    """Replace the champion's model file, and the hash on its card if asked to."""
    version = ws.champion_ledger.promotions("replay")[-1].version
    write_atomic(ws.models.folder(version) / "model.skops", blob)
    if with_forged_hash:
        card = ws.models.card(version)
        card.files["model.skops"] = hashlib.sha256(blob).hexdigest()
        write_atomic(ws.models.folder(version) / "card.json", card.to_json())


def test_an_unchanged_model_decides(undecided: Workspace) -> None:
    assert take_decisions(undecided, [LAST_DAY], "replay", None)[LAST_DAY].by_model > 0


@pytest.mark.parametrize(
    ("with_forged_hash", "message"),
    [(False, "hash of the model file differs"), (True, "isn't the one that the champion ledger recorded")],
)
def test_a_model_that_was_replaced_decides_nothing(undecided: Workspace, with_forged_hash: bool, message: str) -> None:
    hostile = dumps(make_pipeline(FunctionTransformer(os.system)))
    replace_model(undecided, hostile, with_forged_hash)
    with pytest.raises(ModelError, match=message):
        take_decisions(undecided, [LAST_DAY], "replay", None)
    assert undecided.lake.entry(decisions_dataset("replay"), LAST_DAY) is None


def _record_two_folders(home: Path, writer: int) -> None:
    versions = DvcVersions(home, str(home / "remote"))
    for part in range(2):
        folder = home / "data" / f"folder_{writer}_{part}"
        write_atomic(folder / "a.txt", f"{writer} {part}".encode())
        versions.snapshot([folder])
    versions.publish()


def test_six_processes_that_record_versions_at_once_lose_nothing(tmp_path: Path) -> None:
    writers = [start_process(_record_two_folders, tmp_path, number) for number in range(6)]
    assert [wait_for_exit(writer) for writer in writers] == [0] * 6
    expected = {f"data/folder_{number}_{part}.dvc" for number in range(6) for part in range(2)}
    assert set(json.loads((tmp_path / "remote" / POINTERS).read_bytes())) == expected
    versions = DvcVersions(tmp_path, str(tmp_path / "remote"))
    for number in range(6):
        (file,) = versions.restore(tmp_path / "data" / f"folder_{number}_1", tmp_path / "restored" / str(number))
        assert file.read_text() == f"{number} 1"
