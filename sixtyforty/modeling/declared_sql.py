"""List the SQL expressions in a use case's declaration. For each, name the declared field and the SQL that uses it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.recipe import Model
from sixtyforty.spec.sources import Source
from sixtyforty.spec.stages import StageGate
from sixtyforty.spec.use_case import UseCase


@dataclass(frozen=True)
class DeclaredSql:
    """A SQL expression in a declaration.

    `field` is the declared field, such as `kpi.actions.offer.cost`. `sql` is the expression as the declaration writes
    it. `used_as` is the SQL that runs, such as the expression with a cast.
    """

    field: str
    sql: str
    used_as: str


def all_declared_sql(use_case: UseCase) -> list[tuple[str, str]]:
    """Return each SQL text of a declaration with its place: a SQL file, such as `features.sql`, or a declared field.

    The parts that a draft doesn't declare yet are left out.
    """
    parts = use_case.model_fields_set
    files = [use_case.folder / f"{stage}.sql" for stage in ("units", "features", "current_process", "outcomes")]
    texts = [(file.name, file.read_text()) for file in files if file.exists()]
    if "decision" in parts:
        texts.append(("decision.decided_at", use_case.decision.decided_at))
    texts += [
        (f"sources.{name}.columns.{column}", kind)
        for name, source in use_case.sources.items()
        for column, kind in source.columns.items()
    ]
    expressions = [
        *(e for name, source in use_case.sources.items() for e in source_expressions(use_case, name, source, True)),
        *(list_expressions(use_case) if "decision_list" in parts else ()),
        *(label_expressions(use_case) if "labels" in parts else ()),
        *feature_expressions(use_case, parts),
        *(target_expressions(use_case.model) if "model" in parts else ()),
    ]
    return texts + [(expression.field, expression.sql) for expression in expressions]


def source_expressions(use_case: UseCase, name: str, source: Source, known_at_counts: bool) -> Iterator[DeclaredSql]:
    """Yield the SQL expressions that a source declares over its own columns: partition, known_at and derived columns.

    known_at_counts: whether the source is an input of features. The `known_at` of other sources is never used.
    """
    if source.partition:
        yield DeclaredSql(f"sources.{name}.partition", source.partition, use_case.partition_sql(source.partition))
    if source.known_at and known_at_counts:
        yield DeclaredSql(f"sources.{name}.known_at", source.known_at, f"({source.known_at})::timestamp")
    for column, sql in source.derived.items():
        yield DeclaredSql(f"sources.{name}.derived.{column}", sql, f"({sql})")


def list_expressions(use_case: UseCase) -> Iterator[DeclaredSql]:
    """Yield the SQL expressions over the units' columns that the list of decisions shows."""
    shown = use_case.decision_list
    if shown.label:
        yield DeclaredSql("decision_list.label", shown.label, f"({shown.label})::varchar")
    for name, sql in shown.show.items():
        yield DeclaredSql(f"decision_list.show.{name}", sql, f"({sql})")


def label_expressions(use_case: UseCase) -> Iterator[DeclaredSql]:
    """Yield the SQL expressions over the columns of reference sources that `labels` declares, in its order."""
    for column, label in use_case.labels.items():
        yield DeclaredSql(f"labels.{column}.text", label.text, f"({label.text})::varchar")


def feature_expressions(use_case: UseCase, parts: Collection[str]) -> Iterator[DeclaredSql]:
    """Yield the declared SQL expressions that read the columns of features.sql, such as vetoes and costs of actions.

    parts: top-level fields of the declaration. Only expressions in these fields are yielded.
    """
    if "stages" in parts:
        for name, gate in dict(use_case.stages or {}).items():
            if isinstance(gate, StageGate) and gate.scope.where:
                condition = gate.scope.where
                yield DeclaredSql(f"stages.{name}.scope.where", condition, f"({condition}) is true")
    if "model" in parts:
        for name, veto in use_case.model.vetoes.items():
            yield DeclaredSql(f"model.vetoes.{name}.when", veto.when, f"({veto.when}) is true")
    if "kpi" in parts:
        yield from _kpi_expressions(use_case.kpi)


def _kpi_expressions(kpi: Kpi) -> Iterator[DeclaredSql]:
    for name, action in kpi.actions.items():
        for kind in ("gain", "cost"):
            sql = getattr(action, kind)
            if isinstance(sql, str):
                yield DeclaredSql(f"kpi.actions.{name}.{kind}", sql, f"({sql})::double")
    for name, candidate in kpi.candidates.items():
        kind, sql = (
            ("action", candidate.action) if candidate.action else ("expected_outcome", candidate.expected_outcome)
        )
        yield DeclaredSql(f"kpi.candidates.{name}.{kind}", sql or "", f"({sql})")


def target_expressions(model: Model) -> Iterator[DeclaredSql]:
    """Yield the declared target of the model and of each alternative: SQL over features and the outcome."""
    targets = {"model.target": model.target}
    targets |= {f"model.alternatives.{name}.target": other.target for name, other in model.alternatives.items()}
    for field, sql in targets.items():
        if sql:
            yield DeclaredSql(field, sql, f"({sql})::double")


def named_features(use_case: UseCase, parts: Collection[str]) -> Iterator[tuple[str, str, bool]]:
    """Yield (field, column, whether the model must see the column) for each declared name of a features.sql column.

    Columns with a leading underscore are hidden from the model.
    parts: top-level fields of the declaration. Only names in these fields are yielded.
    """
    if "model" in parts:
        for kind in ("categorical", "monotone_constraints", "reasons"):
            for name in getattr(use_case.model, kind):
                yield f"model.{kind}", name, True
    if "kpi" in parts:
        for name in use_case.kpi.segments:
            yield "kpi.segments", name, False
        if use_case.kpi.holdout and use_case.kpi.holdout.covariate:
            yield "kpi.holdout.covariate", use_case.kpi.holdout.covariate, False
