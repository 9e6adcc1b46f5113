"""Cross-checks between the parts of a declaration. Example: a field that names a source must name a declared source.

Each check names the parts that it reads. So the checks also run on a draft in which other parts are still missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from sixtyforty.spec.errors import ConflictingFields, FieldError
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
    "_status",
    "_reason",
}
Check = Callable[[UseCase], Iterator[FieldError]]
CHECKS: list[tuple[frozenset[str], Check]] = []


def find_conflicts(use_case: UseCase, parts: Iterable[str]) -> list[FieldError]:
    """Return all conflicts between parts of a declaration.

    parts: names of top-level fields. Each of them must already be filled in and valid by itself.
    """
    present = set(parts)
    return [error for needed, check in CHECKS if needed <= present for error in check(use_case)]


def require_consistent(use_case: UseCase) -> UseCase:
    """Return the use case unchanged if its parts agree. Raises ConflictingFields with all conflicts otherwise.

    The use case must be complete, without blanks.
    """
    if errors := find_conflicts(use_case, type(use_case).model_fields):
        raise ConflictingFields(errors)
    return use_case


def _reads(*parts: str) -> Callable[[Check], Check]:
    """Return a decorator that registers a check, with the names of the parts that it reads."""

    def register(check: Check) -> Check:
        CHECKS.append((frozenset(parts), check))
        return check

    return register


def _missing_columns(field: str, columns: Iterable[str], allowed: Iterable[str]) -> Iterator[FieldError]:
    known = list(allowed)
    for column in columns:
        if column not in known:
            yield FieldError(field, f"the source has no column '{column}'", column, known)


@_reads("sources")
def _check_sources(use_case: UseCase) -> Iterator[FieldError]:
    for name, source in use_case.sources.items():
        yield from _missing_columns(f"sources.{name}.key", source.key, source.columns)
        yield from _missing_columns(f"sources.{name}.personal", source.personal, source.columns)
        for column in sorted(RESERVED_COLUMNS & source.columns.keys()):
            yield FieldError(
                f"sources.{name}.columns.{column}", "this column name is reserved for the pipeline; choose another name"
            )
        if source.partition and not source.known_at:
            yield FieldError(f"sources.{name}", "a source with `partition` also needs `known_at`, to prevent leakage")


@_reads("sources", "decision", "people")
def _check_units(use_case: UseCase) -> Iterator[FieldError]:
    source = use_case.decision.unit_source
    if source is not None and source not in use_case.sources:
        yield FieldError("decision.unit_source", f"there is no source '{source}'", source, use_case.sources)
        return
    for error in _missing_columns("decision.key", use_case.decision.key, use_case.unit_columns):
        if source is None:
            hint = "; without unit_source, each key column needs the name and type of a source's column"
            yield FieldError(error.field, error.message + hint, error.written, error.allowed)
        else:
            yield error


@_reads("sources", "decision", "people", "kpi", "automation")
def _check_holdouts(use_case: UseCase) -> Iterator[FieldError]:
    holdout, rollout = use_case.kpi.holdout, use_case.automation.rollout
    if use_case.decision.unit_source is None or use_case.decision.unit_source in use_case.sources:
        columns = use_case.unit_columns
        yield from _missing_columns("kpi.holdout.cluster_by", holdout.cluster_by if holdout else (), columns)
        yield from _missing_columns("automation.rollout.cluster_by", rollout.cluster_by if rollout else (), columns)
    if holdout and rollout:
        if rollout.cluster_by:
            yield FieldError(
                "automation.rollout.cluster_by", "kpi.holdout.cluster_by is used instead; remove this field"
            )
        if rollout.holdout_share < holdout.share:
            yield FieldError(
                "automation.rollout.holdout_share",
                "the share is less than kpi.holdout.share, which applies in every step; raise it",
            )


@_reads("sources", "people")
def _check_responses(use_case: UseCase) -> Iterator[FieldError]:
    name = use_case.people.responses
    if name is None:
        return
    if name not in use_case.sources:
        yield FieldError("people.responses", f"there is no source '{name}'", name, use_case.sources)
        return
    source = use_case.sources[name]
    if missing := sorted(RESPONSE_COLUMNS - source.columns.keys()):
        yield FieldError(f"sources.{name}", f"the source of the responses lacks the columns {', '.join(missing)}")
    if not source.partition:
        yield FieldError(
            f"sources.{name}", "the source of the responses needs `partition`: the day of the decision it answers"
        )


@_reads("kpi", "model")
def _check_vetoes(use_case: UseCase) -> Iterator[FieldError]:
    vetoes, actions = use_case.model.vetoes, use_case.kpi.actions
    for name, veto in vetoes.items():
        if veto.never not in actions:
            yield FieldError(f"model.vetoes.{name}.never", f"there is no action '{veto.never}'", veto.never, actions)
    if vetoes and use_case.kpi.amount:
        yield FieldError("model.vetoes", "vetoes forbid named actions; for an amount, declare minimum and maximum")
    elif vetoes and set(actions) == {veto.never for veto in vetoes.values()}:
        yield FieldError("model.vetoes", "the vetoes forbid every action; leave at least one action allowed")


@_reads("kpi", "people")
def _check_review(use_case: UseCase) -> Iterator[FieldError]:
    review, kpi = use_case.people.review, use_case.kpi
    if review is None:
        return
    if kpi.outcome_type == "number" or kpi.has_limits:
        yield FieldError(
            "people.review",
            "a review needs a binary outcome and actions without a limit; otherwise its value can't be computed",
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
