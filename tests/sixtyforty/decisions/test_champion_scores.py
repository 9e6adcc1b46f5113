"""A champion scores what it can; of the rest the reason is kept, and the replay refuses a fault of the files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sixtyforty.decisions.champion_scores import UNSCORED, unscored_reason
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_facts import DecisionFacts, UnscoredDecisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.modeling.estimators import FittedModel
from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.spec.recipe import Veto
from sixtyforty.storage.sql import identifier
from sixtyforty.value.policy import UNPRICED_REASON
from sixtyforty.workspace import Workspace
from tests.sixtyforty.decisions.conftest import KEY, KEY_BEFORE, adopt_at

START = datetime(2013, 3, 13, 11)
END = datetime(2013, 3, 13, 14, 30)
Damage = Callable[[Path], object]


@pytest.fixture
def patient(ready: Workspace) -> Workspace:
    """Return a home in which no decision is late."""
    automation = ready.use_case.automation.model_copy(update={"late_after_minutes": 100_000})
    return replace(ready, use_case=ready.use_case.model_copy(update={"automation": automation}))


def champion_folder(ws: Workspace) -> Path:
    return Path(str(ws.models.folder(ws.champion_ledger.promotions("replay")[0].version)))


def rewrite_features(ws: Workspace, key: str, select: str) -> None:
    """Write a partition's features again, with other columns."""
    entry = ws.lake.entry("features", key)
    assert entry
    with ws.lake.open_session("UTC") as db:
        rows = db.sql(f"select {select} from read_parquet({str(ws.lake.local_file(entry))!r})").to_arrow_table()
    ws.lake.write("features", key, rows, inputs=entry.inputs, code="test", facts=entry.facts)


