"""Draft the suite of rules for a new source, from a profile of the rows in its extracts.

The drafted rules flag values that are unlike those in the profiled extracts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from pipelines.authoring.feeds import ExtractFeed
from pipelines.authoring.yaml_text import as_yaml, flow
from sixtyforty.ingest.profiling import ColumnProfile, TimeProfile

NO_ROW_LEFT = "no row is left: none arrived, or later extracts moved them all"


@dataclass(frozen=True)
class DraftRule:
    """A rule of a drafted suite.

    `type` is the name of a Great Expectations expectation without its prefix `expect_column_values_to_` (`expect_` for
    compound columns). `after_close` is True for a rule that applies only after the partition has closed.
    """

    type: str
    severity: str
    kwargs: dict[str, Any]
    why: str
    after_close: bool = False

    def as_mapping(self) -> dict[str, Any]:
        """Return the rule as a mapping with the fields of a rule in a suite's YAML file."""
        prefix = "expect_" if self.type.startswith("compound") else "expect_column_values_to_"
        timing = {"applies": "after_close"} if self.after_close else {}
        return {
            "type": f"{prefix}{self.type}",
            "severity": self.severity,
            "kwargs": self.kwargs,
            "why": self.why,
        } | timing


@dataclass(frozen=True)
class DraftSuite:
    """A drafted suite: rules for rows, and rules for the number of rows of a partition."""

    description: str
    rows: list[DraftRule] = field(default_factory=list)
    partition: list[DraftRule] = field(default_factory=list)

    def as_yaml(self) -> str:
        """Return the suite as YAML, one line per rule."""
        lines = [f"description: {as_yaml(self.description)}", "rows:" + ("" if self.rows else " []")]
        lines += [f"  - {flow(rule.as_mapping())}" for rule in self.rows]
        lines += ["partition:", f"  metrics: {flow({'rows': 'count(*)'})}", "  rules:"]
        lines += [f"    - {flow(rule.as_mapping())}" for rule in self.partition]
        return "\n".join(lines) + "\n"


def draft_suite(feed: ExtractFeed) -> str:
    """Return a feed's suite as YAML, with rules for the key, missing values, value ranges and row counts."""
    rules = _key_rules(feed.key) if feed.has_key else []
    for column in feed.profile.columns:
        if column.name not in feed.key or not feed.has_key:
            rules += _column_rules(column)
    description = (
        f"Drafted from a profile of {feed.profile.rows:,} rows. Rewrite this description in the words of the business."
    )
    return DraftSuite(description, rules, _row_count_rules(feed.history)).as_yaml()


def empty_suite(name: str) -> str:
    """Return a suite as YAML whose only rule requires at least one row in each partition."""
    why = NO_ROW_LEFT if name != "features" else "there is no unit to decide about"
    return DraftSuite(f"Rules for {name}, still to be written.", [], [_at_least_one_row(why)]).as_yaml()


def _key_rules(key: list[str]) -> list[DraftRule]:
    rules = [DraftRule("not_be_null", "critical", {"column": c}, f"the row has no {c}") for c in key]
    why = "one row is reported twice with different contents"
    if len(key) == 1:
        return [*rules, DraftRule("be_unique", "critical", {"column": key[0]}, why)]
    return [*rules, DraftRule("compound_columns_to_be_unique", "critical", {"column_list": key}, why)]


def _row_count_rules(history: TimeProfile | None) -> list[DraftRule]:
    rules = [_at_least_one_row(NO_ROW_LEFT, after_close=True)]
    if history and history.every == "day":
        usual = {"column": "rows", "min_value": max(1, int(history.per_day / 4)), "max_value": history.most * 2}
        why = "the number of rows is unusual; some rows may be missing, or may have arrived twice"
        rules.append(DraftRule("be_between", "warning", usual, why, after_close=True))
    return rules


def _at_least_one_row(why: str, after_close: bool = False) -> DraftRule:
    return DraftRule("be_between", "critical", {"column": "rows", "min_value": 1}, why, after_close)


def _column_rules(column: ColumnProfile) -> list[DraftRule]:
    rules = []
    if not column.nulls:
        why = "the value was never missing in the profiled extracts"
        rules.append(DraftRule("not_be_null", "warning", {"column": column.name}, why))
    if column.numeric and column.low is not None and math.isfinite(column.low) and math.isfinite(column.high):
        rules.append(_range_rule(column))
    elif column.kind == "VARCHAR" and len(column.values) > 1 and all(isinstance(v, str) for v in column.values):
        kwargs = {"column": column.name, "value_set": list(column.values)}
        why = "the value never occurred in the profiled extracts"
        rules.append(DraftRule("be_in_set", "warning", kwargs, why))
    return rules


def _range_rule(column: ColumnProfile) -> DraftRule:
    """Return a rule with the column's range of values, widened on both sides by half of its width.

    If no value is negative and the lowest value is near zero, the range starts at zero.
    """
    low, high = float(column.low), float(column.high)
    margin = (high - low) / 2 or abs(high) or 1
    minimum = 0.0 if 0 <= low < margin else low - margin
    lowest, highest = _round_outwards(minimum, high + margin)
    kwargs = {"column": column.name, "min_value": lowest, "max_value": highest}
    why = "the value is far outside its usual range; the unit may be wrong, or the value mistyped"
    return DraftRule("be_between", "warning", kwargs, why)


def _round_outwards(low: float, high: float) -> tuple[float, float]:
    """Return a range with short numbers that contains the range from `low` to `high`.

    Its width has three digits. A number has at most 15 digits, because a rule about a DECIMAL needs exact numbers.
    """
    width, largest = Decimal(high) - Decimal(low), max(abs(Decimal(low)), abs(Decimal(high)))
    step = Decimal(10) ** max(width.adjusted() - 2, largest.adjusted() - 14)
    lowest = (Decimal(low) / step).to_integral_value(ROUND_FLOOR) * step
    highest = (Decimal(high) / step).to_integral_value(ROUND_CEILING) * step
    return float(lowest), float(highest)
