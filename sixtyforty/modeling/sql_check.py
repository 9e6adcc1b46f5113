"""Check a use case's SQL against its data contract, without data: DuckDB binds all queries to empty tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING

from sixtyforty.modeling.declared_sql import (
    DeclaredSql,
    feature_expressions,
    label_expressions,
    list_expressions,
    named_features,
    source_expressions,
    target_expressions,
)
from sixtyforty.modeling.feature_fit import find_unusable_features, kind_of
from sixtyforty.modeling.features import feature_names
from sixtyforty.modeling.point_in_time import create_units
from sixtyforty.modeling.sql_guard import find_forbidden
from sixtyforty.modeling.sql_problem import SqlProblem, problem_of_error
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.partition_columns import columns_of
from sixtyforty.storage.sql import identifier

if TYPE_CHECKING:
    import duckdb

    from sixtyforty.spec.sources import Source

FEATURE_ROWS = "_built"
ADDED_COLUMNS = ("action", "current_action", "suspect")  # the pipeline adds these columns to the features


def check_sql(use_case: UseCase, parts: Collection[str], stages: Collection[str]) -> tuple[list[SqlProblem], list[str]]:
    """Check the SQL of a declaration. Return the problems, and the columns that features.sql returns.

    parts: the top-level fields of the declaration that are filled in. stages: the names of the SQL files that exist,
    without `.sql`. If features.sql can't run, the list of columns is empty.
    """
    with connect(use_case.timezone) as db:
        problems = [
            problem
            for name, source in use_case.sources.items()
            for problem in _check_source(db, use_case, name, source, parts)
        ]
        if "labels" in parts and not problems:
            for label, expression in zip(use_case.labels.values(), label_expressions(use_case), strict=True):
                problems += _check_expressions(db, identifier(label.source), [expression])
        if problems or not {"decision", "sources"} <= set(parts):
            return problems, []
        problems = list(_check_units(db, use_case, stages))
        if problems:
            return problems, []
        if "decision_list" in parts:
            problems += _check_expressions(db, "units", list_expressions(use_case))
        problems += _check_stages(db, use_case, parts, stages)
        if "features" not in stages:
            return problems, []
        feature_problems = [
            *_check_stage(db, use_case, "features", _unit_columns(use_case)),
            *_check_feature_names(db, use_case),
        ]
        if feature_problems:
            return [*problems, *feature_problems], []
        columns = _create_feature_rows(db, use_case)
        return [*problems, *_check_over_features(db, use_case, parts, columns)], columns


def _check_source(
    db: duckdb.DuckDBPyConnection, use_case: UseCase, name: str, source: Source, parts: Collection[str]
) -> Iterator[SqlProblem]:
    """Create an empty table of a source, and yield the problems in the source's expressions."""
    columns = ", ".join(f"null::{kind} as {identifier(column)}" for column, kind in source.columns.items())
    db.execute(
        f"create or replace temp table {identifier(name)} as"
        f" select {columns}, null::timestamp as known_at, null::varchar as _partition where false"
    )
    is_input = (
        "people" in parts and name in use_case.inputs
    )  # without `people`, the source of responses looks like an input of features, which it isn't
    yield from _check_expressions(db, identifier(name), source_expressions(use_case, name, source, is_input))


def _check_units(db: duckdb.DuckDBPyConnection, use_case: UseCase, stages: Collection[str]) -> Iterator[SqlProblem]:
    """Yield the problems of units.sql and of decided_at. Create the empty table `units`."""
    if use_case.decision.unit_source is None:
        db.execute("create or replace temp table decision_partitions (_partition varchar, starts_at timestamp)")
        if "units" not in stages:
            return
        problems = list(_check_stage(db, use_case, "units", ["_partition", *use_case.decision.key]))
        if problems:
            yield from problems
            return
    forbidden = find_forbidden(use_case.decision.decided_at, field="decision.decided_at")
    if forbidden:
        yield forbidden
        return
    try:
        create_units(db, use_case, [])
    except Exception as error:
        yield problem_of_error(error, field="decision.decided_at")


def _unit_columns(use_case: UseCase) -> list[str]:
    """Return the columns that identify a unit in every SQL file."""
    from_source = use_case.decision.unit_source in use_case.partitioned
    return [*([] if from_source else ["_partition"]), *use_case.decision.key]


def _check_stages(
    db: duckdb.DuckDBPyConnection, use_case: UseCase, parts: Collection[str], stages: Collection[str]
) -> Iterator[SqlProblem]:
    key = _unit_columns(use_case)
    if "current_process" in stages:
        yield from _check_stage(db, use_case, "current_process", [*key, "action"])
    if "outcomes" in stages:
        outcome_columns = use_case.kpi.outcome_columns if "kpi" in parts else []
        problems = list(_check_stage(db, use_case, "outcomes", [*key, *outcome_columns, "known_at"]))
        yield from problems
        if outcome_columns and not problems:
            yield from _check_number(db, use_case, "outcome", use_case.kpi.outcome, "a number, or true and false")
            treatment = use_case.kpi.treatment
            if treatment and treatment.propensity:
                yield from _check_number(db, use_case, "propensity", treatment.propensity, "a number from 0 to 1")


