"""Run Great Expectations: evaluate the rules of a suite on a pandas DataFrame, and return the rows that fail."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from expectations.rule_decimals import with_scaled_decimals
from expectations.rules import Rule
from sixtyforty.spec.errors import SixtyfortyError

if TYPE_CHECKING:
    import pandas as pd

# A result format of Great Expectations: the numbers of all failing rows, without values, which may be personal data.
ROW_NUMBERS = {
    "result_format": "COMPLETE",
    "exclude_unexpected_values": True,
    "partial_unexpected_count": 0,
    "return_unexpected_index_query": False,
}
PASS_OR_FAIL = {"result_format": "BOOLEAN_ONLY"}

_CONFIGURATION_LOCK = threading.Lock()


class RuleError(SixtyfortyError):
    """Great Expectations can't evaluate a rule, such as one with a misspelt type or a column that doesn't exist."""


def create_context() -> Any:
    """Return a Great Expectations context that writes no files, shows no progress bars and sends no telemetry."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


@lru_cache(maxsize=1)
def _batch_definition() -> Any:
    """Return Great Expectations' batch definition, which turns a DataFrame into a batch. It is created only once."""
    asset = create_context().data_sources.add_pandas("frames").add_dataframe_asset("rows")
    return asset.add_batch_definition_whole_dataframe("rows")


def build_suite(name: str, rules: Sequence[Rule]) -> Any:
    """Return rules as a suite in Great Expectations' own form. name: the suite's name.

    Raises RuleError if Great Expectations drops a rule. It drops a rule with a misspelt type without raising an error.
    """
    from great_expectations.core.expectation_suite import ExpectationSuite

    suite = ExpectationSuite(
        name=name,
        expectations=[
            {
                "type": rule.type,
                "severity": rule.severity,
                "kwargs": rule.kwargs,
                "meta": {"number": number, "why": rule.why},
            }
            for number, rule in enumerate(rules)
        ],
    )
    accepted = {(expectation.meta or {})["number"] for expectation in suite.expectations}
    dropped = [rule.type for number, rule in enumerate(rules) if number not in accepted]
    if dropped:
        raise RuleError(
            f"suite {name}: Great Expectations doesn't accept the rule {', '.join(dropped)}."
            " Check the rule's type and arguments."
        )
    return suite


def find_failing_rows(name: str, frame: pd.DataFrame, rules: Sequence[Rule]) -> list[list[int]]:
    """Return, for each rule, the positions of the rows of a DataFrame that fail the rule, in ascending order.

    frame: must have a RangeIndex. name: the suite's name, for error messages. Raises RuleError if a rule can't be
    evaluated, so that an exception never counts as a pass.

    Most rules pass. So the function first asks only which rules fail, which costs a third of asking for row numbers.
    """
    failing_rows: list[list[int]] = [[] for _ in rules]
    if not rules or frame.empty:
        return failing_rows
    frame, rules = with_scaled_decimals(frame, rules)
    outcomes = _evaluate(name, frame, dict(enumerate(rules)), PASS_OR_FAIL)
    failed = {
        number: rules[number]
        for number, outcome in outcomes.items()
        if not outcome.success or "mostly" in rules[number].kwargs
    }
    if not failed:
        return failing_rows
    for number, outcome in _evaluate(name, frame, failed, ROW_NUMBERS).items():
        positions = outcome.result.get("unexpected_index_list") or []
        if not outcome.success and not positions:
            raise RuleError(
                f"suite {name}: a rule under `rows` must judge each row by itself, but {rules[number].type} judges"
                " all rows together. Declare a metric under `partition` and write the rule about it."
            )
        failing_rows[number] = sorted(positions)
    return failing_rows


def _evaluate(
    name: str, frame: pd.DataFrame, rules: Mapping[int, Rule], result_format: Mapping[str, Any]
) -> dict[int, Any]:
    """Return Great Expectations' validation result for each rule, by the number of the rule in `rules`."""
    numbers, suite = list(rules), build_suite(name, list(rules.values()))
    with _cached_configurations():
        batch = _batch_definition().get_batch({"dataframe": frame})
        validation = batch.validate(suite, result_format=dict(result_format))
    outcomes = {}
    for outcome in validation.results:
        number = numbers[(outcome.expectation_config.meta or {})["number"]]
        failure = _exception_message(outcome.exception_info)
        if failure:
            rule = rules[number]
            raise RuleError(
                f"suite {name}: {rule.type} can't be evaluated on {rule.column}. Correct the rule. {failure}"
            )
        outcomes[number] = outcome
    if len(outcomes) != len(rules):
        raise RuleError(
            f"suite {name}: Great Expectations evaluated only {len(outcomes)} of {len(rules)} rules."
            " Remove one rule at a time to find the skipped rule."
        )
    return outcomes


@contextmanager
def _cached_configurations() -> Iterator[None]:
    """Cache the configuration of each expectation while the `with` block runs.

    Great Expectations computes the configuration anew forty times per rule, which takes a quarter of a rule's time.
    """
    from great_expectations.expectations.expectation import Expectation

    original = vars(Expectation)["configuration"]
    configurations: dict[int, tuple[Any, Any]] = {}

    def cached(expectation: Any) -> Any:
        if id(expectation) not in configurations:
            # The expectation is stored too. Otherwise Python could delete it, and give its id to another object.
            configurations[id(expectation)] = expectation, original.fget(expectation)
        return configurations[id(expectation)][1]

    with _CONFIGURATION_LOCK:
        Expectation.configuration = property(cached)  # type: ignore[assignment, method-assign]
        try:
            yield
        finally:
            Expectation.configuration = original  # type: ignore[method-assign]


def _exception_message(exception_info: Any) -> str:
    if not exception_info:
        return ""
    exceptions = [exception_info] if "raised_exception" in exception_info else list(exception_info.values())
    return "; ".join(str(each.get("exception_message")) for each in exceptions if each.get("raised_exception"))
