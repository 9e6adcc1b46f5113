"""Checks that compare top-level fields of a declaration. Example: a field that names a source needs a declared source.

Each check lists the top-level fields that it reads. It runs as soon as these fields are filled in, so it also runs on a
draft in which other fields are still blank.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from sixtyforty.spec.confinement import estimator_packages, find_estimator_problem
from sixtyforty.spec.errors import ConflictingFields, FieldError
from sixtyforty.spec.sources import Source
from sixtyforty.spec.use_case import UseCase

RESPONSE_COLUMNS = {
    "decision_id",
    "person",
    "role",
    "at",
    "event",
    "action",
    "reason",
    "rating",
    "simulated",
}
RESERVED_COLUMNS = {
    "known_at",
    "_partition",
    "_extract",
    "_row",
    "_seq",
    "_broken",
    "_text",
    "_text_bytes",
    "_rowid",
    "_status",
    "_reason",
    "_file",
    "_line",
}
# Names of the pipeline's own tables: those that SQL reads, and the features with their suite.
RESERVED_SOURCES = ("units", "decision_partitions", "features")
# Other columns of the tables with decisions, of the lake and of the database. A unit's key can't have their names.
DECISION_COLUMNS = {
    *("decision_id", "use_case", "track", "partition", "decided_at", "action", "current_action", "expected"),
    *("decided_by", "reason", "champion_version", "data_version", "verdict_id", "policy", "code_version"),
    *("delivered_at", "decided_action", "revision", "answered_by", "answered_at"),
}
UNITS = "the units"  # in errors: what has the columns by which units are identified and grouped
Check = Callable[[UseCase], Iterator[FieldError]]
CHECKS: list[tuple[frozenset[str], Check]] = []


def find_conflicts(use_case: UseCase, parts: Iterable[str]) -> list[FieldError]:
    """Return one error for each contradiction between top-level fields of a declaration.

    parts: names of the top-level fields to compare. Each of them must be filled in and valid by itself. Checks that
    read other fields are skipped.
    """
    present = set(parts)
    return [error for needed, check in CHECKS if needed <= present for error in check(use_case)]


def require_consistent(use_case: UseCase) -> UseCase:
    """Return the use case unchanged. Raises ConflictingFields if any of its fields contradict each other.

    The use case must be complete, without blanks.
    """
    if errors := find_conflicts(use_case, type(use_case).model_fields):
        raise ConflictingFields(errors)
    return use_case


def _reads(*parts: str) -> Callable[[Check], Check]:
    """Return a decorator that adds a check to CHECKS, with the fields of the declaration that the check reads.

    parts: names of the top-level fields that the check reads.
    """

    def register(check: Check) -> Check:
        CHECKS.append((frozenset(parts), check))
        return check

    return register


def _missing_columns(field: str, columns: Iterable[str], allowed: Iterable[str], owner: str) -> Iterator[FieldError]:
    """Yield an error for each column in `columns` that isn't in `allowed`.

    columns: the columns that the field names. owner: what has the allowed columns, such as `the units`.
    """
    known = list(allowed)
    for column in columns:
        if column not in known:
            yield FieldError(field, f"'{column}' is not a column of {owner}", column, known)


@_reads("sources")
def _check_sources(use_case: UseCase) -> Iterator[FieldError]:
    for name, source in use_case.sources.items():
        owner = f"the source '{name}'"
        if name in RESERVED_SOURCES:
            yield FieldError(f"sources.{name}", "this name is reserved for a table of the pipeline; choose another")
        yield from _missing_columns(f"sources.{name}.key", source.key, source.columns, owner)
        yield from _missing_columns(f"sources.{name}.personal", source.personal, source.columns, owner)
        yield from _missing_columns(f"sources.{name}.optional_columns", source.optional_columns, source.columns, owner)
        for column in sorted(set(source.key) & set(source.optional_columns)):
            yield FieldError(f"sources.{name}.optional_columns", f"'{column}' is part of the key; remove it")
        yield from _check_other_names(name, source)
        for column in sorted(column for column in source.columns if column.lower() in RESERVED_COLUMNS):
            yield FieldError(
                f"sources.{name}.columns.{column}", "this column name is reserved for the pipeline; choose another name"
            )
        if source.partition and not source.known_at:
            yield FieldError(f"sources.{name}", "a source with `partition` also needs `known_at`, to prevent leakage")


def _check_other_names(source_name: str, source: Source) -> Iterator[FieldError]:
    field = f"sources.{source_name}.other_names"
    yield from _missing_columns(field, source.other_names, source.columns, f"the source '{source_name}'")
    other_names = [name for names in source.other_names.values() for name in names]
    for name in sorted({name for name in other_names if other_names.count(name) > 1}):
        yield FieldError(field, f"'{name}' is another name of several columns; declare it for only one of them")
    for name in sorted(source.columns.keys() & set(other_names)):
        yield FieldError(field, f"'{name}' is a column of the source itself; remove it from `columns` or `other_names`")


@_reads("decision")
def _check_key(use_case: UseCase) -> Iterator[FieldError]:
    for column in use_case.decision.key:
        if column.lower() in DECISION_COLUMNS:
            message = f"'{column}' is also a column of the tables with decisions; choose another column name"
            yield FieldError("decision.key", message)


@_reads("sources", "labels")
def _check_labels(use_case: UseCase) -> Iterator[FieldError]:
    for column, label in use_case.labels.items():
        field, source = f"labels.{column}.source", use_case.sources.get(label.source)
        if source is None:
            yield FieldError(field, f"there is no source '{label.source}'", label.source, use_case.sources)
        elif source.partition or len(source.key) != 1:
            yield FieldError(
                field,
                f"the source '{label.source}' is no reference of codes; name a source without `partition` that has one"
                " key column",
            )


@_reads("sources", "decision", "people")
def _check_units(use_case: UseCase) -> Iterator[FieldError]:
    source = use_case.decision.unit_source
    if source is not None and source not in use_case.sources:
        yield FieldError("decision.unit_source", f"there is no source '{source}'", source, use_case.sources)
        return
    for error in _missing_columns("decision.key", use_case.decision.key, use_case.unit_columns, UNITS):
        if source is None:
            hint = "; without unit_source, each key column must have the same name and type as a column of a source"
            yield FieldError(error.field, error.message + hint, error.written, error.allowed)
        else:
            yield error


@_reads("sources", "decision", "people", "kpi", "automation")
def _check_holdouts(use_case: UseCase) -> Iterator[FieldError]:
    holdout, rollout = use_case.kpi.holdout, use_case.automation.rollout
    if use_case.decision.unit_source is None or use_case.decision.unit_source in use_case.sources:
        columns = use_case.unit_columns
        yield from _missing_columns("kpi.holdout.cluster_by", holdout.cluster_by if holdout else (), columns, UNITS)
        yield from _missing_columns(
            "automation.rollout.cluster_by", rollout.cluster_by if rollout else (), columns, UNITS
        )
    if holdout and holdout.bounds and (holdout.cluster_by or use_case.units_recur):
        yield FieldError(
            "kpi.holdout.bounds",
            "bounds need units that are drawn one by one, and these are drawn in groups or recur; remove the bounds",
        )
    if holdout and rollout:
        if rollout.cluster_by:
            yield FieldError(
                "automation.rollout.cluster_by",
                "the rollout uses kpi.holdout.cluster_by; remove automation.rollout.cluster_by",
            )
        if rollout.holdout_share < holdout.share:
            yield FieldError(
                "automation.rollout.holdout_share",
                f"holdout_share ({rollout.holdout_share:g}) is below kpi.holdout.share ({holdout.share:g}), which"
                " applies in every rollout step; raise holdout_share",
            )


@_reads("timezone", "partitions", "replay")
def _check_replay(use_case: UseCase) -> Iterator[FieldError]:
    first_day, end = use_case.replay.first_day, use_case.partitions.end
    if end and use_case.partition_of_day(first_day) > use_case.limits[1]:
        message = f"first_day ({first_day}) is after the last partition ({end}), so nothing is decided; correct one"
        yield FieldError("replay.first_day", message)


@_reads("sources", "people")
def _check_responses(use_case: UseCase) -> Iterator[FieldError]:
    name, unanswered = use_case.people.responses, use_case.people.unanswered
    if name is None:
        if unanswered:
            message = "it has no effect without `responses`; name the source of people's answers, or drop this field"
            yield FieldError("people.unanswered", message)
        return
    if unanswered is None:
        yield FieldError(
            "people.unanswered",
            "it is missing, but people's answers are recorded; write `done` if a decision's action is taken although"
            " nobody answers, or `not_done` if the current process's action is then taken",
        )
    if name not in use_case.sources:
        yield FieldError("people.responses", f"there is no source '{name}'", name, use_case.sources)
        return
    source = use_case.sources[name]
    if missing := sorted(RESPONSE_COLUMNS - source.columns.keys()):
        yield FieldError(f"sources.{name}", f"the source of people's responses lacks the columns {', '.join(missing)}")
    if not source.partition:
        yield FieldError(
            f"sources.{name}",
            "the source of people's responses needs `partition`: the day of the decision that a response is about",
        )


@_reads("model")
def _check_estimators(use_case: UseCase) -> Iterator[FieldError]:
    packages, recipe = estimator_packages(), use_case.model
    estimators = {"model": recipe.estimator}
    estimators |= {f"model.alternatives.{name}": other.estimator for name, other in recipe.alternatives.items()}
    for field, estimator in estimators.items():
        if problem := find_estimator_problem(estimator, packages):
            yield FieldError(f"{field}.estimator", problem)


@_reads("kpi", "model")
def _check_vetoes(use_case: UseCase) -> Iterator[FieldError]:
    vetoes, actions = use_case.model.vetoes, use_case.kpi.actions
    for name, veto in vetoes.items():
        if veto.never not in actions:
            yield FieldError(f"model.vetoes.{name}.never", f"there is no action '{veto.never}'", veto.never, actions)
    if vetoes and use_case.kpi.amount:
        yield FieldError(
            "model.vetoes", "vetoes forbid named actions; limit an amount with kpi.amount.minimum and maximum instead"
        )
    elif vetoes and set(actions) == {veto.never for veto in vetoes.values()}:
        yield FieldError("model.vetoes", "the vetoes forbid every action; leave at least one action allowed")


@_reads("kpi", "partitions")
def _check_daily_limits(use_case: UseCase) -> Iterator[FieldError]:
    every = use_case.partitions.every
    for name, action in use_case.kpi.actions.items():
        if action.is_limited_by_day and every != "day":
            yield FieldError(
                f"kpi.actions.{name}.limit.per",
                f"a limit per day needs partitions of a day, but partitions.every is {every}; write the limit of one"
                " decision time as a number, or declare `partitions.every: day`",
            )


@_reads("kpi", "people")
def _check_review(use_case: UseCase) -> Iterator[FieldError]:
    review, kpi = use_case.people.review, use_case.kpi
    if review is None:
        return
    if kpi.outcome_type == "number" or kpi.has_limits:
        yield FieldError(
            "people.review",
            "the value of a review can only be computed for a binary outcome and for actions without a limit;"
            " remove the review or change the KPI",
        )
    if review.rule is not None and review.rule not in kpi.candidates:
        yield FieldError("people.review.rule", f"there is no candidate '{review.rule}'", review.rule, kpi.candidates)


@_reads("kpi", "sourcing")
def _check_vendors(use_case: UseCase) -> Iterator[FieldError]:
    vendor_candidates = [name for name, candidate in use_case.kpi.candidates.items() if candidate.vendor]
    for name in use_case.sourcing.vendors if use_case.sourcing else ():
        if name not in vendor_candidates:
            yield FieldError(
                "sourcing.vendors", f"'{name}' is not a candidate with `vendor: true`", name, vendor_candidates
            )
