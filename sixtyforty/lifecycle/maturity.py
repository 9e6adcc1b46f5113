"""Analytical maturity across use cases: how far each is, how long that took, which skills there are, what is next.

ad hoc: no gate is declared for it, so nobody has said by what it is to be judged. Else the stage it has earned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from sixtyforty.lifecycle import stage_gate, training
from sixtyforty.spec.clock import now
from sixtyforty.spec.stages import STAGES
from sixtyforty.workspace import Workspace

LEVELS = ("ad hoc", *STAGES)


@dataclass(frozen=True)
class Standing:
    """A use case. `spells`: its stages with their days; `trained`: share of the training that is done."""

    name: str
    title: str
    level: str
    spells: list[dict[str, Any]]
    research: int
    trained: float | None
    illustrative: bool
    next_steps: list[str]


@dataclass(frozen=True)
class Skill:
    """A skill that training gives: who needs it, how many have it of how many who are to. One person counts once."""

    name: str
    use_cases: list[str]
    have: int
    wanted: int


def standings(workspaces: Sequence[Workspace], moment: datetime) -> list[Standing]:
    """Of each use case, the furthest first."""
    found = [_standing(ws, moment) for ws in workspaces]
    return sorted(found, key=lambda s: (-LEVELS.index(s.level) if s.level != "retired" else 1, s.name))


def _standing(ws: Workspace, moment: datetime) -> Standing:
    case = ws.use_case
    level = stage_gate.earned(ws) if case.stages or case.stage == "retired" else "ad hoc"
    return Standing(
        case.name,
        case.title,
        level,
        stage_gate.lead_times(ws, moment),
        len(case.people.research),
        training.share(ws),
        case.people.illustrative,
        next_steps(ws, moment),
    )


def next_steps(ws: Workspace, moment: datetime) -> list[str]:
    """What its team is to do next, the nearest first, in words."""
    case, people = ws.use_case, ws.use_case.people
    if stage_gate.earned(ws) == "retired":
        return ["Retired: what was learned is in its record."]
    steps = []
    if case.stages is None:
        steps.append("Say by what it is to be judged, and by when, before its figures are looked at.")
    else:
        now_ = stage_gate.standing(ws, moment)
        following = {"poc": "pilot", "pilot": "production"}.get(now_.stage)
        gate = case.stages.pilot if following == "pilot" else case.stages.production
        if now_.said == "stop":
            steps.append("It was stopped: write down what was learned, and retire it or say anew what it must show.")
        elif now_.said == "pass" and following:
            begin = f"begin the {following} ({gate.scope.told})" if gate else f"say what the {following} must show"
            steps.append(f"Its gate has passed: {begin}.")
        else:
            steps += [f"{reason[0].upper()}{reason[1:]}." for reason in now_.against[:2]]
    if not people.research:
        steps.append(f"Ask the {people.role}s what they need, and write down what they say.")
    if people.executive is None or people.manager is None:
        steps.append("Ask the executive and the operating manager what they want to come of it.")
    if not people.change.training:
        steps.append("Plan what people must learn to use it, and whom it worries.")
    elif (done := training.share(ws) or 0.0) < 1:
        steps.append(f"Train the people: {done:.0%} is done.")
    return steps


def skills(workspaces: Sequence[Workspace]) -> list[Skill]:
    """Every skill that some training gives, by name."""
    found: dict[str, tuple[list[str], set[str], int]] = {}
    for ws in workspaces:
        done = training.who(ws)
        for name, task in ws.use_case.people.change.training.items():
            if task.skill:
                cases, people, wanted = found.get(task.skill, ([], set(), 0))
                found[task.skill] = ([*cases, ws.use_case.title], people | set(done[name]), wanted + task.headcount)
    return [Skill(n, sorted(set(cases)), len(people), wanted) for n, (cases, people, wanted) in sorted(found.items())]


def lead_times(found: Sequence[Standing]) -> list[dict[str, Any]]:
    """The median days of each stage, over the use cases that have left it, and how many are in it now."""
    rows = []
    for stage in ("idea", *STAGES[:-1]):
        spells = [s for one in found for s in one.spells if s["stage"] == stage]
        over = [s["days"] for s in spells if s["to"]]
        rows.append(
            {
                "stage": stage,
                "left": len(over),
                "median_days": round(median(over), 1) if over else None,
                "in_it": len(spells) - len(over),
            }
        )
    return rows


def facts(workspaces: Sequence[Workspace], moment: datetime | None = None) -> dict[str, Any]:
    """All the page says, as data."""
    found = standings(workspaces, moment or now())
    return {
        "standings": found,
        "levels": {level: sum(s.level == level for s in found) for level in LEVELS},
        "lead_times": lead_times(found),
        "skills": skills(workspaces),
    }
