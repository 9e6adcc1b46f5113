"""The field `decision` of a declaration: which units are decided about, and when."""

from __future__ import annotations

from datetime import date

from pydantic import Field, model_validator

from sixtyforty.spec.base import DeclaredModel
from sixtyforty.spec.errors import FieldError


class Decision(DeclaredModel):
    """Which units are decided about, and when.

    The units are the rows of a source, or the rows that `units.sql` returns. If the source has no partitions, or if
    `units.sql` returns the units, the use case's SQL can also read the table `decision_partitions`. That table has one
    row for each partition in which the decision is made. Its columns are `_partition`, and `starts_at`, the UTC time at
    which the partition starts.
    """

    unit_source: str | None = Field(
        default=None,
        description="The source whose rows are the units. If the source is a snapshot, each of its rows is a unit in"
        " every partition. If left out, units.sql returns the units: one row per partition and unit, with `_partition`"
        " and the key.",
    )
    key: list[str] = Field(min_length=1, description="Columns that identify a unit within its partition.")
    decided_at: str = Field(
        description="SQL expression over the units' columns that returns the decision time in UTC. It can also read"
        " `starts_at`, the start of the partition in UTC, unless the units are rows of a partitioned source."
    )
    every_partitions: int = Field(
        default=1,
        gt=0,
        description="Number n: the decision is made in every n-th partition.",
    )
    anchor_day: date | None = Field(
        default=None,
        description="A local day in any partition in which the decision is made. Every n-th partition before and after"
        " that one has a decision, too. Needed if every_partitions is above 1.",
    )
    learn_every_partitions: int | None = Field(
        default=None,
        gt=0,
        description="Number n: the model learns from every n-th partition, including partitions without a decision."
        " every_partitions must be a multiple of n. If left out, the model learns only from partitions with a"
        " decision.",
    )

    @model_validator(mode="after")
    def _check_interval(self) -> Decision:
        if self.every_partitions > 1 and self.anchor_day is None:
            raise FieldError(
                "every_partitions", "every_partitions above 1 needs a day with a decision; declare anchor_day"
            )
        if self.every_partitions == 1 and self.anchor_day is not None:
            raise FieldError("anchor_day", "anchor_day is only used with every_partitions above 1; remove anchor_day")
        if self.learn_every_partitions and self.every_partitions == 1:
            raise FieldError(
                "learn_every_partitions",
                "learn_every_partitions is only used with every_partitions above 1; remove learn_every_partitions",
            )
        if self.learn_every_partitions and self.every_partitions % self.learn_every_partitions:
            raise FieldError(
                "learn_every_partitions",
                f"every_partitions ({self.every_partitions}) must be a multiple of learn_every_partitions"
                f" ({self.learn_every_partitions}); change one of them",
            )
        return self
