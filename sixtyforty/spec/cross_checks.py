"""Whether the parts of a declaration go together: what a field names must be there, and what it needs beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from sixtyforty.spec.base import FieldError

if TYPE_CHECKING:
    from sixtyforty.spec.use_case import UseCase

RESPONSES = {"decision_id", "person", "role", "at", "event", "action", "reason", "rating", "simulated"}
Check = Callable[["UseCase"], Iterator[FieldError]]
OURS = {"known_at", "_partition", "_extract", "_row", "_seq", "_broken", "_text", "_fate", "_reason"}
CHECKS: list[tuple[frozenset[str], Check]] = []


def contradictions(use_case: UseCase, parts: Iterable[str]) -> list[FieldError]:
    """All that is wrong between the parts named: those that are filled in, and sound by themselves."""
    there = set(parts)
    return [wrong for needed, check in CHECKS if needed <= there for wrong in check(use_case)]


def needs(*parts: str) -> Callable[[Check], Check]:
    """Marks a check with the parts of the use case it looks at."""

    def mark(check: Check) -> Check:
        CHECKS.append((frozenset(parts), check))
        return check

    return mark


def _named(field: str, columns: Iterable[str], allowed: Iterable[str]) -> Iterator[FieldError]:
    have = list(allowed)
    for column in columns:
        if column not in have:
            yield FieldError(field, f"names the column '{column}', which isn't in the source", column, have)


@needs("sources")
def _sources(case: UseCase) -> Iterator[FieldError]:
    for name, source in case.sources.items():
        yield from _named(f"sources.{name}.key", source.key, source.columns)
        yield from _named(f"sources.{name}.personal", source.personal, source.columns)
        for column in sorted(OURS & source.columns.keys()):
            yield FieldError(f"sources.{name}.columns.{column}", "is what the chain calls something of its own: rename it")
        if source.partition and not source.known_at:
            yield FieldError(f"sources.{name}", "is partitioned and needs known_at (no time travel)")


@needs("sources", "decision", "people")
def _units(case: UseCase) -> Iterator[FieldError]:
    unit = case.decision.unit_source
    if unit is not None and unit not in case.sources:
        yield FieldError("decision.unit", f"'{unit}' is not a source", unit, case.sources)
    else:
        for wrong in _named("decision.key", case.decision.key, case.unit_columns):
            of_sql = "; of units.sql a key is a column that a source has, and of its type" if unit is None else ""
            yield FieldError(wrong.field, wrong.message + of_sql, wrong.written, wrong.allowed)


@needs("sources", "decision", "people", "kpi", "automation")
def _arms(case: UseCase) -> Iterator[FieldError]:
    holdout, rollout = case.kpi.holdout, case.automation.rollout
    if case.decision.unit_source is None or case.decision.unit_source in case.sources:
        yield from _named("kpi.holdout.cluster_by", holdout.cluster_by if holdout else (), case.unit_columns)
        yield from _named("automation.rollout.cluster_by", rollout.cluster_by if rollout else (), case.unit_columns)
    if holdout and rollout:
        if rollout.cluster_by:
            yield FieldError(
                "automation.rollout.cluster_by", "is given, but those of kpi.holdout.cluster_by are drawn; leave it out"
            )
        if rollout.holdout_share < holdout.share:
            yield FieldError("automation.rollout.holdout_share", "is less than kpi.holdout.share, which holds in every step")


@needs("sources", "people")
def _responses(case: UseCase) -> Iterator[FieldError]:
    name = case.people.responses
    if name is None:
        return
    if name not in case.sources:
        yield FieldError("people.responses", f"'{name}' is not a source", name, case.sources)
        return
    missing = sorted(RESPONSES - case.sources[name].columns.keys())
    if missing or not case.sources[name].partition:
        yield FieldError(
            f"sources.{name}",
            f"holds the responses: it is partitioned by the decision's day, and needs the columns {sorted(RESPONSES)};"
            f" missing: {missing}",
        )


@needs("kpi", "model")
def _vetoes(case: UseCase) -> Iterator[FieldError]:
    for name, veto in case.model.vetoes.items():
        if veto.never not in case.kpi.actions:
            yield FieldError(f"model.vetoes.{name}.never", f"'{veto.never}' is not an action", veto.never, case.kpi.actions)
    if case.model.vetoes and case.kpi.amount:
        yield FieldError("model.vetoes", "forbid actions by name; of an amount declare minimum and maximum")
    elif case.model.vetoes and set(case.kpi.actions) == {v.never for v in case.model.vetoes.values()}:
        yield FieldError("model.vetoes", "name every action: there may be nothing left to do; leave one out")


@needs("kpi", "people")
def _review(case: UseCase) -> Iterator[FieldError]:
    rule = case.people.review.rule if case.people.review else None
    if case.people.review and (case.kpi.outcome_type == "number" or case.kpi.has_limits):
        yield FieldError(
            "people.review",
            "asks about binary outcomes and actions without a limit: what a person's answer is worth isn't known of"
            " others",
        )
    if rule is not None and rule not in case.kpi.candidates:
        yield FieldError("people.review.rule", f"'{rule}' is not a candidate", rule, case.kpi.candidates)


@needs("kpi", "sourcing")
def _vendors(case: UseCase) -> Iterator[FieldError]:
    bought = [n for n, c in case.kpi.candidates.items() if c.vendor]
    for name in case.sourcing.vendors if case.sourcing else ():
        if name not in bought:
            yield FieldError("sourcing.vendors", f"names '{name}', no candidate with vendor: true", name, bought)
