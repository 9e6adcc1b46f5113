"""Model files that were tampered with, and several writers of versions at once."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from skops.io import dumps

from sixtyforty.decisions.deciding import dataset, decide
from sixtyforty.modeling.model_store import ModelError
from sixtyforty.storage.dvc_versions import POINTERS, Versions
from tests.faults.conftest import APRIL, NOW
from tests.faults.worker import ended, run, start, workspace

P = [APRIL[-1].isoformat()]


@pytest.fixture(scope="module")
def decided(before: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose last day a model decides; not decided yet."""
    import shutil

    home = shutil.copytree(before, tmp_path_factory.mktemp("tampered") / "home")
    assert ended(start(run, home, APRIL[0], APRIL[-1], NOW)) == 0
    return home


@pytest.fixture
def undecided(decided, tmp_path):
    import shutil

    home = shutil.copytree(decided, tmp_path / "home")
    ws = workspace(home)
    ws.lake.drop(dataset("replay"), P[0])
    return ws


def exchange(ws, blob: bytes, forge: bool) -> None:
    """Another model file for the champion's, and, where asked, another hash on its card."""
    version = ws.ledger.champions("replay")[-1].version
    (ws.models.folder(version) / "model.skops").write_bytes(blob)
    if forge:
        card = ws.models.card(version)
        card["files"]["model.skops"] = hashlib.sha256(blob).hexdigest()
        (ws.models.folder(version) / "card.json").write_text(json.dumps(card))


def hostile() -> bytes:
    import os

    return dumps(make_pipeline(FunctionTransformer(os.system)))


def test_an_honest_model_decides(undecided):
    assert decide(undecided, P, "replay", None)[P[0]].by_model > 0


@pytest.mark.parametrize(("forge", "why"), [(False, "its hash differs"), (True, "types we don't trust: .*system")])
def test_a_model_that_was_exchanged_decides_nothing(undecided, forge, why):
    exchange(undecided, hostile(), forge)
    with pytest.raises(ModelError, match=why):
        decide(undecided, P, "replay", None)
    assert undecided.lake.entry(dataset("replay"), P[0]) is None


def _record(home: Path, number: int) -> None:
    versions = Versions(home, str(home / "remote"))
    for part in range(2):
        folder = home / "data" / f"things_{number}_{part}"
        folder.mkdir(parents=True)
        (folder / "a.txt").write_text(f"{number} {part}")
        versions.snapshot([folder])
    versions.publish()


def test_six_writers_of_versions_at_once_lose_nothing(tmp_path):
    writers = [start(_record, tmp_path, n) for n in range(6)]
    assert [ended(w) for w in writers] == [0] * 6
    expected = {f"data/things_{n}_{part}.dvc" for n in range(6) for part in range(2)}
    assert set(json.loads((tmp_path / "remote" / POINTERS).read_bytes())) == expected
    versions = Versions(tmp_path, str(tmp_path / "remote"))
    for n in range(6):
        (back,) = versions.restore(tmp_path / "data" / f"things_{n}_1", tmp_path / "back" / str(n))
        assert back.read_text() == f"{n} 1"
