"""The people of a use case: who decides and reviews, who is affected, and how people are trained and informed."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from sixtyforty.spec.base import VARIABLE, DeclaredModel, Name
from sixtyforty.spec.review import Responders


class Vision(DeclaredModel):
    """What one person, such as the executive, wants the use case to achieve."""

    role: str = Field(description="The person's role, never the name.")
    statement: str = Field(description="What the person wants the use case to achieve, in the person's own words.")


class Research(DeclaredModel):
    """One finding of research with the future users."""

    day: date = Field(description="Local day on which the research took place.")
    participants: str = Field(description="Who took part, by role and number, never by name.")
    finding: str = Field(description="What the research showed.")


class Sceptic(DeclaredModel):
    """A concern that people have about the use case, and the response to it."""

    role: str = Field(description="The role of the people who have the concern, never a name.")
    concern: str = Field(description="What the people who have the concern fear.")
    response: str = Field(description="What is done about the concern.")


class Task(DeclaredModel):
    """One part of the training of people. `sixtyforty training` and the desk record who has completed it."""

    title: str = Field(description="What people learn in this part of the training.")
    role: str = Field(description="The role that is trained.")
    headcount: PositiveInt = Field(description="Number of people to train.")
    skill: str | None = Field(
        default=None, description="The skill that people learn; use the same name in all use cases."
    )
    due: date | None = Field(default=None, description="Local day by which this training should be complete.")


class Change(DeclaredModel):
    """How the use case is introduced: people's concerns, and what people must learn."""

    sceptics: list[Sceptic] = Field(default_factory=list, description="People's concerns, and the responses to them.")
    training: dict[Name, Task] = Field(default_factory=dict, description="The parts of people's training, by name.")


class People(Responders):
    """The people who decide: their role, their process, and how they will adopt the model's decisions."""

    role: str = Field(description="The role of the people who decide.")
    team: str = Field(description="The team of the people who decide.")
    headcount: int = Field(gt=0, description="Number of people who decide.")
    process_step: str = Field(description="The step of the work process in which the decision is made.")
    adoption: str = Field(description="How people will start to use the model's decisions, and keep using them.")
    executive: Vision | None = Field(default=None, description="The executive's vision.")
    manager: Vision | None = Field(default=None, description="The operating manager's vision.")
    research: list[Research] = Field(default_factory=list, description="Dated findings of user research.")
    change: Change = Field(default_factory=Change, description="People's concerns, and what people must learn.")
    illustrative: bool = Field(
        default=False,
        description="`true`: the visions, research, concerns and training are invented for a demonstration. Every page"
        " that shows them says so.",
    )


class Subscription(DeclaredModel):
    """A digest that a role receives regularly."""

    role: Literal["decider", "expert", "owner", "auditor", "engineer"] = Field(
        description="The role that the digest is written for."
    )
    cadence: Literal["daily", "weekly", "monthly"] = Field(
        description="When the digest is sent: every day, every Monday, or on the first day of every month. It covers"
        " the days since the previous digest."
    )
    to: list[Annotated[str, Field(pattern=VARIABLE)]] = Field(
        min_length=1, description="Environment variables that hold the addresses: Apprise URLs such as mailto://…"
    )
    hour: int = Field(default=7, ge=0, le=23, description="The local hour at which the digest is sent.")
