"""Declared facts about people that decisions depend on: where people's responses come from, and what people review.

A review also declares whose action applies until a reviewer has answered. All other facts about people are in `people`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from sixtyforty.spec.base import DeclaredModel, Name
from sixtyforty.spec.errors import FieldError

Unanswered = Literal["done", "not_done"]
"""What happens to a decision that nobody answers: its action is taken, or the current process's action."""


class Review(DeclaredModel):
    """Which decisions a person reviews: those where the model abstains, or disagrees with an expert's rule."""

    reviewers: dict[Name, PositiveInt] = Field(
        min_length=1, description="Each role that reviews, with the number of reviews it can do per day."
    )
    minutes_per_review: float = Field(gt=0, description="Minutes that one review takes.")
    abstain_below: float = Field(
        default=0.0,
        ge=0,
        description="Limit in the KPI's currency. The model abstains if the expected payoffs of the two best actions"
        " differ by less than this limit. 0: the model never abstains.",
    )
    rule: str | None = Field(
        default=None, description="The candidate of kpi.candidates whose disagreement with the model causes a review."
    )
    fallback: Literal["model", "current_process"] = Field(
        default="model",
        description="Whose action applies if the model abstains, until a reviewer has answered.",
    )

    @property
    def defer_below(self) -> float:
        """If the two best expected payoffs differ by less than this, the current process decides until a review.

        The payoffs are in the KPI's currency. 0: the current process never decides for this reason.
        """
        return self.abstain_below if self.fallback == "current_process" else 0.0

    @model_validator(mode="after")
    def _check_trigger(self) -> Review:
        if self.rule is None and not self.abstain_below:
            raise FieldError(
                "", "no decision would be reviewed; declare a `rule` (a candidate of the KPI) or abstain_below above 0"
            )
        return self


class Responders(DeclaredModel):
    """How people respond to decisions: the source of their responses, and the review."""

    responses: Name | None = Field(
        default=None,
        description="The source of people's responses to decisions. It must be partitioned by the day of the decision.",
    )
    answer_within_minutes: PositiveInt | None = Field(
        default=None,
        description="Minutes after the decision time within which an answer or its withdrawal has an effect. A later"
        " answer is recorded, but the decision stays in force. If left out, there is no deadline.",
    )
    unanswered: Unanswered | None = Field(
        default=None,
        description="What happens to a decision that nobody answers in time. `done`: its action is taken, for example"
        " because a system carries out the delivered decisions. `not_done`: the current process's action is taken, for"
        " example because a person must call the crew. Required with `responses`: the value of what people did depends"
        " on it.",
    )
    review: Review | None = Field(default=None, description="Which decisions are reviewed, and by whom.")
