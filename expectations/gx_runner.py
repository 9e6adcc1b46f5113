"""Run Great Expectations: evaluate the rules of a suite on a pandas DataFrame, and return the rows that fail."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from expectations.condition_values import with_plain_conditions
from expectations.row_conditions import CONDITION, PARSER
from expectations.rule_bounds import with_exact_bounds
from expectations.rule_catalog import ROW_RULES
from expectations.rule_decimals import with_exact_conditions, with_plain_numbers, with_scaled_decimals
from expectations.rule_times import PAIR_SET, with_comparable_times
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
PLAIN_TYPES = (str, int, bool)  # Python types that JSON has, too
JSON_SCHEMA = "expect_column_values_to_match_json_schema"
# Rules that judge each row by itself, and whose condition Great Expectations 1.24 ignores.
IGNORE_CONDITIONS = (PAIR_SET,)
MAX_UNJUDGED = 50  # if a rule can't judge more different values than this, the rule is wrong, not the values

_PATCH_LOCK = threading.Lock()


class RuleError(SixtyfortyError):
    """Great Expectations can't evaluate a rule, such as one with a misspelt type or a column that doesn't exist."""


def create_context() -> Any:
    """Return a Great Expectations context that writes no files, shows no progress bars and sends no telemetry."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from tqdm.auto import tqdm  # type: ignore[import-untyped]

    tqdm.monitor_interval = 0  # without progress bars, no thread needs to watch them
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


@lru_cache(maxsize=1)
def _shared_context() -> Any:
    """Return the context of all evaluations in this process."""
    return create_context()


def prepare_evaluation() -> None:
    """Evaluate an example rule, so that Great Expectations computes now what this process and its forks share."""
    import pandas as pd

    rule = Rule(type="expect_column_values_to_not_be_null", severity="info", why="", kwargs={"column": "number"})
    find_failing_rows("preparation", pd.DataFrame({"number": [1]}), [rule])


def _create_validator(frame: pd.DataFrame) -> Any:
    """Return Great Expectations' validator for a DataFrame.

    The validator of a data source would hash all values of the DataFrame twice, which takes longer than most rules.
    """
    from great_expectations.core.batch import Batch
    from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine
    from great_expectations.validator.validator import Validator

    batch = Batch(data=frame)  # type: ignore[arg-type]  # Great Expectations declares the type's type
    return Validator(PandasExecutionEngine(), data_context=_shared_context(), batches=[batch])


def build_suite(name: str, rules: Sequence[Rule]) -> Any:
    """Return rules as a suite in Great Expectations' own form. name: the suite's name.

    Raises RuleError if Great Expectations drops a rule. It drops a rule with a misspelt type without raising an error.
    """
    from great_expectations.core.expectation_suite import ExpectationSuite

    try:
        suite = ExpectationSuite(name=name, expectations=list(map(_configuration, range(len(rules)), rules)))
    except ValueError as error:
        raise RuleError(
            f"suite {name}: Great Expectations doesn't accept the arguments of a rule. Correct the rule. {error}"
        ) from error
    accepted = {(expectation.meta or {})["number"] for expectation in suite.expectations}
    dropped = [rule.type for number, rule in enumerate(rules) if number not in accepted]
    if dropped:
        raise RuleError(
            f"suite {name}: Great Expectations doesn't accept the rule {', '.join(dropped)}."
            " Check the rule's type and arguments."
        )
    return suite


def _configuration(number: int, rule: Rule) -> dict[str, Any]:
    """Return a rule in Great Expectations' own form. number: the rule's number, by which results name the rule."""
    return {
        "type": rule.type,
        "severity": rule.severity,
        "kwargs": rule.kwargs,
        "meta": {"number": number, "why": rule.why},
    }