DAMAGES: dict[str, tuple[Damage, str]] = {
    "changed": (lambda folder: (folder / "model.skops").write_bytes(b"x"), "The hash of the model file differs"),
    "missing": (lambda folder: (folder / "model.skops").unlink(), "model.skops is missing"),
    "no folder": (shutil.rmtree, "There is no model version"),
    "no card": (lambda folder: (folder / "card.json").write_bytes(b"x"), "The model card can't be read"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_live_a_broken_file_leaves_the_units_to_the_current_process(patient: Workspace, damage: str) -> None:
    adopt_at(patient, START)
    folder, (break_file, reason) = champion_folder(patient), DAMAGES[damage]
    break_file(folder)
    taken = take_decisions(patient, [KEY], "live", END)[KEY]
    decisions = read_decisions(patient, KEY, "live")
    assert len(decisions) == taken.new == 20
    assert {d.decided_by for d in decisions} == {"fallback"}
    assert all(d.action == d.current_action and d.reason.startswith(UNSCORED) and reason in d.reason for d in decisions)
    (unscored,) = DecisionFacts.from_entry(taken.entry).unscored
    assert (unscored.champion, unscored.decisions, unscored.is_newest) == (folder.name, 20, True)
    assert not unscored.reason.startswith(UNSCORED) and reason in unscored.reason


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_replay_refuses_a_broken_file(patient: Workspace, damage: str) -> None:
    DAMAGES[damage][0](champion_folder(patient))
    with pytest.raises(ModelError, match=DAMAGES[damage][1]):
        take_decisions(patient, [KEY], "replay", None)
    assert read_decisions(patient, KEY, "replay") == []


@pytest.mark.parametrize("track", ["live", "replay"])
def test_a_missing_feature_falls_back_in_its_partition_alone(patient: Workspace, track: Any) -> None:
    adopt_at(patient, datetime(2013, 3, 12))
    version = champion_folder(patient).name
    patient.champion_ledger.append(
        track="replay",
        version=version,
        verdict="PROMOTE",
        kind="first",
        as_of="2013-03-12",
        effective_from="2013-03-12T00:00:00",
        reasons=["for the test"],
    )
    rewrite_features(patient, KEY_BEFORE, "* exclude late_before")
    taken = take_decisions(patient, [KEY_BEFORE, KEY], track, END if track == "live" else None)
    assert {d.decided_by for d in read_decisions(patient, KEY, track)} <= {"model", "fallback"}
    assert taken[KEY].unscored == ()
    (unscored,) = taken[KEY_BEFORE].unscored
    assert unscored.reason == "the model needs late_before, which features.sql doesn't return"


def test_a_retyped_feature_does_not_change_the_scores_of_another_partition(patient: Workspace) -> None:
    adopt_at(patient, datetime(2013, 3, 12))
    take_decisions(patient, [KEY], "live", END)
    alone = read_decisions(patient, KEY, "live")
    patient.lake.drop("decisions/live", KEY)
    rewrite_features(patient, KEY_BEFORE, f"* replace (load::varchar as {identifier('load')})")
    taken = take_decisions(patient, [KEY_BEFORE, KEY], "live", END)
    assert [(d.unit, d.action, d.expected) for d in read_decisions(patient, KEY, "live")] == [
        (d.unit, d.action, d.expected) for d in alone
    ]
    assert "load is a text now and was a number" in taken[KEY_BEFORE].unscored[0].reason


def test_an_estimator_that_fails_on_one_partition_still_scores_the_other(
    patient: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    adopt_at(patient, datetime(2013, 3, 12))
    predict = FittedModel.predict

    def fail(self: FittedModel, frame: Any) -> Any:
        if KEY_BEFORE in set(frame["_partition"]):
            raise ValueError("could not convert string to float: 'Mrs Miller'")
        return predict(self, frame)

    monkeypatch.setattr(FittedModel, "predict", fail)
    taken = take_decisions(patient, [KEY_BEFORE, KEY], "live", END)
    assert taken[KEY].by_model > 0
    (unscored,) = taken[KEY_BEFORE].unscored
    assert unscored.reason == "the model's estimator fails with a ValueError", "its text may hold data"


def test_a_feature_without_values_is_scored_if_the_estimator_accepts_nulls(patient: Workspace) -> None:
    adopt_at(patient, START)
    rewrite_features(patient, KEY, "* replace (null::double as late_before)")
    taken = take_decisions(patient, [KEY], "live", END)[KEY]
    assert (taken.by_model, taken.unscored) == (20, ())


def test_a_feature_without_values_falls_back_if_the_estimator_refuses_it(
    patient: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: FittedModel, frame: Any) -> Any:
        if frame["late_before"].isna().all():
            raise ValueError("Input X contains NaN.")
        return np.zeros(len(frame))

    adopt_at(patient, datetime(2013, 3, 12))
    monkeypatch.setattr(FittedModel, "predict", refuse)
    rewrite_features(patient, KEY, "* replace (null::double as late_before)")
    assert take_decisions(patient, [KEY_BEFORE], "live", END)[KEY_BEFORE].unscored == ()
    (unscored,) = take_decisions(patient, [KEY], "live", END)[KEY].unscored
    assert unscored.reason == "the model's estimator fails with a ValueError"


def test_scores_that_are_no_numbers_are_no_scores(patient: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    adopt_at(patient, START)
    monkeypatch.setattr(FittedModel, "predict", lambda self, frame: np.full(len(frame), np.nan))
    (unscored,) = take_decisions(patient, [KEY], "live", END)[KEY].unscored
    assert unscored == UnscoredDecisions(
        champion_folder(patient).name, "the model's estimator returns no number for 20 of 20 units", 20, is_newest=True
    )


def test_a_veto_that_can_not_be_evaluated_falls_back(patient: Workspace) -> None:
    adopt_at(patient, START)
    veto = Veto(when="crew > 1", never="act", why="there is none")
    model = patient.use_case.model.model_copy(update={"vetoes": {"crews": veto}})
    changed = replace(patient, use_case=patient.use_case.model_copy(update={"model": model}))
    (unscored,) = take_decisions(changed, [KEY], "live", END)[KEY].unscored
    assert unscored.reason.startswith("model.vetoes.crews.when")


def test_a_unit_without_an_allowed_action_is_left_to_the_current_process(patient: Workspace) -> None:
    adopt_at(patient, START)
    vetoes = {
        f"no {action}": Veto(when="true", never=action, why="the shop is closed")
        for action in patient.use_case.kpi.actions
    }
    model = patient.use_case.model.model_copy(update={"vetoes": vetoes})
    closed = replace(patient, use_case=patient.use_case.model_copy(update={"model": model}))
    taken = take_decisions(closed, [KEY], "live", END)[KEY]
    decisions = read_decisions(closed, KEY, "live")
    assert {(d.decided_by, d.reason) for d in decisions} == {("fallback", UNPRICED_REASON)}
    assert all(d.action == d.current_action for d in decisions)
    assert (taken.by_model, taken.fallback, taken.unscored) == (0, len(decisions), ())


def test_a_reason_is_one_sentence() -> None:
    text = unscored_reason(ModelError("It is gone. Restore it."))
    assert text == f"{UNSCORED}It is gone: the current process decides"
