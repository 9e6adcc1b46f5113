"""How a use case is operated, as declared: replay of past decisions, data governance, automation and rollout."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from sixtyforty.spec.base import VARIABLE, DeclaredModel


class Replay(DeclaredModel):
    """How past decisions are replayed: each decision sees only the data that was known at its decision time."""

    first_day: date = Field(description="The first local day for which decisions are replayed.")
    retrain: Literal["day", "week", "month", "decision"] = Field(
        default="month",
        description="When the replay trains a new challenger: at the start of each day, week (Monday) or month, or of"
        " each partition with a decision.",
    )
    warm_up_days: int = Field(
        default=14, ge=0, description="Local days of data that must exist before the first challenger is trained."
    )


class Governance(DeclaredModel):
    """The share of quarantined rows above which a partition is rejected, and when a partition counts as complete."""

    max_quarantined_share: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="Largest share of a partition's rows that may be quarantined; above it the partition is rejected."
        " Repeated and superseded rows don't count.",
    )
    settle_minutes: int = Field(
        default=60,
        ge=0,
        description="Minutes after the end of a partition to wait for its last extracts. The partition then counts as"
        " complete.",
    )


class Retention(DeclaredModel):
    """How long data are kept that the chain no longer needs, and how much. Every night, what is older is removed."""

    landing_days: int | None = Field(
        default=None,
        gt=0,
        description="Days after which an imported extract is deleted from the landing zone. Its rows stay in the lake."
        " If left out, extracts are kept.",
    )
    deliveries_days: int | None = Field(
        default=None,
        gt=0,
        description="Days after the end of a partition after which its delivered rows and files are deleted. Its"
        " decisions stay in the lake. If left out, deliveries are kept.",
    )
    responses_days: int | None = Field(
        default=None,
        gt=0,
        description="Days after which the name of the person and the reason are removed from a response in the response"
        " log. The response itself stays. If left out, names are kept.",
    )
    disk_budget_gb: float | None = Field(
        default=None,
        gt=0,
        description="Gigabytes (10⁹ bytes) that the use case may take on this machine's disk. Beyond them an alert is"
        " sent, and runs of the replay import no more extracts. Live runs go on. If left out, there is no limit.",
    )


class Webhook(DeclaredModel):
    """A web address that gets each live decision, and each revision by a person's answer, as signed JSON."""

    url: str = Field(
        pattern=VARIABLE, description="Environment variable that holds the address, such as https://ops.example/hook."
    )
    secret: str = Field(
        pattern=VARIABLE,
        description="Environment variable that holds the signing secret of at least 24 characters. While a secret is"
        " replaced, it holds the new and the old one, separated by a space.",
    )
    batch_size: int = Field(default=100, ge=1, le=1000, description="Largest number of decisions in one request.")


class Rollout(DeclaredModel):
    """How the model goes live, in three steps. The first step is shadow.

    - `shadow`: the current process decides everything, and the model's decisions are only recorded.
    - `holdout`: the model decides, but a share of the units keeps the current process.
    - `full`: the model decides about all units except those in kpi.holdout.
    """

    holdout_share: float = Field(
        gt=0, lt=1, description="Share of the units that keep the current process in the step `holdout`."
    )
    cluster_by: list[str] = Field(
        default_factory=list,
        description="Columns of the units: of units with equal values, all keep the current process, or none does. If"
        " left out, each unit is drawn by itself. If kpi.holdout is declared, kpi.holdout.cluster_by is used instead.",
    )
    min_days: int = Field(
        default=14,
        gt=0,
        description="Number of full days with known outcomes that a rollout step needs before the next step starts.",
    )


class Automation(DeclaredModel):
    """What happens automatically once the use case is live."""

    retrain_cron: str | None = Field(
        default=None,
        description="Cron schedule of the retraining, in the use case's timezone. If left out, there is no schedule.",
    )
    approval: Literal["none", "required"] = Field(
        default="none",
        description="`required`: a promotion waits until somebody confirms it with `sixtyforty approve`.",
    )
    decay_days: int = Field(
        default=28, gt=0, description="Number of recent days with known outcomes over which the gain is monitored."
    )
    decay_lift: float = Field(
        default=0.0,
        description="Limit in the KPI's currency. If the realized gain per 1,000 units over decay_days is below this"
        " limit, the model is retrained at once.",
    )
    late_after_minutes: int = Field(
        default=60,
        ge=0,
        description="Number of minutes after the decision time (`decided_at`) at which a decision comes too late. The"
        " current process then decides.",
    )
    rollout: Rollout | None = Field(
        default=None,
        description="Steps of going live. If left out, the model decides about all units as soon as the live track"
        " starts.",
    )
