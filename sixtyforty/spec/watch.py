"""The limits beyond which alerts about a use case are sent."""

from __future__ import annotations

from pydantic import Field

from sixtyforty.spec.base import DeclaredModel


class Watch(DeclaredModel):
    """The limits beyond which `sixtyforty watch` sends alerts."""

    retrain_overdue_days: int = Field(
        default=35,
        gt=0,
        description="Number of days of new outcomes since the newest challenger, after which retraining is overdue.",
    )
    max_fallback_share: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Largest share of the newest partition's decisions that the current process may make as fallback.",
    )
    usage_days: int = Field(
        default=28, gt=0, description="Number of recent days over which people's use of the decisions is assessed."
    )
    no_user_days: int = Field(
        default=7,
        gt=0,
        description="Number of consecutive days on which nobody opened a decision, after which an alert is sent.",
    )
    min_override_share: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Smallest share of answers that override a decision. Fewer overrides suggest that people accept"
        " decisions unread.",
    )
    min_uptake_share: float = Field(
        default=0.5, ge=0, le=1, description="Smallest share of the opened decisions that people follow."
    )
    max_silent_intervals: float = Field(
        default=5.0,
        gt=1,
        description="A sensor may be silent for this number of its intervals before an alert is sent. Two minutes of"
        " silence are always allowed.",
    )
    max_silent_partitions: int = Field(
        default=2,
        ge=1,
        description="Number of complete partitions without a row of a feed, after which an alert is sent. A feed that"
        " always arrives later may lack as many more.",
    )
    due_notice_minutes: int | None = Field(
        default=None,
        gt=0,
        description="Number of minutes before unanswered live decisions with action are due, at which a notice is sent."
        " A decision is due at the time of `decision_list.sort`, or at the deadline of `people.answer_within_minutes`."
        " If `alerts` names the role `decider`, only this role gets the notice. If left out, no notice is sent.",
    )
