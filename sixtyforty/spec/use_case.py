"""The complete declaration of a use case: one decision that a model improves, with its data, people and money."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from sixtyforty.spec.base import VARIABLE, Name
from sixtyforty.spec.column_label import ColumnLabel
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.decision_list import DecisionList
from sixtyforty.spec.kpi import EvidenceLabel
from sixtyforty.spec.operation import Retention, Webhook
from sixtyforty.spec.people import People, Subscription
from sixtyforty.spec.sourcing import Sourcing
from sixtyforty.spec.stages import Stage, Stages
from sixtyforty.spec.track import Track
from sixtyforty.spec.watch import Watch


class UseCase(DecisionChain):
    """The declaration of one use case in `defs.yaml`: a decision, with its data, model, people and money."""

    # The base class holds everything that decisions depend on. The fields and methods of this class serve people,
    # reports and alerts, so a change of their code retrains no model.
    # pydantic validates each field by itself. The loader then compares the fields (`cross_checks`).

    title: str = Field(description="Title of the use case on pages and in reports.")
    stage: Stage = Field(
        description="The stage that the owner declares. The ledger of stages holds the stage that the evidence"
        " supports; `sixtyforty doctor` reports a difference."
    )
    stages: Stages | None = Field(
        default=None, description="The gates of the use case's stages. If left out, no stage is assessed."
    )
    sourcing: Sourcing | None = Field(default=None, description="Build-or-buy assessment. If left out, none is made.")
    owner: str = Field(description="The person or team responsible: an e-mail address, or `team:name`.")
    vision: str = Field(description="What the use case should achieve, and for whom.")
    people: People = Field(description="Who decides today, and how they will adopt the model's decisions.")
    decision_list: DecisionList = Field(
        default_factory=DecisionList, description="What people read on each line of the list of decisions."
    )
    labels: dict[str, ColumnLabel] = Field(
        default_factory=dict,
        description="What people read instead of the codes in a column of the units or the features, such as the name"
        " of an airline.",
    )
    alerts: dict[Name, list[Annotated[str, Field(pattern=VARIABLE)]]] = Field(
        default_factory=dict,
        description="Recipients of alerts: each role, with the environment variables that hold its addresses (Apprise"
        " URLs).",
    )
    watch: Watch = Field(default_factory=Watch, description="The limits beyond which alerts are sent.")
    subscriptions: list[Subscription] = Field(
        default_factory=list, description="Who receives a regular digest, and when."
    )

    retention: Retention = Field(
        default_factory=Retention, description="How long extracts, deliveries and people's names are kept."
    )

    webhook: Webhook | None = Field(
        default=None,
        description="Web address that gets the live decisions, in addition to the table and the files. If left out,"
        " there is none.",
    )

    def is_delivery_expired(self, partition: str, now: datetime) -> bool:
        """Return whether a partition's deliveries are older than `retention.deliveries_days`. now: UTC, naive."""
        days = self.retention.deliveries_days
        return days is not None and self.closes_at(partition) < now - timedelta(days=days)

    def is_randomized(self, track: Track) -> bool:
        """Return whether the gain on a track is measured by comparing the units in and outside a live holdout."""
        return track == "live" and self.kpi.holdout is not None and self.kpi.measurement == "randomized"

    def label(self, track: Track) -> EvidenceLabel:
        """Return the kind of evidence behind the gain of a track: `exact`, `assumed` or `randomized`.

        If the live track has a holdout, its label is `randomized`. Callers must still show `assumed` until some
        units in the holdout and some outside have an outcome, and if a holdout refutes that figures are exact (see
        `accounting/exactness.py`).
        """
        if self.kpi.measurement == "exact":
            return "exact"
        return "randomized" if self.kpi.treatment or self.is_randomized(track) else "assumed"

    def decision_count(self, days: int) -> int:
        """Return the average number of partitions with a decision in a period of some days, rounded; at least 1.

        days: the length of the period.
        """
        return max(1, round(days / self.days_between_decisions))
