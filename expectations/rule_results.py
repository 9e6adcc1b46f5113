"""From rows that break rules to a partition's rule results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from expectations.suites import Suite
from sixtyforty.storage.verdicts import RuleResult

if TYPE_CHECKING:
    import pandas as pd


def row_results(
    suite: Suite, hits: dict[int, tuple[int, list[int]]], checked: int, unspoken: set[str]
) -> list[RuleResult]:
    """The row rules on one partition: `hits` maps a rule's number to how many rows failed and which, in part."""
    found = []
    for number, rule in enumerate(suite.rows):
        rule, (failed, lines) = rule.told(unspoken), hits.get(number, (0, []))
        found.append(
            RuleResult(rule.type, rule.column, rule.severity, not failed, failed, checked, None, rule.title, lines)
        )
    return found


def partition_results(
    suite: Suite, partition: str, metrics: pd.DataFrame, hits: list[list[int]], closed: bool, unspoken: set[str]
) -> tuple[list[RuleResult], list[str]]:
    """The partition rules on one partition, and why it must be rejected (empty: it needn't be).

    `metrics` has a row a partition with rows; a partition without any breaks every rule.
    """
    row = metrics.index[metrics["_partition"] == partition].tolist()
    found, failures = [], []
    for number, rule in enumerate(suite.partition.rules):
        if rule.applies == "after_close" and not closed:
            continue
        told = rule.told(unspoken)
        observed = _plain(metrics.at[row[0], rule.column]) if row and told is rule else None
        passed = bool(row) and row[0] not in hits[number]
        found.append(
            RuleResult(rule.type, told.column, rule.severity, passed, int(not passed), 1, observed, told.title)
        )
        if not passed and rule.severity == "critical":
            failures.append(f"{told.column} is {observed}, expected {told.title}: {rule.why}")
    return found, failures


def _plain(value: Any) -> Any:
    import pandas as pd

    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else str(value)
