"""Training: a completed task is recorded once per person, and the share counts each planned person."""

from __future__ import annotations

from pathlib import Path

import pytest

from sixtyforty.lifecycle.training import (
    TrainingError,
    list_trained_people,
    open_training_ledger,
    record_completion,
    share_trained,
)
from sixtyforty.storage.hash_chain import LedgerError
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace

TASK = {"title": "Read a list", "role": "dispatcher", "headcount": 2}


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path, people={"change": {"training": {"lists": TASK}}})


def test_a_person_completes_a_task_once(ws: Workspace) -> None:
    first = record_completion(ws, "lists", " ann ")
    assert record_completion(ws, "lists", "ann") == first
    assert (list_trained_people(ws), share_trained(ws)) == ({"lists": ["ann"]}, 0.5)


def test_more_people_than_planned_complete_no_more_than_the_plan(ws: Workspace) -> None:
    for person in ("ann", "bo", "cy"):
        record_completion(ws, "lists", person)
    assert (list_trained_people(ws), share_trained(ws)) == ({"lists": ["ann", "bo", "cy"]}, 1.0)


def test_only_a_planned_task_of_a_named_person_is_recorded(ws: Workspace) -> None:
    with pytest.raises(
        TrainingError,
        match=r"the training task 'swimming' isn't planned in people.change.training\. Planned tasks: lists",
    ):
        record_completion(ws, "swimming", "ann")
    with pytest.raises(TrainingError, match="Name the person"):
        record_completion(ws, "lists", "  ")
    assert open_training_ledger(ws).rows() == []


def test_without_a_plan_there_is_no_share(tmp_path: Path) -> None:
    assert share_trained(make_workspace(tmp_path)) is None


def test_a_changed_record_is_found(ws: Workspace) -> None:
    record_completion(ws, "lists", "ann")
    path = open_training_ledger(ws).path
    assert isinstance(path, Path)
    path.write_text(path.read_text().replace("ann", "eve"))
    with pytest.raises(LedgerError, match="was changed"):
        share_trained(ws)
