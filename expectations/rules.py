"""Suites and their rules as people declare them: rules for rows, and rules for a partition as a whole.

The rules for a partition check its metrics, which are SQL aggregates over its rows. The metrics form a table with one
row per partition, so these rules also check single rows. In this way one run of Great Expectations validates many
partitions, and each gets its own verdict.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from expectations.rule_texts import describe_expected
from sixtyforty.spec.sources import Source

PERSONAL_DATA = "(personal data)"  # replaces the name of a personal column in texts
Severity = Literal["critical", "warning", "info"]


class Rule(BaseModel):
    """One rule: a Great Expectations type with its arguments, a severity, and what a failure means."""

    model_config = ConfigDict(extra="forbid")
    type: str = Field(description="A row-wise rule of Great Expectations (see Rules).")
    severity: Severity = Field(
        description="critical: quarantines the rows, or rejects the partition. warning: shown and counted."
        " info: recorded."
    )
    kwargs: dict[str, Any] = Field(
        description="The rule's arguments. value_set may name a column of a snapshot: {source: …, column: …}."
    )
    why: str = Field(description="What a failure means, for the person who reads it.")
    applies: Literal["always", "after_close"] = Field(
        default="always", description="after_close: the rule applies only once the partition is over."
    )

    @property
    def columns(self) -> list[str]:
        """The columns that the rule checks."""
        arguments = self.kwargs
        names = [arguments.get("column"), arguments.get("column_A"), arguments.get("column_B")]
        return [name for name in [*names, *arguments.get("column_list", [])] if name]

    @property
    def column(self) -> str:
        """The columns that the rule checks, as text."""
        return ", ".join(self.columns)

    @property
    def expected(self) -> str:
        """What the rule expects, in words."""
        return describe_expected(self.type, self.kwargs)

    def mask_personal(self, personal: set[str]) -> Rule:
        """Return the rule as texts may show it: without names of personal columns, and without their values."""
        if not personal & set(self.columns):
            return self
        masked: dict[str, Any] = {
            name: PERSONAL_DATA for name in ("column", "column_A", "column_B") if self.kwargs.get(name) in personal
        }
        if "column_list" in self.kwargs:
            masked["column_list"] = [PERSONAL_DATA if c in personal else c for c in self.kwargs["column_list"]]
        if "value_set" in self.kwargs:
            masked["value_set"] = [PERSONAL_DATA]
        return self.model_copy(update={"kwargs": self.kwargs | masked})


class PartitionRules(BaseModel):
    """The rules about a partition as a whole."""

    model_config = ConfigDict(extra="forbid")
    metrics: dict[str, str] = Field(
        default_factory=dict, description="Metrics of a partition: name to SQL aggregate over its rows."
    )
    rules: list[Rule] = Field(default_factory=list, description="Rules about the metrics.")


class Suite(BaseModel):
    """The rules of one source, or of the features."""

    model_config = ConfigDict(extra="forbid")
    description: str = Field(description="What the suite protects.")
    rows: list[Rule] = Field(default_factory=list, description="Rules about single rows.")
    partition: PartitionRules = Field(default_factory=PartitionRules, description="Rules about a partition as a whole.")


def personal_names(suite: Suite, source: Source) -> set[str]:
    """Return the names of a source's personal columns, and of the derived columns and metrics computed from them."""
    names = set(source.personal)
    for name, sql in {**source.derived, **suite.partition.metrics}.items():
        if any(re.search(rf"\b{re.escape(column)}\b", sql) for column in names):
            names.add(name)
    return names
