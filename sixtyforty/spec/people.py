"""The people a use case is for."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from sixtyforty.spec.base import VARIABLE, DeclaredModel, Name


class Review(DeclaredModel):
    """Whom a decision may be put before, and which decisions are worth that.

    Those the model abstains from, and those on which an expert's rule disagrees with it.
    """

    reviewers: dict[Name, PositiveInt] = Field(min_length=1, description="Who reviews, and how many a day each can.")
    minutes_per_review: float = Field(gt=0, description="Minutes one review takes.")
    abstain_below: float = Field(
        default=0.0,
        ge=0,
        description="The model abstains where the expected payoffs of the two best actions are nearer to each other"
        " than this, in the KPI's unit. 0: never.",
    )
    rule: str | None = Field(default=None, description="The candidate of the KPI whose disagreement counts.")
    fallback: Literal["model", "current_process"] = Field(
        default="model", description="Whose action is taken where the model abstains, until a reviewer has answered."
    )

    @property
    def defer_below(self) -> float:
        """The margin between the two best actions below which the current process decides; 0: never."""
        return self.abstain_below if self.fallback == "current_process" else 0.0

    @model_validator(mode="after")
    def _something_to_review(self) -> Review:
        if self.rule is None and not self.abstain_below:
            raise ValueError("review needs a rule (a candidate of the KPI) or abstain above 0: nothing would be asked")
        return self


class Vision(DeclaredModel):
    """What somebody wants to come of it."""

    role: str = Field(description="Their role, never their name.")
    statement: str = Field(description="In their own words.")


class Research(DeclaredModel):
    """What was learned from those who are to use it."""

    day: date = Field(description="The local day.")
    participants: str = Field(description="Who was asked or watched, by role and number, never by name.")
    finding: str = Field(description="What was found.")


class Sceptic(DeclaredModel):
    """Whom it worries, why, and what is done about it."""

    role: str = Field(description="Their role, never their name.")
    concern: str = Field(description="What they fear.")
    response: str = Field(description="What is done about it.")


class Task(DeclaredModel):
    """A piece of training. Who has done it is kept by `sixtyforty trained` and on the desk."""

    title: str = Field(description="What is learned or tried.")
    role: str = Field(description="Whose it is.")
    headcount: PositiveInt = Field(description="How many are to do it.")
    skill: str | None = Field(default=None, description="The skill it gives; alike across use cases.")
    due: date | None = Field(default=None, description="The local day by which it is to be done.")


class Change(DeclaredModel):
    """The plan for change."""

    sceptics: list[Sceptic] = Field(default_factory=list, description="Whom it worries, and what is done about it.")
    training: dict[Name, Task] = Field(default_factory=dict, description="What is to be learned, and by whom.")


class People(DeclaredModel):
    """Who decides, in which step of which process, and how they come to use the answer."""

    role: str = Field(description="The role of those who decide.")
    team: str = Field(description="Their team.")
    headcount: int = Field(gt=0, description="How many people that is.")
    process_step: str = Field(description="The step of their process the decision belongs to.")
    adoption: str = Field(description="How they are won, and kept.")
    responses: Name | None = Field(
        default=None, description="The source of what they did with the decisions; partitioned by the decision's day."
    )
    review: Review | None = Field(default=None, description="Which decisions are put before a person, and whom.")
    executive: Vision | None = Field(default=None, description="The executive's vision.")
    manager: Vision | None = Field(default=None, description="The operating manager's vision.")
    research: list[Research] = Field(default_factory=list, description="Dated findings of user research.")
    change: Change = Field(default_factory=Change, description="The plan for change.")
    illustrative: bool = Field(
        default=False, description="Visions, research and plan are made up for a demonstration; said where they show."
    )


class Subscription(DeclaredModel):
    """A digest for a role: how it goes, at whiles."""

    role: Literal["decider", "expert", "owner", "auditor", "engineer"] = Field(description="Whom it is written for.")
    cadence: Literal["daily", "weekly", "monthly"] = Field(
        description="How often: each day, on Mondays, on the 1st. It tells of the days since the one before."
    )
    to: list[Annotated[str, Field(pattern=VARIABLE)]] = Field(
        min_length=1, description="Environment variables that hold the addresses (Apprise URLs): mailto:// and others."
    )
    hour: int = Field(default=7, ge=0, le=23, description="The local hour from which it is due.")
