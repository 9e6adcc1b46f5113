"""Suites as written in YAML: rules for rows, and rules for a partition as a whole.

A partition's rules are about one row of `metrics` (SQL aggregates over the partition's rows). So every rule is a
row-wise one for Great Expectations: a range of partitions is validated in one pass, and each gets its own verdict.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

HERE = Path(__file__).parent
Severity = Literal["critical", "warning", "info"]


class Rule(BaseModel):
    """One expectation. `why` tells the reader of a failure what it means and what to do."""

    model_config = ConfigDict(extra="forbid")
    type: str = Field(description="Great Expectations type, in snake case; a row-wise (map) one.")
    severity: Severity = Field(
        description="critical: quarantines rows, rejects partitions. warning: shown. info: recorded."
    )
    kwargs: dict[str, Any] = Field(description="Its arguments; value_set may be {source: …, column: …}.")
    why: str = Field(description="What it means when it fails.")
    at: Literal["always", "close"] = Field(
        default="always", description="close: only once the partition's day is over."
    )

    @property
    def column(self) -> str:
        """The column or columns it is about."""
        k = self.kwargs
        columns = [k.get("column"), k.get("column_A"), k.get("column_B"), *k.get("column_list", [])]
        return ", ".join(c for c in columns if c)

    @property
    def title(self) -> str:
        """Short text for tables: what is expected."""
        skip = {"column", "column_A", "column_B", "column_list", "condition_parser"}
        told = ", ".join(f"{k}={v}" for k, v in self.kwargs.items() if k not in skip)
        return f"{self.type.removeprefix('expect_')}({told})"[:160]


class PartitionRules(BaseModel):
    """Rules about a partition as a whole."""

    model_config = ConfigDict(extra="forbid")
    metrics: dict[str, str] = Field(default_factory=dict, description="Name to SQL aggregate over its rows.")
    rules: list[Rule] = Field(default_factory=list)


class Suite(BaseModel):
    """The expectations of one source, or of the features."""

    model_config = ConfigDict(extra="forbid")
    about: str = Field(description="What the suite guards.")
    rows: list[Rule] = Field(default_factory=list)
    partition: PartitionRules = Field(default_factory=PartitionRules)


def load(use_case: str, source: str) -> Suite:
    """The suite of a source. Raises FileNotFoundError or pydantic's ValidationError, naming the file."""
    path = HERE / use_case / f"{source}.yaml"
    return Suite.model_validate(yaml.safe_load(path.read_text()))
