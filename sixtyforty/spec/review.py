"""The declared facts about people on which decisions depend: their responses, and which decisions they review.

A review also says whose action applies until a reviewer has answered. All other facts about people are in `people`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from sixtyforty.spec.base import DeclaredModel, Name
from sixtyforty.spec.errors import FieldError


class Review(DeclaredModel):
    """Which decisions a person reviews: those where the model abstains, or where an expert's rule disagrees with it."""

    reviewers: dict[Name, PositiveInt] = Field(
        min_length=1, description="Each role that reviews, with the number of reviews it can do per day."
    )
    minutes_per_review: float = Field(gt=0, description="Minutes that one review takes.")
    abstain_below: float = Field(
        default=0.0,
        ge=0,
        description="The model abstains if the expected payoffs of the two best actions differ by less than this, in"
        " the KPI's currency. 0: never.",
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
        """The difference in expected payoff of the two best actions below which the current process decides.

        It is in the KPI's currency. 0: the current process never decides for this reason.
        """
        return self.abstain_below if self.fallback == "current_process" else 0.0

    @model_validator(mode="after")
    def _check_trigger(self) -> Review:
        if self.rule is None and not self.abstain_below:
            raise FieldError(
                "", "nothing would be reviewed; declare a `rule` (a candidate of the KPI) or abstain_below above 0"
            )
        return self


class Responders(DeclaredModel):
    """How people respond to decisions: the source of their responses, and the review."""

    responses: Name | None = Field(
        default=None,
        description="The source that holds what people did with the decisions, partitioned by the decision's day.",
    )
    review: Review | None = Field(default=None, description="Which decisions a person reviews, and who.")