def _check_number(
    db: duckdb.DuckDBPyConnection, use_case: UseCase, role: str, column: str, expected: str
) -> Iterator[SqlProblem]:
    """Yield a problem if a column of outcomes.sql is no number or boolean, such as the text 'yes'.

    role: what the column is, such as `outcome`. expected: what the column must return.
    """
    rows = db.sql(f"select {identifier(column)} from ({use_case.sql('outcomes')}) limit 0")
    (arrow_type,) = columns_of(rows.to_arrow_table().schema).values()
    if kind_of(arrow_type) not in ("number", "null"):
        yield SqlProblem(f"the {role} '{column}' is of the type {rows.types[0]}; return {expected}", stage="outcomes")


def _check_stage(
    db: duckdb.DuckDBPyConnection, use_case: UseCase, stage: str, required: Iterable[str]
) -> Iterator[SqlProblem]:
    """Yield the problems of `<stage>.sql`: the query can't run, or doesn't return a required column."""
    text = use_case.sql(stage)
    forbidden = find_forbidden(text, stage=stage)
    if forbidden:
        yield forbidden
        return
    error = _binding_error(db, f"select * from ({text}) limit 0")
    if error:
        yield problem_of_error(error, stage=stage, last_line=text.count("\n") + 1)
        return
    columns = _columns(db, f"({text})")
    for column in dict.fromkeys(required):
        if column not in columns:
            yield SqlProblem(
                f"the query returns no column '{column}'", stage=stage, written=column, allowed=tuple(columns)
            )


def _check_feature_names(db: duckdb.DuckDBPyConnection, use_case: UseCase) -> Iterator[SqlProblem]:
    """Yield a problem for each feature that has the name of a column which the pipeline adds to the features."""
    query = f"({use_case.sql('features')})"
    for column in _columns(db, query) if _binding_error(db, f"select * from {query} limit 0") is None else ():
        if column.lower() in ADDED_COLUMNS:
            yield SqlProblem(
                f"the column name '{column}' is reserved for the pipeline; choose another name", stage="features"
            )


def _create_feature_rows(db: duckdb.DuckDBPyConnection, use_case: UseCase) -> list[str]:
    """Create an empty table of feature rows that declared expressions can read. Return the columns of features.sql."""
    added = ("current_action", "_partition", "decided_at")
    db.execute(
        f"create or replace temp table {FEATURE_ROWS} as select *, null::varchar as current_action,"
        f" null::timestamp as decided_at from ({use_case.sql('features')}) where false"
    )
    if "_partition" not in _columns(db, FEATURE_ROWS):
        db.execute(f"alter table {FEATURE_ROWS} add column _partition varchar")
    return [column for column in _columns(db, FEATURE_ROWS) if column not in added]


def _check_over_features(
    db: duckdb.DuckDBPyConnection, use_case: UseCase, parts: Collection[str], columns: list[str]
) -> Iterator[SqlProblem]:
    """Yield the problems of all declared names and expressions that refer to the columns of features.sql.

    columns: the columns of features.sql.
    """
    visible = [column for column in columns if not column.startswith("_")]
    for field, name, must_be_visible in named_features(use_case, parts):
        allowed = visible if must_be_visible else columns
        if name not in allowed:
            yield SqlProblem(f"'{name}' is not a feature", field, "", 1, name, tuple(allowed))
    if {"model", "kpi", "decision"} <= set(parts) and set(use_case.model.categorical) <= set(visible):
        yield from _check_feature_types(db, use_case)
    yield from _check_expressions(db, FEATURE_ROWS, feature_expressions(use_case, parts))
    if {"model", "kpi"} <= set(parts):
        with_outcome = f"(select *, null::double as {identifier(use_case.kpi.outcome)} from {FEATURE_ROWS})"
        yield from _check_expressions(db, with_outcome, target_expressions(use_case.model))


def _check_feature_types(db: duckdb.DuckDBPyConnection, use_case: UseCase) -> Iterator[SqlProblem]:
    """Yield a problem for each feature from which no model can learn, such as a text that isn't a category."""
    columns = columns_of(db.sql(f"select * from {FEATURE_ROWS} limit 0").to_arrow_table().schema)
    features = {name: columns[name] for name in feature_names(use_case, list(columns)) if name != use_case.kpi.outcome}
    for feature, problem in find_unusable_features(features, use_case.model.categorical).items():
        yield SqlProblem(f"the feature '{feature}' {problem}", "model.categorical")


def _check_expressions(
    db: duckdb.DuckDBPyConnection, table: str, expressions: Iterable[DeclaredSql]
) -> Iterator[SqlProblem]:
    for expression in expressions:
        forbidden = find_forbidden(expression.sql, field=expression.field)
        if forbidden:
            yield forbidden
            continue
        error = _binding_error(db, f"select ({expression.sql}) from {table} limit 0") or _binding_error(
            db, f"select {expression.used_as} from {table} limit 0"
        )
        if error:
            yield problem_of_error(error, field=expression.field)


def _columns(db: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    return [row[0] for row in db.execute(f"describe select * from {table}").fetchall()]


def _binding_error(db: duckdb.DuckDBPyConnection, sql: str) -> Exception | None:
    import duckdb

    try:
        db.execute(sql)
    except duckdb.Error as error:
        return error
    return None
