"""A use case as declared: one decision that a model improves, its data, its people and its money."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field

from sixtyforty.spec.base import VARIABLE, Name
from sixtyforty.spec.decision import Decision
from sixtyforty.spec.kpi import EvidenceLabel, Kpi
from sixtyforty.spec.operation import Automation, Governance, Replay, Watch
from sixtyforty.spec.partitions import DAYS_A_MONTH, PartitionedModel
from sixtyforty.spec.people import People, Subscription
from sixtyforty.spec.recipe import Gate, Model
from sixtyforty.spec.sources import Source
from sixtyforty.spec.sourcing import Sourcing
from sixtyforty.spec.stages import Stage, Stages
from sixtyforty.spec.track import Track


class UseCase(PartitionedModel):
    """One decision, its data, its model and its money, as declared in `defs.yaml`."""

    # pydantic validates each part by itself. The loader also compares the parts (`cross_checks`).

    name: Name = Field(description="Name of the use case: the asset group, and the first part of every asset key.")
    title: str = Field(description="Title that people see.")
    stage: Stage = Field(
        description="The stage that the owner declares. The ledger of stages holds the stage that the evidence"
        " supports; `sixtyforty doctor` reports a difference."
    )
    stages: Stages | None = Field(
        default=None, description="The gates of its stages. If left out, no stage is assessed."
    )
    sourcing: Sourcing | None = Field(default=None, description="Build-or-buy assessment. If left out, none is made.")
    owner: str = Field(description="The person or team responsible: an e-mail address, or `team:name`.")
    vision: str = Field(description="What the use case should achieve, and for whom.")
    people: People = Field(description="Who decides today, and how they will adopt the model's decisions.")
    sources: dict[Name, Source] = Field(min_length=1, description="The feeds of extracts, and their data contracts.")
    decision: Decision = Field(description="What is decided, about which units, and when.")
    kpi: Kpi = Field(description="The KPI, and the payoff of each action.")
    lookback_partitions: int = Field(
        ge=0, description="Number of partitions before a unit's own partition that its features may read."
    )
    outcome_horizon_partitions: int = Field(
        ge=0, description="Number of partitions after a unit's own partition that may hold its outcome."
    )
    model: Model = Field(description="How the model predicts the outcome.")
    gate: Gate = Field(description="What a challenger must show before it is promoted.")
    governance: Governance = Field(default_factory=Governance, description="The limits beyond which data is refused.")
    replay: Replay = Field(description="How past decisions are replayed, to measure the gain before going live.")
    automation: Automation = Field(
        default_factory=Automation, description="What happens automatically once the use case is live."
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
    folder: Path = Field(description="Folder of the declaration; the loader sets it.", exclude=True)

    def is_randomized(self, track: Track) -> bool:
        """Return whether the money of a track is the difference between the two arms of a live holdout."""
        return track == "live" and self.kpi.holdout is not None

    def label(self, track: Track) -> EvidenceLabel:
        """Return which evidence the money of a track rests on.

        Callers show a live holdout as `assumed` until units of both arms have an outcome.
        """
        if self.kpi.measurement == "exact":
            return "exact"
        return "randomized" if self.kpi.treatment or self.is_randomized(track) else "assumed"

    @property
    def unit_columns(self) -> dict[str, str]:
        """Column names of the units, with their DuckDB types.

        They are the columns of the unit source, or those of all inputs if units.sql declares the units. If several
        inputs have a column, the first input's type is used.
        """
        name = self.decision.unit_source
        sources = [self.sources[name]] if name else list(self.inputs.values())
        return {column: kind for source in reversed(sources) for column, kind in source.columns.items()}

    @property
    def inputs(self) -> dict[str, Source]:
        """The sources that decisions rest on, by name: all except the source of the responses."""
        return {name: source for name, source in self.sources.items() if name != self.people.responses}

    @property
    def partitioned(self) -> dict[str, Source]:
        """The inputs with time partitions, by name."""
        return {name: source for name, source in self.inputs.items() if source.partition}

    @property
    def snapshots(self) -> dict[str, Source]:
        """The inputs without partitions, by name: reference tables that are imported whole."""
        return {name: source for name, source in self.inputs.items() if not source.partition}

    @property
    def outcome_window(self) -> tuple[int, int]:
        """Number of partitions before and after a unit's own partition that its outcome is computed from.

        A unit that returns in every partition may be compared with its own history, so its outcome reads the lookback.
        """
        before = 0 if self.decision.unit_source in self.partitioned else self.lookback_partitions
        return before, self.outcome_horizon_partitions

    def sql(self, stage: str) -> str:
        """Return the text of `<stage>.sql`: features, outcomes, current_process or units."""
        return (self.folder / f"{stage}.sql").read_text()

    def settled_at(self, partition: str) -> datetime:
        """Return the time (UTC, naive) from which a partition is judged as complete."""
        return self.closes_at(partition) + timedelta(minutes=self.governance.settle_minutes)

    def decision_partitions(self, partitions: Iterable[str]) -> list[str]:
        """Return those partitions in which a decision is made, in the same order."""
        return self._every_nth(partitions, self.decision.every_partitions)

    @property
    def days_between_decisions(self) -> float:
        """Average number of days from one partition with a decision to the next."""
        length = {"hour": 1 / 24, "day": 1.0, "week": 7.0, "month": DAYS_A_MONTH}[self.partitions.every]
        return length * self.decision.every_partitions

    def decision_count(self, days: int) -> int:
        """Return how many partitions with a decision a number of days holds; at least one."""
        return max(1, round(days / self.days_between_decisions))

    def partitions_with_units(self, partitions: Iterable[str]) -> list[str]:
        """Return those partitions that have units to decide about or to learn from, in the same order.

        Units that return in every partition exist only after a complete lookback: less history would mislead.
        """
        first = ""
        if self.decision.unit_source not in self.partitioned:
            first = self.shift(self.limits[0], self.lookback_partitions)
        every = self.decision.learn_every_partitions or self.decision.every_partitions
        return [partition for partition in self._every_nth(partitions, every) if partition >= first]

    def _every_nth(self, partitions: Iterable[str], every: int) -> list[str]:
        if self.decision.anchor_day is None:
            return list(partitions)
        anchor = self.index_of(self.partition_of_day(self.decision.anchor_day))
        return [partition for partition in partitions if (self.index_of(partition) - anchor) % every == 0]
