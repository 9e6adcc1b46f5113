"""Who has done which training task of the plan for change: said by whoever did it, kept for ever, chained by hashes."""

from __future__ import annotations

from collections import Counter

from pydantic import Field

from sixtyforty.storage.champion_ledger import Chain, Chained
from sixtyforty.workspace import Workspace


class TrainingError(ValueError):
    """What was said to be done can't be kept, and why."""


class Done(Chained):
    """A task done; `by` is who did it."""

    task: str = Field(description="The task's name in people.change.training.")


class Trainings(Chain[Done]):
    """`training.jsonl` of one use case."""

    kind = Done


def trainings(ws: Workspace) -> Trainings:
    """Those of a use case."""
    return Trainings(ws.ledger.path.with_name("training.jsonl"))


def do(ws: Workspace, task: str, by: str) -> Done:
    """Keeps that somebody has done a task; once. Raises TrainingError for a task that isn't planned."""
    planned, who = ws.use_case.people.change.training, by.strip()
    if task not in planned:
        raise TrainingError(f"no training '{task}' is planned; there are: {', '.join(planned) or 'none'}")
    if not who:
        raise TrainingError("say who has done it")
    return trainings(ws).add(
        {"by": who, "task": task}, lambda rows: next((r for r in rows if (r.by, r.task) == (who, task)), None)
    )


def who(ws: Workspace) -> dict[str, list[str]]:
    """Of each task planned, who has done it, in order."""
    rows = trainings(ws).rows()
    return {t: [r.by for r in rows if r.task == t] for t in ws.use_case.people.change.training}


def share(ws: Workspace) -> float | None:
    """Share of the training that is done, each person wanted for each task counted; None: none is planned."""
    planned, done = ws.use_case.people.change.training, Counter(r.task for r in trainings(ws).rows())
    wanted = sum(t.headcount for t in planned.values())
    return sum(min(done[n], t.headcount) for n, t in planned.items()) / wanted if wanted else None
