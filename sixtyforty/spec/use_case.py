"""What a use case declares: one decision, improved by a model, worth money against today's process."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from sixtyforty.spec.base import VARIABLE, ConflictingFields, DeclaredModel, Name
from sixtyforty.spec.cross_checks import contradictions
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.partitions import DAYS_A_MONTH, PartitionedModel
from sixtyforty.spec.people import People, Subscription
from sixtyforty.spec.recipe import Gate, Model
from sixtyforty.spec.sources import Source
from sixtyforty.spec.sourcing import Sourcing
from sixtyforty.spec.stages import Stage, Stages


class Decision(DeclaredModel):
    """What is decided, about what, and when.

    Where the units aren't the rows of a partitioned source, there is a table `moments` for SQL to join: a row a
    partition a decision is taken in, with `_partition` and `starts`, the UTC moment it begins at.
    """

    unit_source: str | None = Field(
        default=None,
        description="The source whose rows are the units decided about; of a snapshot, each row in each partition."
        " None: units.sql says which they are, a row a partition and unit, with `_partition` and the key.",
    )
    key: list[str] = Field(min_length=1, description="Columns that identify a unit within its partition.")
    decided_at: str = Field(
        description="SQL over the units' columns, and `starts` where they aren't a partitioned source's: the UTC moment"
        " of the decision."
    )
    every_partitions: int = Field(default=1, gt=0, description="It is taken in every n-th partition.")
    anchor_day: date | None = Field(
        default=None, description="A local day in a partition it is taken in; with `every`."
    )
    learn_every_partitions: int | None = Field(
        default=None,
        gt=0,
        description="With `every`: units of every n-th partition are there to learn from, fewer are decided about."
        " None: only where it is taken.",
    )

    @model_validator(mode="after")
    def _in_phase(self) -> Decision:
        if (self.every_partitions > 1) != (self.anchor_day is not None):
            raise ValueError(
                "every_partitions above 1 needs anchor_day (a day in a partition in which the decision is taken),"
                " and anchor_day needs it"
            )
        if self.learn_every_partitions and (
            self.every_partitions == 1 or self.every_partitions % self.learn_every_partitions
        ):
            raise ValueError(
                f"learn_every_partitions ({self.learn_every_partitions}) must divide every_partitions"
                f" ({self.every_partitions}), which must be above 1"
            )
        return self


class Replay(DeclaredModel):
    """How the past is relived: challengers at whiles, decisions from `first` on."""

    first_day: date = Field(description="First local day decided by what was known then.")
    retrain: Literal["day", "week", "month", "decision"] = Field(
        default="month",
        description="When challengers are trained: at the start of each day, week (Monday), month, or of each partition"
        " a decision is taken in.",
    )
    warm_up_days: int = Field(default=14, ge=0, description="Local days of data before the first challenger.")


class Governance(DeclaredModel):
    """When poor data degrades the answer and when it would mislead."""

    max_quarantined_share: float = Field(
        default=0.1, ge=0, lt=1, description="Share of a partition's rows that may go to quarantine."
    )
    settle_minutes: int = Field(
        default=60, ge=0, description="Minutes a partition's last extracts have to land before it counts as complete."
    )


class Rollout(DeclaredModel):
    """How the model comes to decide live, one step at a time: shadow, holdout, full. It begins in shadow.

    shadow: the current process decides all, and what the model would have done is recorded. holdout: a share keeps the
    current process. full: the model decides all but what kpi.holdout holds back for good.
    """

    holdout_share: float = Field(gt=0, lt=1, description="Share that keeps the current process in the step holdout.")
    cluster_by: list[str] = Field(
        default_factory=list,
        description="Columns of the unit source: what agrees in them is held back together."
        " None: each unit by itself. With a kpi.holdout its columns count.",
    )
    min_days: int = Field(default=14, gt=0, description="Whole days with known outcomes in a step before the next.")


class Automation(DeclaredModel):
    """What happens by itself once the use case lives."""

    retrain_cron: str | None = Field(
        default=None, description="Cron of the nightly retrain, on the use case's own clock."
    )
    approval: Literal["none", "required"] = Field(
        default="none", description="required: what the gate would promote waits for `sixtyforty approve`."
    )
    decay_days: int = Field(default=28, gt=0, description="The newest known days whose realised lift is watched.")
    decay_lift: float = Field(default=0.0, description="Realised lift per 1,000 units below which it retrains at once.")
    late_after_minutes: int = Field(
        default=60, ge=0, description="Minutes after `decided_at` from which a decision is late: the fallback takes it."
    )
    rollout: Rollout | None = Field(
        default=None, description="Going live step by step. None: the model decides all from the adoption on."
    )


class Watch(DeclaredModel):
    """From when on `sixtyforty watch` tells people."""

    retrain_overdue_days: int = Field(
        default=35, gt=0, description="Days of data that may pass after the last challenger's, before it is overdue."
    )
    max_fallback_share: float = Field(
        default=0.2, ge=0, le=1, description="Share of the newest partition's decisions that may be taken by fallback."
    )
    usage_days: int = Field(default=28, gt=0, description="The newest days decided whose use is judged.")
    no_user_days: int = Field(default=7, gt=0, description="Newest days decided in a row that nobody may look at.")
    min_override_share: float = Field(
        default=0.01, ge=0, le=1, description="Share of answers that disagree; surely fewer is a rubber stamp."
    )
    min_uptake_share: float = Field(
        default=0.5, ge=0, le=1, description="Share of the decisions seen that are followed."
    )
    max_silent_intervals: float = Field(
        default=5.0, gt=1, description="Intervals a sensor or schedule may be silent (at least two minutes)."
    )


class UseCase(PartitionedModel):
    """One decision, its data, its model and its money, as declared in `defs.yaml`."""

    name: Name = Field(description="Identifier: the group and the first part of every asset key.")
    title: str = Field(description="Title shown to people.")
    stage: Stage = Field(
        description="How far it is said to have come. What it has earned is in the ledger of stages; where the two"
        " differ, `doctor` tells."
    )
    stages: Stages | None = Field(default=None, description="The gates of its stages. None: it is never judged.")
    sourcing: Sourcing | None = Field(default=None, description="Build or buy. None: it isn't asked.")
    owner: str = Field(description="Who answers for it: an e-mail address or `team:name`.")
    vision: str = Field(description="The vision it serves, and whose.")
    people: People = Field(description="Who decides, and how they come to use it: what nobody uses is worth nothing.")
    sources: dict[Name, Source] = Field(
        min_length=1, description="Its feeds: what lands, and the contract each row must keep."
    )
    decision: Decision = Field(description="What is decided, about what and when: features may know nothing later.")
    kpi: Kpi = Field(description="What each action is worth: without it no decision can be valued.")
    lookback_partitions: int = Field(ge=0, description="Partitions before a unit's own that its features may read.")
    outcome_horizon_partitions: int = Field(ge=0, description="Partitions after a unit's own that hold its outcome.")
    model: Model = Field(description="The model's recipe: how outcomes are foretold.")
    gate: Gate = Field(description="The promotion gate: what a model must show before it decides.")
    governance: Governance = Field(default_factory=Governance, description="How poor data may be before it is refused.")
    replay: Replay = Field(description="How the past is relived, so that a gain is seen before anything goes live.")
    automation: Automation = Field(default_factory=Automation, description="What happens by itself once it lives.")
    alerts: dict[Name, list[Annotated[str, Field(pattern=VARIABLE)]]] = Field(
        default_factory=dict,
        description="Whom alerts go to: a role, and the environment variables that hold its addresses (Apprise URLs).",
    )
    watch: Watch = Field(default_factory=Watch, description="When alerts are due.")
    subscriptions: list[Subscription] = Field(default_factory=list, description="Who is told how it goes, and when.")
    folder: Path = Field(description="Folder of the declaration; set when it is loaded.", exclude=True)

    @model_validator(mode="after")
    def _consistent(self) -> UseCase:
        if wrongs := contradictions(self, type(self).model_fields):
            raise ConflictingFields(wrongs)
        return self

    @property
    def unit_columns(self) -> dict[str, str]:
        """Columns of the units, and their contract's types: the unit source's, or those of all sources units.sql reads.

        Of a column that several sources have, the first one's type counts.
        """
        named = self.decision.unit_source
        sources = [self.sources[named]] if named else list(self.inputs.values())
        return {c: kind for source in reversed(sources) for c, kind in source.columns.items()}

    @property
    def inputs(self) -> dict[str, Source]:
        """Sources that decisions rest on: all but the responses to them."""
        return {n: s for n, s in self.sources.items() if n != self.people.responses}

    @property
    def partitioned(self) -> dict[str, Source]:
        """Inputs that come in time partitions."""
        return {n: s for n, s in self.inputs.items() if s.partition}

    @property
    def outcome_window(self) -> tuple[int, int]:
        """Partitions before and after its own that a unit's outcome is made from.

        What is asked about anew in each partition is a unit by its history, which its outcome may be measured against.
        """
        return (
            0 if self.decision.unit_source in self.partitioned else self.lookback_partitions,
            self.outcome_horizon_partitions,
        )

    @property
    def snapshots(self) -> dict[str, Source]:
        """Inputs taken whole: reference tables."""
        return {n: s for n, s in self.inputs.items() if not s.partition}

    def sql(self, stage: str) -> str:
        """The text of the use case's `<stage>.sql`: features, outcomes, current_process or units."""
        return (self.folder / f"{stage}.sql").read_text()

    def settled_at(self, partition: str) -> datetime:
        """The UTC moment (naive) from which a partition is judged as complete."""
        return self.closes_at(partition) + timedelta(minutes=self.governance.settle_minutes)

    def decision_partitions(self, partitions: Iterable[str]) -> list[str]:
        """Those in which a decision is taken."""
        return self._in_phase(partitions, self.decision.every_partitions)

    @property
    def days_between_decisions(self) -> float:
        """Days from one partition a decision is taken in to the next, on average."""
        length = {"hour": 1 / 24, "day": 1.0, "week": 7.0, "month": DAYS_A_MONTH}[self.partitions.every]
        return length * self.decision.every_partitions

    def decision_count(self, days: int) -> int:
        """How many partitions in so many days a decision is taken in; one at least."""
        return max(1, round(days / self.days_between_decisions))

    def partitions_with_units(self, partitions: Iterable[str]) -> list[str]:
        """Those that have units: to decide about, or to learn from.

        What is asked about anew in each has none before a whole lookback is behind it: less would mislead.
        """
        first = "" if self.decision.unit_source in self.partitioned else self.shift(self.limits[0], self.lookback_partitions)
        return [
            p
            for p in self._in_phase(partitions, self.decision.learn_every_partitions or self.decision.every_partitions)
            if p >= first
        ]

    def _in_phase(self, partitions: Iterable[str], every: int) -> list[str]:
        if self.decision.anchor_day is None:
            return list(partitions)
        phase = self.index_of(self.partition_of_day(self.decision.anchor_day))
        return [p for p in partitions if (self.index_of(p) - phase) % every == 0]
