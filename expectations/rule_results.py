"""Turn the rows that fail rules into the rule results of a partition, and into reasons to reject the partition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from expectations.rule_texts import format_value
from expectations.rules import Rule, Suite
from sixtyforty.storage.verdicts import RuleResult

if TYPE_CHECKING:
    import pandas as pd

SAMPLE_ROWS = 20  # number of failing rows that a rule result lists


@dataclass(frozen=True)
class RowFailures:
    """The rows of a partition that fail a rule: their number, and the row numbers of the first SAMPLE_ROWS."""

    count: int = 0
    sample_rows: Sequence[int] = ()


def row_rule_results(
    suite: Suite, failures: Mapping[int, RowFailures], checked: int, personal: set[str]
) -> list[RuleResult]:
    """Return the results of a suite's rules about rows for one partition.

    failures: the failing rows, by the number of the rule in the suite. checked: the number of rows that were checked.
    personal: the names of columns with personal data, which the results must not contain.
    """
    results = []
    for number, rule in enumerate(suite.rows):
        shown, failed = rule.mask_personal(personal), failures.get(number, RowFailures())
        results.append(
            RuleResult(
                rule=shown.type,
                column=shown.column,
                severity=shown.severity,
                passed=not failed.count,
                failed=failed.count,
                of=checked,
                expected=shown.expected,
                sample_rows=list(failed.sample_rows),
            )
        )
    return results


def partition_rule_results(
    suite: Suite,
    partition: str,
    metrics: pd.DataFrame,
    failing_rows: Sequence[Sequence[int]],
    closed: bool,
    personal: set[str],
) -> tuple[list[RuleResult], list[str]]:
    """Apply a suite's rules about partitions to one partition. Return the results, and the reasons to reject it.

    metrics: one row per partition that has rows. A partition without rows fails every rule.
    failing_rows: for each rule, the positions of the rows of `metrics` that fail the rule.
    closed: whether the partition is complete. Until then, rules with `applies: after_close` are skipped.
    personal: the names of columns and metrics with personal data, which the results must not contain.
    """
    positions = metrics.index[metrics["_partition"] == partition].tolist()
    results, reasons = [], []
    for number, rule in enumerate(suite.partition.rules):
        if rule.applies == "after_close" and not closed:
            continue
        shown = rule.mask_personal(personal)
        observed = _plain_value(metrics.at[positions[0], rule.column]) if positions and shown is rule else None
        passed = bool(positions) and positions[0] not in failing_rows[number]
        results.append(
            RuleResult(
                rule=shown.type,
                column=shown.column,
                severity=shown.severity,
                passed=passed,
                failed=int(not passed),
                of=1,
                observed=observed,
                expected=shown.expected,
            )
        )
        if not passed and rule.severity == "critical":
            reasons.append(_rejection_reason(shown, observed, bool(positions), is_masked=shown is not rule))
    return results, reasons


def _rejection_reason(rule: Rule, observed: Any, has_rows: bool, is_masked: bool) -> str:
    metric = rule.column.replace("_", " ")
    if not has_rows:
        measured = "no rows" if metric == "rows" else f"no rows, so no {metric}"
    elif is_masked:
        measured = f"{metric} is not shown"
    elif observed is None:
        measured = f"{metric} is missing"
    else:
        measured = f"{metric} is {format_value(observed)}"
    return f"{measured}, expected {rule.expected}: {rule.why}"


def _plain_value(measured: Any) -> Any:
    """Return a NumPy value as a Python value, and a missing value as None."""
    import pandas as pd

    if pd.isna(measured):
        return None
    if isinstance(measured, Decimal):
        return float(measured)
    return measured.item() if hasattr(measured, "item") else str(measured)
