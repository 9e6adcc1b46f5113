"""The people of a use case: who decides and reviews, who is affected, and how they are trained and informed."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from sixtyforty.spec.base import VARIABLE, DeclaredModel, Name
from sixtyforty.spec.review import Responders


class Vision(DeclaredModel):
    """The vision of one person: what the use case should achieve."""

    role: str = Field(description="Their role, never their name.")
    statement: str = Field(description="What they want, in their own words.")


class Research(DeclaredModel):
    """One finding of research with the future users."""

    day: date = Field(description="Local day of the research.")
    participants: str = Field(description="Who took part, by role and number, never by name.")
    finding: str = Field(description="What was learned.")


class Sceptic(DeclaredModel):
    """A concern that people have, and the response to it."""

    role: str = Field(description="Their role, never their name.")
    concern: str = Field(description="What they fear.")
    response: str = Field(description="What is done about it.")


class Task(DeclaredModel):
    """One part of the training. `sixtyforty training` and the web desk record who has completed it."""

    title: str = Field(description="What people learn or practise.")
    role: str = Field(description="The role that is trained.")
    headcount: PositiveInt = Field(description="Number of people to train.")
    skill: str | None = Field(
        default=None, description="The skill that it teaches; use the same name in all use cases."
    )
    due: date | None = Field(default=None, description="Local day by which the training should be complete.")


class Change(DeclaredModel):
    """The plan for change: concerns and training."""

    sceptics: list[Sceptic] = Field(default_factory=list, description="Concerns, and the responses to them.")
    training: dict[Name, Task] = Field(default_factory=dict, description="What is to be learned, and by which role.")


class People(Responders):
    """Who decides, in which step of which process, and how they will adopt the model's decisions."""

    role: str = Field(description="The role of the people who decide.")
    team: str = Field(description="Their team.")
    headcount: int = Field(gt=0, description="Number of people who decide.")
    process_step: str = Field(description="The step of their process in which the decision is made.")
    adoption: str = Field(description="How they will start to use the decisions, and keep using them.")
    executive: Vision | None = Field(default=None, description="The executive's vision.")
    manager: Vision | None = Field(default=None, description="The operating manager's vision.")
    research: list[Research] = Field(default_factory=list, description="Dated findings of user research.")
    change: Change = Field(default_factory=Change, description="The plan for change.")
    illustrative: bool = Field(
        default=False,
        description="`true`: the visions, the research and the plan are invented for a demonstration. Every page that"
        " shows them says so.",
    )


class Subscription(DeclaredModel):
    """A regular digest for a role."""

    role: Literal["decider", "expert", "owner", "auditor", "engineer"] = Field(
        description="The role that the digest is written for."
    )
    cadence: Literal["daily", "weekly", "monthly"] = Field(
        description="How often: every day, on Mondays, or on the 1st. It covers the days since the previous digest."
    )
    to: list[Annotated[str, Field(pattern=VARIABLE)]] = Field(
        min_length=1, description="Environment variables that hold the addresses: Apprise URLs such as mailto://…"
    )
    hour: int = Field(default=7, ge=0, le=23, description="The local hour from which the digest is sent.")
