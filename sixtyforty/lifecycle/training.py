"""Record which planned training tasks people have completed, in a hash-chained ledger."""

from __future__ import annotations

from collections import Counter

from pydantic import Field

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.hash_chain import ChainedRow, HashChain
from sixtyforty.workspace import Workspace


class TrainingError(SixtyfortyError):
    """A completed task can't be recorded."""


class CompletedTask(ChainedRow):
    """A task that the person `by` has completed."""

    task: str = Field(description="The task's name in people.change.training.")


class TrainingLedger(HashChain[CompletedTask]):
    """The ledger `training.jsonl` of one use case."""

    row_type = CompletedTask


def open_training_ledger(ws: Workspace) -> TrainingLedger:
    """Return the training ledger of a use case."""
    return TrainingLedger(ws.champion_ledger.path.with_name("training.jsonl"))


def record_completion(ws: Workspace, task: str, by: str) -> CompletedTask:
    """Record that the person `by` has completed a task. A second call for the same person and task changes nothing.

    Raises TrainingError if the task isn't planned, or if no person is named.
    """
    planned, person = ws.use_case.people.change.training, by.strip()
    if task not in planned:
        raise TrainingError(
            f"The task '{task}' isn't planned in people.change.training. Planned tasks: {', '.join(planned) or 'none'}."
        )
    if not person:
        raise TrainingError(f"{task}: name the person who has completed it.")

    def find_repeated(rows: list[CompletedTask]) -> CompletedTask | None:
        return next((row for row in rows if (row.by, row.task) == (person, task)), None)

    return open_training_ledger(ws).append_row({"by": person, "task": task}, find_repeated)


def list_trained_people(ws: Workspace) -> dict[str, list[str]]:
    """Return the people who have completed each planned task, in the order in which they were recorded."""
    rows = open_training_ledger(ws).rows()
    return {task: [row.by for row in rows if row.task == task] for task in ws.use_case.people.change.training}


def share_trained(ws: Workspace) -> float | None:
    """Return the share of the planned training that is completed, or None if no training is planned.

    Each person counts once for each task. People beyond the planned headcount of a task don't count.
    """
    planned = ws.use_case.people.change.training
    completed = Counter(row.task for row in open_training_ledger(ws).rows())
    required = sum(task.headcount for task in planned.values())
    if not required:
        return None
    return sum(min(completed[name], task.headcount) for name, task in planned.items()) / required
