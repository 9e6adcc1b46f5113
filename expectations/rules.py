"""Suites of rules as people declare them: rules about single rows, and rules about a partition as a whole.

A rule about a partition checks a metric: an SQL aggregate over the partition's rows. The metrics of many partitions
form one table, with one row per partition. So one run of Great Expectations checks all these partitions, and each
partition still gets a verdict of its own.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from expectations.row_conditions import CONDITION, condition_columns
from expectations.rule_texts import describe_expected
from sixtyforty.spec.sources import Source

MOSTLY = "mostly"
PERSONAL_DATA = "(personal data)"  # replaces the name of a personal column in texts
Severity = Literal["critical", "warning", "info"]


class Rule(BaseModel):
    """One rule of a suite: a rule type of Great Expectations, its arguments, a severity, and what a failure means."""

    model_config = ConfigDict(extra="forbid")
    type: str = Field(description="The type of the rule: the name of a row-wise rule of Great Expectations.")
    severity: Severity = Field(
        description="critical: a failure quarantines the row or rejects the partition. warning: failures are shown and"
        " counted. info: failures are recorded."
    )
    kwargs: dict[str, Any] = Field(
        description="The rule's arguments. value_set may name a column of a snapshot: {source: …, column: …}."
        " With mostly, the rule fails only if a smaller share of a partition's rows passes."
    )
    why: str = Field(description="What a failure of the rule means, in words for people.")
    applies: Literal["always", "after_close"] = Field(
        default="always", description="after_close: the rule applies only once the partition is complete."
    )

    @property
    def columns(self) -> list[str]:
        """The columns that the rule checks."""
        arguments = self.kwargs
        names = [arguments.get("column"), arguments.get("column_A"), arguments.get("column_B")]
        return [name for name in [*names, *arguments.get("column_list", [])] if name]

    @property
    def read_columns(self) -> list[str]:
        """The columns that the rule checks, and those that its `row_condition` names."""
        return list(dict.fromkeys([*self.columns, *condition_columns(self.kwargs)]))

    @property
    def mostly(self) -> float:
        """The share of a partition's judged rows that must pass for the rule to pass."""
        return float(self.kwargs.get(MOSTLY, 1.0))

    def without_tolerance(self) -> Rule:
        """Return the rule without its argument `mostly`."""
        if MOSTLY not in self.kwargs:
            return self
        return self.model_copy(update={"kwargs": {k: v for k, v in self.kwargs.items() if k != MOSTLY}})

    @property
    def column(self) -> str:
        """The columns that the rule checks, separated by commas."""
        return ", ".join(self.columns)

    @property
    def expected(self) -> str:
        """What the rule expects of its columns, in words, such as `50 to 75`."""
        return describe_expected(self.type, self.kwargs)

    def mask_personal(self, personal: set[str]) -> Rule:
        """Return a copy of the rule to show to people. It hides the names and allowed values of personal columns.

        personal: the names of the columns with personal data.
        """
        if not personal & set(self.read_columns):
            return self
        masked: dict[str, Any] = {
            name: PERSONAL_DATA for name in ("column", "column_A", "column_B") if self.kwargs.get(name) in personal
        }
        if "column_list" in self.kwargs:
            masked["column_list"] = [PERSONAL_DATA if c in personal else c for c in self.kwargs["column_list"]]
        if "value_set" in self.kwargs:
            masked["value_set"] = [PERSONAL_DATA]
        if personal & set(condition_columns(self.kwargs)):
            masked[CONDITION] = PERSONAL_DATA
        return self.model_copy(update={"kwargs": self.kwargs | masked})


class PartitionRules(BaseModel):
    """The rules of a suite about a partition as a whole, and the metrics that these rules check."""

    model_config = ConfigDict(extra="forbid")
    metrics: dict[str, str] = Field(
        default_factory=dict,
        description="Metrics of a partition: the name of each metric, and its SQL aggregate over the partition's rows.",
    )
    rules: list[Rule] = Field(default_factory=list, description="Rules about the metrics of a partition.")


class Suite(BaseModel):
    """A suite: the rules of one source or of the features."""

    model_config = ConfigDict(extra="forbid")
    description: str = Field(description="What data the suite checks, and why.")
    rows: list[Rule] = Field(default_factory=list, description="Rules about single rows.")
    partition: PartitionRules = Field(default_factory=PartitionRules, description="Rules about a partition as a whole.")


def personal_names(suite: Suite, source: Source) -> set[str]:
    """Return the names of a source's personal columns, and of derived columns and metrics computed from these."""
    names = set(source.personal)
    for name, sql in {**source.derived, **suite.partition.metrics}.items():
        if any(re.search(rf"\b{re.escape(column)}\b", sql) for column in names):
            names.add(name)
    return names
