"""Report how mature the use cases are: their level, the time spent in each stage, people's skills, and next steps.

The level of a use case is its stage. Without declared gates, the level is `ad hoc`, because success isn't defined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from statistics import median
from typing import Any

from sixtyforty.lifecycle import training
from sixtyforty.lifecycle.stage_gate import read_stage_status
from sixtyforty.lifecycle.stage_history import StageSpell, current_stage, list_stage_spells
from sixtyforty.spec.clock import now as current_time
from sixtyforty.spec.stages import STAGES
from sixtyforty.workspace import Workspace

LEVELS = ("ad hoc", *STAGES)


@dataclass(frozen=True)
class UseCaseMaturity:
    """The maturity of one use case: its level, its time in each stage, its user research, training and next steps.

    `level`: its stage, or `ad hoc`. `spells`: the time spent in each stage. `research`: number of declared findings of
    user research. `trained`: completed share of the planned training of people; None if no training is planned.
    `illustrative`: whether the declared people and plans are invented for a demonstration.
    """

    name: str
    title: str
    level: str
    spells: list[StageSpell]
    research: int
    trained: float | None
    illustrative: bool
    next_steps: list[str]


@dataclass(frozen=True)
class Skill:
    """A skill that the planned training of people teaches.

    `use_cases`: titles of the use cases that plan the training. `trained`: number of people who have the skill; a
    person counts once, even after several trainings. `planned`: number of people to train, added up over trainings.
    """

    name: str
    use_cases: list[str]
    trained: int
    planned: int


@dataclass(frozen=True)
class StageLeadTime:
    """How long use cases stay in a stage, in days.

    `left`: number of use cases that have left the stage. `median_days`: median number of days that these use cases
    spent in the stage; None if no use case has left it. `in_it`: number of use cases in the stage now.
    """

    stage: str
    left: int
    median_days: float | None
    in_it: int

    def to_dict(self) -> dict[str, Any]:
        """Return the figures of the stage as a dict for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class MaturityReport:
    """The maturity of all use cases. `levels`: the number of use cases at each level, such as `pilot`."""

    use_cases: list[UseCaseMaturity]
    levels: dict[str, int]
    lead_times: list[StageLeadTime]
    skills: list[Skill]


def assess_maturity(workspaces: Sequence[Workspace], now: datetime | None = None) -> MaturityReport:
    """Return the maturity of all use cases at a UTC time. now: None means the current time."""
    use_cases = list_use_case_maturity(workspaces, now or current_time())
    return MaturityReport(
        use_cases=use_cases,
        levels={level: sum(u.level == level for u in use_cases) for level in LEVELS},
        lead_times=summarize_lead_times(use_cases),
        skills=list_skills(workspaces),
    )


def list_use_case_maturity(workspaces: Sequence[Workspace], now: datetime) -> list[UseCaseMaturity]:
    """Return the maturity of each use case at a UTC time. The highest level comes first, retired use cases last."""
    use_cases = [_assess_use_case(ws, now) for ws in workspaces]
    return sorted(use_cases, key=lambda u: (-LEVELS.index(u.level) if u.level != "retired" else 1, u.name))


def _assess_use_case(ws: Workspace, now: datetime) -> UseCaseMaturity:
    use_case = ws.use_case
    return UseCaseMaturity(
        name=use_case.name,
        title=use_case.title,
        level=current_stage(ws) if use_case.stages or use_case.stage == "retired" else "ad hoc",
        spells=list_stage_spells(ws, now),
        research=len(use_case.people.research),
        trained=training.share_trained(ws),
        illustrative=use_case.people.illustrative,
        next_steps=list_next_steps(ws, now),
    )


def list_next_steps(ws: Workspace, now: datetime) -> list[str]:
    """Return the next steps for the team of a use case, one sentence each, the most urgent first."""
    people = ws.use_case.people
    if current_stage(ws) == "retired":
        return ["Nothing to do: the use case is retired. Its model record holds what was learned."]
    steps = _steps_of_gate(ws, now)
    if not people.research:
        steps.append(
            f"Ask the {people.role}s what they need, and declare their answers in people.research of defs.yaml."
        )
    if people.executive is None or people.manager is None:
        steps.append(
            "Ask the executive and the operating manager what they expect. Declare their statements in"
            " people.executive and people.manager of defs.yaml."
        )
    if not people.change.training:
        steps.append(
            "Plan the training that people need, and ask who has concerns. Declare both in people.change of defs.yaml."
        )
    elif (trained := training.share_trained(ws) or 0.0) < 1:
        steps.append(f"Train the people: {trained:.0%} of their planned training is completed.")
    return steps


def _steps_of_gate(ws: Workspace, now: datetime) -> list[str]:
    if ws.use_case.stages is None:
        return ["Declare stages in defs.yaml, each with a target and a stop date, before anybody looks at the figures."]
    status = read_stage_status(ws, now)
    if status.verdict == "stop":
        return [
            "The stage gate stopped the use case. Write down what was learned. Then retire the use case, or register a"
            " new gate with the reason."
        ]
    if status.verdict == "pass" and status.stage in ("poc", "pilot"):
        following = STAGES[STAGES.index(status.stage) + 1]
        gate = ws.use_case.stages.gate(following)
        action = f"start the {following} ({gate.scope.description})" if gate else f"declare a gate for {following}"
        return [f"The gate of this stage has passed: {action}."]
    return [f"{obstacle[0].upper()}{obstacle[1:]}." for obstacle in status.obstacles[:2]]


def list_skills(workspaces: Sequence[Workspace]) -> list[Skill]:
    """Return every skill that the planned training of the use cases teaches, sorted by name."""
    titles: dict[str, set[str]] = {}
    people: dict[str, set[str]] = {}
    planned: dict[str, int] = {}
    for ws in workspaces:
        completed = training.list_trained_people(ws)
        for name, task in ws.use_case.people.change.training.items():
            if task.skill:
                titles.setdefault(task.skill, set()).add(ws.use_case.title)
                people.setdefault(task.skill, set()).update(completed[name])
                planned[task.skill] = planned.get(task.skill, 0) + task.headcount
    return [Skill(name, sorted(titles[name]), len(people[name]), planned[name]) for name in sorted(titles)]


def summarize_lead_times(use_cases: Sequence[UseCaseMaturity]) -> list[StageLeadTime]:
    """Return how many days use cases spend in each stage, from `idea` to `production`, in this order."""
    lead_times = []
    for stage in ("idea", *STAGES[:-1]):
        spells = [spell for use_case in use_cases for spell in use_case.spells if spell.stage == stage]
        ended = [spell.days for spell in spells if spell.until]
        lead_times.append(
            StageLeadTime(stage, len(ended), round(median(ended), 1) if ended else None, len(spells) - len(ended))
        )
    return lead_times