def find_failing_rows(name: str, frame: pd.DataFrame, rules: Sequence[Rule]) -> list[list[int]]:
    """Return, for each rule, the positions of the rows of a DataFrame that fail the rule, in ascending order.

    frame: must have a RangeIndex. name: the suite's name, for error messages. A row that a rule can't judge fails the
    rule. `mostly` is ignored, because the caller knows which rows belong together. Raises RuleError if a rule can't be
    evaluated at all, so that an exception never counts as a pass.

    Most rules pass. So the function first asks only which rules fail, which costs a third of asking for row numbers.
    """
    failing_rows: list[list[int]] = [[] for _ in rules]
    if not rules or frame.empty:
        return failing_rows
    frame, rules = with_exact_conditions(with_plain_numbers(frame), rules)
    frame, rules = with_scaled_decimals(frame, rules)
    rules = [rule.without_tolerance() for rule in rules]
    try:
        frame, rules = with_comparable_times(frame, rules)
        frame, rules = with_plain_conditions(frame, rules)
    except ValueError as error:
        raise RuleError(f"suite {name}: a rule can't be evaluated: {error}. Correct the rule.") from error
    frame, rules = with_exact_bounds(frame, rules)
    ignored = {n: rule for n, rule in enumerate(rules) if _is_condition_ignored(rule)}
    rules = [_without_condition(rule) if number in ignored else rule for number, rule in enumerate(rules)]
    outcomes = _evaluate(name, frame, dict(enumerate(rules)), PASS_OR_FAIL)
    failed, unjudged = {}, {}
    for number, outcome in outcomes.items():
        if isinstance(outcome, str):
            unjudged[number] = outcome
        elif not outcome.success:
            failed[number] = rules[number]
    for number, problem in unjudged.items():
        failing_rows[number] = _judge_in_parts(name, frame, rules[number], problem)
    if failed:
        for number, positions in _failing_positions(name, frame, failed).items():
            failing_rows[number] = positions
    for number, rule in ignored.items():
        fulfilling = set(frame.query(rule.kwargs[CONDITION]).index)
        failing_rows[number] = [position for position in failing_rows[number] if position in fulfilling]
    return failing_rows


def _is_condition_ignored(rule: Rule) -> bool:
    return rule.type in IGNORE_CONDITIONS and rule.kwargs.get(CONDITION) is not None


def _without_condition(rule: Rule) -> Rule:
    arguments = {name: argument for name, argument in rule.kwargs.items() if name not in (CONDITION, PARSER)}
    return rule.model_copy(update={"kwargs": arguments})


def _failing_positions(name: str, frame: pd.DataFrame, rules: Mapping[int, Rule]) -> dict[int, list[int]]:
    """Return the positions of the rows that fail each rule, by the number of the rule in `rules`."""
    failing = {}
    for number, outcome in _evaluate(name, frame, rules, ROW_NUMBERS).items():
        if isinstance(outcome, str):
            raise _rule_error(name, rules[number], outcome)
        positions = outcome.result.get("unexpected_index_list") or []
        if not outcome.success and not positions:
            raise RuleError(
                f"suite {name}: a rule under `rows` must judge each row by itself, but {rules[number].type} judges"
                " all rows together. Declare a metric under `partition` and write the rule about it."
            )
        failing[number] = sorted(positions)
    return failing


def _judge_in_parts(name: str, frame: pd.DataFrame, rule: Rule, problem: str) -> list[int]:
    """Return the positions of the rows that fail a rule, or that the rule can't judge, in ascending order.

    problem: why the rule failed on all rows together. Raises RuleError if the rule can judge no row, or if it can't
    judge more than MAX_UNJUDGED different values.
    """
    alone = _evaluate(name, frame, {0: rule}, PASS_OR_FAIL)[0]
    if not isinstance(alone, str):  # the rule works alone, so the exception came from another rule
        return [] if alone.success else _failing_positions(name, frame, {0: rule})[0]
    without_rows = _evaluate(name, frame.iloc[:0], {0: rule}, PASS_OR_FAIL)[0]
    if rule.type not in ROW_RULES or isinstance(without_rows, str):
        raise _rule_error(name, rule, problem)
    positions_by_texts: dict[tuple[str, ...], list[int]] = {}
    for position, texts in enumerate(zip(*(frame[column].map(repr) for column in rule.read_columns), strict=True)):
        positions_by_texts.setdefault(texts, []).append(position)
    distinct = [positions[0] for positions in positions_by_texts.values()]
    failing = set(_fail_or_unjudged(name, frame.iloc[distinct].reset_index(drop=True), rule, problem))
    groups = (positions for n, positions in enumerate(positions_by_texts.values()) if n in failing)
    return sorted(position for positions in groups for position in positions)


