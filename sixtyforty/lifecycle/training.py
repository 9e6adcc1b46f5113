"""Record in a hash-chained ledger which people have completed which tasks of their planned training."""

from __future__ import annotations

from collections import Counter

from pydantic import Field

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.hash_chain import ChainedRow, HashChain
from sixtyforty.workspace import Workspace


class TrainingError(SixtyfortyError):
    """A person's completed training task can't be recorded."""


class CompletedTask(ChainedRow):
    """A row of the training ledger: a training task that the person `by` has completed."""

    task: str = Field(description="The task's name in people.change.training.")


class TrainingLedger(HashChain[CompletedTask]):
    """The ledger `training.jsonl` of one use case: the training tasks that people have completed."""

    row_type = CompletedTask


def open_training_ledger(ws: Workspace) -> TrainingLedger:
    """Return the ledger of the training that people of a use case have completed."""
    return ws.open_ledger(TrainingLedger, "training.jsonl")


def record_completion(ws: Workspace, task: str, by: str) -> CompletedTask:
    """Record that the person `by` has completed a training task, and return the ledger row.

    A second call for the same person and task changes nothing. Raises TrainingError if the task isn't planned, or if
    `by` is empty.
    """
    planned, person = ws.use_case.people.change.training, by.strip()
    if task not in planned:
        raise TrainingError(
            f"{ws.use_case.name}: the training task '{task}' isn't planned in people.change.training."
            f" Planned tasks: {', '.join(planned) or 'none'}."
        )
    if not person:
        raise TrainingError(
            f"{ws.use_case.name}: the person who completed the training task '{task}' isn't named. Name the person."
        )

    def find_repeated(rows: list[CompletedTask]) -> CompletedTask | None:
        return next((row for row in rows if (row.by, row.task) == (person, task)), None)

    return open_training_ledger(ws).append_row(CompletedTask(by=person, task=task), find_repeated)


def list_trained_people(ws: Workspace) -> dict[str, list[str]]:
    """Return, for each planned training task, the people who have completed it, in the order of the ledger."""
    rows = open_training_ledger(ws).rows()
    return {task: [row.by for row in rows if row.task == task] for task in ws.use_case.people.change.training}


def share_trained(ws: Workspace) -> float | None:
    """Return the completed share (0 to 1) of the planned training of people; None if no training is planned.

    A person counts once for each completed task. For each task, at most the planned headcount of people counts.
    """
    planned = ws.use_case.people.change.training
    completed = Counter(row.task for row in open_training_ledger(ws).rows())
    required = sum(task.headcount for task in planned.values())
    if not required:
        return None
    return sum(min(completed[name], task.headcount) for name, task in planned.items()) / required
