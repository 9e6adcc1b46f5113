"""A model whose files differ from those written at its fit is refused with the reason, and sound ones again pass."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from sixtyforty.modeling import model_files
from sixtyforty.modeling.gate import promote_challengers
from sixtyforty.modeling.model_files import find_file_problem, verify_files
from sixtyforty.modeling.model_store import CARD, MODEL, SAMPLE_ROWS, TRAINING_SET
from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace, publish_days
from tests.quick_proof import prove_any_gain
from tests.trained_models import sha256, train_on

DAYS = [date(2013, 3, 1) + timedelta(days=i) for i in range(12)]
OTHER, EARLIER, AS_OF = date(2013, 3, 8), date(2013, 3, 10), date(2013, 3, 12)
Fault = Callable[[Path, Path], None]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Publish twelve days, with models of three days and one of another recipe; the tests change copies."""
    ws = make_workspace(
        tmp_path_factory.mktemp("home"),
        partitions={"start": "2013-03-01"},
        replay={"retrain": "day", "warm_up_days": 5, "first_day": "2013-03-05"},
    )
    publish_days(ws, DAYS, count=12)
    for day in (EARLIER, EARLIER + timedelta(days=1), AS_OF):
        train_on(ws, day)
    other_recipe = ws.use_case.model.model_copy(update={"params": {"max_iter": 1, "early_stopping": False}})
    train_on(replace(ws, use_case=ws.use_case.model_copy(update={"model": other_recipe})), OTHER)
    return ws