def _fail_or_unjudged(name: str, frame: pd.DataFrame, rule: Rule, problem: str) -> list[int]:
    """Return the positions of the rows that fail a rule or can't be judged. The caller must pass distinct rows.

    The rows are halved until a half can be judged, or until a single row can't. problem: see `_judge_in_parts`.
    """
    failing, unjudged, judged = _not_json(frame, rule), 0, 0
    parts = [sorted(set(range(len(frame))) - set(failing))]
    while parts:
        positions = parts.pop()
        part = frame.iloc[positions].reset_index(drop=True)
        outcome = _evaluate(name, part, {0: rule}, PASS_OR_FAIL)[0]
        if not isinstance(outcome, str):
            judged += len(positions)
            if not outcome.success:
                failing += [positions[n] for n in _failing_positions(name, part, {0: rule})[0]]
        elif len(positions) > 1:
            parts += [positions[: len(positions) // 2], positions[len(positions) // 2 :]]
        else:
            failing, unjudged = [*failing, *positions], unjudged + 1
            if unjudged > MAX_UNJUDGED:
                raise _rule_error(name, rule, problem)
    if unjudged > 1 and not judged:
        raise _rule_error(name, rule, problem)
    return failing


def _not_json(frame: pd.DataFrame, rule: Rule) -> list[int]:
    """Return the positions of texts that aren't JSON for a rule that needs JSON, and none for any other rule."""
    if rule.type != JSON_SCHEMA:
        return []
    return [n for n, text in enumerate(frame[rule.kwargs["column"]]) if not _is_null_or_json(text)]


def _is_null_or_json(text: Any) -> bool:
    if not isinstance(text, str):
        return True
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _rule_error(name: str, rule: Rule, problem: str) -> RuleError:
    return RuleError(f"suite {name}: {rule.type} can't be evaluated on {rule.column}. Correct the rule. {problem}")


def _evaluate(
    name: str, frame: pd.DataFrame, rules: Mapping[int, Rule], result_format: Mapping[str, Any]
) -> dict[int, Any]:
    """Return Great Expectations' validation result for each rule, by the number of the rule in `rules`.

    In place of the result of a rule that raises an exception, return the exception's message.
    """
    numbers, suite = list(rules), build_suite(name, list(rules.values()))
    with _less_repetition():
        validator = _create_validator(frame)
        configurations = validator.process_expectations_for_validation(suite.expectation_configurations)
        validations = validator.graph_validate(configurations, {"result_format": dict(result_format)})
        # The validator refers to itself, so Python would hold its DataFrame until the next garbage collection.
        batches = validator.execution_engine.batch_manager
        batches.reset_batch_cache()
        batches.batch_data_cache.clear()
    outcomes = {}
    for outcome in validations:
        number = numbers[(outcome.expectation_config.meta or {})["number"]]
        outcomes[number] = _exception_message(outcome.exception_info) or outcome
    if len(outcomes) != len(rules):
        raise RuleError(
            f"suite {name}: Great Expectations evaluated only {len(outcomes)} of {len(rules)} rules."
            " Remove one rule at a time to find the skipped rule."
        )
    return outcomes


@contextmanager
def _less_repetition() -> Iterator[None]:
    """Make Great Expectations repeat less work while the `with` block runs. The outcomes stay the same.

    For each rule, Great Expectations computes the expectation ten times and the configuration forty times. It also
    converts the arguments of each metric to JSON types, although they have JSON types already. Together, this takes
    half of a rule's time.
    """
    from great_expectations.core import id_dict
    from great_expectations.expectations.expectation import Expectation
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    names: list[tuple[Any, str]] = [
        (Expectation, "configuration"),
        (ExpectationConfiguration, "to_domain_obj"),
        (id_dict, "convert_to_json_serializable"),
    ]
    with _PATCH_LOCK:
        originals = [vars(owner)[name] for owner, name in names]
        configuration, to_domain_obj, convert = originals
        replacements = [property(_remembering(configuration.fget)), _remembering(to_domain_obj), _unless_plain(convert)]
        try:
            for (owner, name), replacement in zip(names, replacements, strict=True):
                setattr(owner, name, replacement)
            yield
        finally:
            for (owner, name), original in zip(names, originals, strict=True):
                setattr(owner, name, original)


def _remembering(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Wrap a function of one argument, so that it runs only once for each object that is passed to it."""
    answers: dict[int, tuple[Any, Any]] = {}

    def remembered(subject: Any) -> Any:
        if id(subject) not in answers:
            # The object is stored too. Otherwise Python could delete it, and give its id to another object.
            answers[id(subject)] = subject, function(subject)
        return answers[id(subject)][1]

    return remembered


def _unless_plain(convert: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function that converts a dict to JSON types, so that a dict of JSON types is returned unchanged."""

    def convert_unless_plain(data: Mapping[str, Any]) -> Any:
        is_plain = all(argument is None or type(argument) in PLAIN_TYPES for argument in data.values())
        return data if is_plain else convert(data)

    return convert_unless_plain


def _exception_message(exception_info: Any) -> str:
    if not exception_info:
        return ""
    exceptions = [exception_info] if "raised_exception" in exception_info else list(exception_info.values())
    return "; ".join(str(each.get("exception_message")) for each in exceptions if each.get("raised_exception"))
