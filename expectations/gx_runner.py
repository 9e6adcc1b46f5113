"""Great Expectations, called once for many partitions: which rows break which rule."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from expectations.suites import Rule

if TYPE_CHECKING:
    import pandas as pd

RESULT_FORMAT = {  # row numbers of all that fail, and no values: those may be personal data
    "result_format": "COMPLETE",
    "exclude_unexpected_values": True,
    "partial_unexpected_count": 0,
    "return_unexpected_index_query": False,
}

_ALONE = threading.Lock()


class RuleError(ValueError):
    """A rule Great Expectations can't run: misspelt, or about a column that isn't there."""


def context() -> Any:
    """An ephemeral GX context: nothing on disk, no progress bars, no telemetry."""
    import os

    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    found = gx.get_context(mode="ephemeral")
    found.variables.progress_bars = ProgressBarsConfig(globally=False)
    return found


@lru_cache(maxsize=1)
def _frames() -> Any:
    """What makes a batch of a frame, made once a process: each part of it is written out as YAML when it is made."""
    asset = context().data_sources.add_pandas("frames").add_dataframe_asset("rows")
    return asset.add_batch_definition_whole_dataframe("rows")


def expectation_suite(name: str, rules: Sequence[Rule]) -> Any:
    """The rules as a GX suite. Raises RuleError when GX would drop one (it only logs a misspelt type)."""
    from great_expectations.core.expectation_suite import ExpectationSuite

    suite = ExpectationSuite(
        name=name,
        expectations=[
            {
                "type": r.type,
                "severity": r.severity,
                "kwargs": r.kwargs,
                "meta": {"number": i, "why": r.why},
            }
            for i, r in enumerate(rules)
        ],
    )
    kept = {(e.meta or {})["number"] for e in suite.expectations}
    lost = [r.type for i, r in enumerate(rules) if i not in kept]
    if lost:
        raise RuleError(f"suite {name}: Great Expectations doesn't know, or refuses: {', '.join(lost)}")
    return suite


def failing(name: str, frame: pd.DataFrame, rules: Sequence[Rule]) -> list[list[int]]:
    """For each rule, the row positions of `frame` (RangeIndex) that break it.

    Raises RuleError when a rule couldn't be evaluated: an exception is never a pass. Most rules hold: whether they do
    is asked first, at a third of the price of asking where they don't.
    """
    rows: list[list[int]] = [[] for _ in rules]
    if not rules or frame.empty:
        return rows
    held = _results(name, frame, dict(enumerate(rules)), {"result_format": "BOOLEAN_ONLY"})
    broken = {n: rules[n] for n, one in held.items() if not one.success or "mostly" in rules[n].kwargs}
    if not broken:
        return rows
    for number, one in _results(name, frame, broken, RESULT_FORMAT).items():
        indices = one.result.get("unexpected_index_list") or []
        if not one.success and not indices:
            raise RuleError(f"suite {name}: {rules[number].type} isn't row-wise; make it one over `metrics`")
        rows[number] = sorted(indices)
    return rows


def _results(name: str, frame: pd.DataFrame, rules: Mapping[int, Rule], form: Mapping[str, Any]) -> dict[int, Any]:
    """What Great Expectations says of each rule, by its number."""
    numbers, suite = list(rules), expectation_suite(name, list(rules.values()))
    with _configured_once():
        result = _frames().get_batch({"dataframe": frame}).validate(suite, result_format=dict(form))
    found = {}
    for one in result.results:
        number = numbers[(one.expectation_config.meta or {})["number"]]
        failure = _exception(one.exception_info)
        if failure:
            raise RuleError(f"suite {name}, {rules[number].type} on {rules[number].column}: {failure}")
        found[number] = one
    if len(found) != len(rules):
        raise RuleError(f"suite {name}: {len(rules) - len(found)} rules gave no result")
    return found


@contextmanager
def _configured_once() -> Iterator[None]:
    """Within, an expectation makes its configuration once.

    Great Expectations asks for it forty times a rule, and each time it is made anew: a quarter of what a rule costs.
    """
    from great_expectations.expectations.expectation import Expectation

    anew, made = vars(Expectation)["configuration"], dict[int, tuple[Any, Any]]()

    def once(expectation: Any) -> Any:
        if id(expectation) not in made:  # it is kept as well: no other may get its id meanwhile
            made[id(expectation)] = expectation, anew.fget(expectation)
        return made[id(expectation)][1]

    with _ALONE:
        Expectation.configuration = property(once)  # type: ignore[assignment, method-assign]
        try:
            yield
        finally:
            Expectation.configuration = anew  # type: ignore[method-assign]


def _exception(info: Any) -> str:
    if not info:
        return ""
    infos = [info] if "raised_exception" in info else list(info.values())
    return "; ".join(str(i.get("exception_message")) for i in infos if i.get("raised_exception"))