@pytest.fixture
def ws(published: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(published.home, tmp_path / "home")
    return Workspace(published.use_case, tmp_path / "home", f"sqlite:///{tmp_path}/deliveries.db")


def version_of(ws: Workspace, day: date) -> str:
    return next(v for v in ws.models.versions() if v.startswith(f"{day}-"))


def write_rubbish(folder: Path, _: Path) -> None:
    (folder / MODEL).write_bytes(b"rubbish")


def truncate_model(folder: Path, _: Path) -> None:
    (folder / MODEL).write_bytes((folder / MODEL).read_bytes()[:-100])


def swap_model(folder: Path, other: Path) -> None:
    shutil.copy(other / MODEL, folder / MODEL)


def swap_model_and_its_hash(folder: Path, other: Path) -> None:
    swap_model(folder, other)
    card = json.loads((folder / CARD).read_bytes())
    card["files"][MODEL] = sha256((other / MODEL).read_bytes())
    (folder / CARD).write_text(json.dumps(card))


def swap_card(folder: Path, other: Path) -> None:
    shutil.copy(other / CARD, folder / CARD)


def swap_everything(folder: Path, other: Path) -> None:
    for name in (CARD, MODEL, TRAINING_SET):
        shutil.copy(other / name, folder / name)


def rename_swapped_card(folder: Path, other: Path) -> None:
    swap_everything(folder, other)
    card = json.loads((folder / CARD).read_bytes()) | {"version": folder.name}
    (folder / CARD).write_text(json.dumps(card))


def change_data_versions(folder: Path, _: Path) -> None:
    card = json.loads((folder / CARD).read_bytes())
    card["data"]["features"].popitem()
    (folder / CARD).write_text(json.dumps(card))


def cut_training_set(folder: Path, _: Path) -> None:
    (folder / TRAINING_SET).write_bytes(b"PAR1")


FAULTS: list[tuple[Fault, str]] = [
    (write_rubbish, "hash of the model file differs"),
    (truncate_model, "hash of the model file differs"),
    (swap_model, "hash of the model file differs"),
    (swap_model_and_its_hash, "no longer gives the scores that its model card recorded"),
    (swap_card, "The model card describes calls_in_time 2013-03-08-"),
    (swap_everything, "The model card describes calls_in_time 2013-03-08-"),
    (rename_swapped_card, "The hash in the version name doesn't match the data, recipe and libraries"),
    (change_data_versions, "The model card was changed: its data versions don't match the hash"),
    (cut_training_set, "The training set was changed after the training"),
]


@pytest.mark.parametrize(("fault", "reason"), FAULTS, ids=lambda f: getattr(f, "__name__", ""))
def test_the_gate_refuses_files_that_are_not_those_of_the_fit(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, fault: Fault, reason: str
) -> None:
    prove_any_gain(monkeypatch)
    version = version_of(ws, AS_OF)
    folder, other = Path(str(ws.models.folder(version))), Path(str(ws.models.folder(version_of(ws, OTHER))))
    sound = ws.home / "sound"
    shutil.copytree(folder, sound)
    fault(folder, other)
    assert reason in (find_file_problem("calls_in_time", ws.lake, ws.models, version) or "")
    (row,) = promote_challengers(ws.use_case, ws.lake, ws.models, ws.champion_ledger, "replay", [AS_OF])
    assert (row.verdict, row.version) == ("REJECT", version)
    assert reason in row.reasons[0] and "delete it and run the chain again" in row.reasons[0]
    assert ws.champion_ledger.promotions("replay") == []
    shutil.rmtree(folder)
    shutil.copytree(sound, folder)
    (row,) = promote_challengers(ws.use_case, ws.lake, ws.models, ws.champion_ledger, "replay", [AS_OF])
    assert (row.verdict, row.version) == ("PROMOTE", version)


def test_a_deleted_version_is_trained_again_to_the_same_files(ws: Workspace) -> None:
    version = version_of(ws, AS_OF)
    folder = Path(str(ws.models.folder(version)))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    shutil.rmtree(folder)
    assert train_on(ws, AS_OF) == version
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    verify_files("calls_in_time", ws.lake, ws.models, version)


def test_a_fault_in_a_model_that_values_the_challenger_is_refused_too(ws: Workspace) -> None:
    earlier = version_of(ws, EARLIER)
    write_rubbish(Path(str(ws.models.folder(earlier))), Path())
    (row,) = promote_challengers(ws.use_case, ws.lake, ws.models, ws.champion_ledger, "replay", [AS_OF])
    assert row.verdict == "REJECT"
    reason = f"comparison can't be trusted: The model {earlier} can't be loaded: The hash of the model file differs"
    assert reason in row.reasons[0]


def test_the_card_records_the_scores_of_the_first_rows(ws: Workspace) -> None:
    version = version_of(ws, AS_OF)
    card = ws.models.card(version)
    rows = ws.models.training_frame(version).head(SAMPLE_ROWS)
    assert card.sample_scores == ws.models.load(version).predict(rows).tolist()


def test_an_unchanged_model_is_not_loaded_again(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    version = version_of(ws, AS_OF)
    verify_files("calls_in_time", ws.lake, ws.models, version)

    def fail(*_: object) -> None:
        raise AssertionError("loaded again")

    monkeypatch.setattr(model_files, "load_skops", fail)
    verify_files("calls_in_time", ws.lake, ws.models, version)
    write_rubbish(Path(str(ws.models.folder(version))), Path())
    with pytest.raises(AssertionError, match="loaded again"):
        verify_files("calls_in_time", ws.lake, ws.models, version)


def test_a_card_of_an_earlier_release_has_no_scores_to_compare(ws: Workspace) -> None:
    version = version_of(ws, AS_OF)
    path = Path(str(ws.models.folder(version))) / CARD
    card = json.loads(path.read_bytes())
    del card["sample_scores"]
    path.write_text(json.dumps(card))
    verify_files("calls_in_time", ws.lake, ws.models, version)


def test_a_missing_or_unreadable_file_is_named(ws: Workspace) -> None:
    version = version_of(ws, AS_OF)
    folder = Path(str(ws.models.folder(version)))
    (folder / CARD).write_text("{")
    with pytest.raises(ModelError, match=rf"{version}: The model card can't be read"):
        ws.models.card(version)
    assert "can't be read" in (find_file_problem("calls_in_time", ws.lake, ws.models, version) or "")
    (folder / MODEL).unlink()
    assert "model.skops is missing" in (find_file_problem("calls_in_time", ws.lake, ws.models, version) or "")
