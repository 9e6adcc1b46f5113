"""The fields of a use case that its decisions depend on: its data, its model, its payoffs, and how it decides.

The code that turns extracts into decisions imports this module and not `use_case`, so a change of `use_case` retrains
no model. Add a field or method here if decisions depend on it. Add it to `UseCase` if only people, reports or alerts
use it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import Field

from sixtyforty.spec.base import Name
from sixtyforty.spec.decision import Decision
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.operation import Automation, Governance, Replay
from sixtyforty.spec.partitions import DAYS_A_MONTH, PartitionedModel
from sixtyforty.spec.recipe import Gate, Model
from sixtyforty.spec.review import Responders
from sixtyforty.spec.sources import Source
from sixtyforty.spec.typed_constants import TypedConstant


class DecisionChain(PartitionedModel):
    """The fields of a use case that its decisions depend on. The class `UseCase` adds all other fields."""

    name: Name = Field(
        description="Name of the use case. In Dagster, it is the asset group and the first part of every asset key."
    )
    former_names: list[Name] = Field(
        default_factory=list,
        description="Earlier names of the use case, oldest first. `sixtyforty rename` writes them. Decision ids, the"
        " draw of the holdout and pseudonyms follow the first name, so a new name changes none of them.",
    )
    sources: dict[Name, Source] = Field(
        min_length=1,
        description="The feeds of extracts, and their data contracts. SQL reads a feed as the table of its name. The"
        " names units, decision_partitions and features are reserved for the pipeline's own tables.",
    )
    decision: Decision = Field(description="What is decided, about which units, and when.")
    kpi: Kpi = Field(description="The KPI, and the payoff of each action.")
    lookback_partitions: int = Field(
        ge=0, description="Number of partitions before a unit's own partition that its features may read."
    )
    outcome_horizon_partitions: int = Field(
        ge=0, description="Number of partitions after a unit's own partition that may hold its outcome."
    )
    constants: list[TypedConstant] = Field(
        default_factory=list,
        description="Since when the constants typed into features.sql are known. Only constants that could hold"
        " knowledge about outcomes need an entry, and only if features of earlier days are built with them.",
    )
    model: Model = Field(description="How the model predicts the outcome.")
    gate: Gate = Field(description="What a challenger must show before it is promoted.")
    governance: Governance = Field(
        default_factory=Governance, description="When a partition is rejected, and when it counts as complete."
    )
    replay: Replay = Field(description="How past decisions are replayed, to measure the gain before going live.")
    automation: Automation = Field(
        default_factory=Automation, description="What happens automatically once the use case is live."
    )
    people: Responders = Field(description="How people answer decisions, and which decisions they review.")
    folder: Path = Field(description="Folder of the declaration, set by the loader.", exclude=True)

    @property
    def first_name(self) -> str:
        """The name that the use case had first. Random choices and hashes use it, so a rename doesn't change them."""
        return self.former_names[0] if self.former_names else self.name

    @property
    def unit_columns(self) -> dict[str, str]:
        """The columns of the units, as {column name: DuckDB type}.

        If a source is declared as unit source, the columns are those of this source. If units.sql returns the units,
        the columns are those of all inputs. If several inputs have a column of the same name, the first input's type is
        used.
        """
        name = self.decision.unit_source
        sources = [self.sources[name]] if name else list(self.inputs.values())
        return {column: kind for source in reversed(sources) for column, kind in source.columns.items()}

    @property
    def inputs(self) -> dict[str, Source]:
        """The sources from which decisions are made, by name: all sources except the source of people's responses."""
        return {name: source for name, source in self.sources.items() if name != self.people.responses}

    @property
    def partitioned(self) -> dict[str, Source]:
        """The inputs with time partitions, by name."""
        return {name: source for name, source in self.inputs.items() if source.partition}

    @property
    def snapshots(self) -> dict[str, Source]:
        """The inputs without partitions, by name: reference tables that are imported as a whole."""
        return {name: source for name, source in self.inputs.items() if not source.partition}

    @property
    def units_recur(self) -> bool:
        """Whether a unit may occur in several partitions, such as a customer in each campaign.

        A row of a partitioned source can't, because the key of a row is in one partition only.
        """
        source = self.partitioned.get(self.decision.unit_source or "")
        return source is None or not set(source.key) <= set(self.decision.key)

    @property
    def outcome_window(self) -> tuple[int, int]:
        """How many partitions before and how many after a unit's own partition are read to compute the unit's outcome.

        The first number is 0 if the units are rows of a partitioned source. Otherwise the first number is the lookback:
        the same unit occurs in many partitions, and its outcome may be compared with its own history.
        """
        before = 0 if self.decision.unit_source in self.partitioned else self.lookback_partitions
        return before, self.outcome_horizon_partitions

    def sql(self, stage: str) -> str:
        """Return the text of the use case's SQL file `<stage>.sql`.

        stage: `features`, `outcomes`, `current_process` or `units`.
        """
        return (self.folder / f"{stage}.sql").read_text()

    def settled_at(self, partition: str) -> datetime:
        """Return the time (UTC, naive) from which a partition counts as complete: `settle_minutes` after it ends."""
        return self.closes_at(partition) + timedelta(minutes=self.governance.settle_minutes)

    @property
    def days_between_decisions(self) -> float:
        """The average number of days from one partition with a decision to the next."""
        length = {"hour": 1 / 24, "day": 1.0, "week": 7.0, "month": DAYS_A_MONTH}[self.partitions.every]
        return length * self.decision.every_partitions

    def decision_partitions(self, partitions: Iterable[str]) -> list[str]:
        """Return the partitions, among those passed in, in which a decision is made. Their order is unchanged."""
        return self._every_nth(partitions, self.decision.every_partitions)

    def partitions_with_units(self, partitions: Iterable[str]) -> list[str]:
        """Return the partitions, among those passed in, that have units to decide about or to learn from.

        Their order is unchanged. If the units are not rows of a partitioned source, the first `lookback_partitions`
        partitions of the use case have no units. Their features would lack a part of the lookback and mislead the
        model.
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
