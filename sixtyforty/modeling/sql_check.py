"""Whether a use case's SQL fits its contract: all of it is bound to empty tables, so that no data is needed.

What names a column that isn't there, or can't be run for another reason, is told with the line DuckDB says.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sixtyforty.modeling.point_in_time import create_units
from sixtyforty.spec.sources import Source
from sixtyforty.spec.stages import StageGate
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.duckdb_session import connect

if TYPE_CHECKING:
    import duckdb

QUOTED = re.compile(r'"([^"]+)"')


@dataclass(frozen=True)
class SqlProblem:
    """SQL that can't be run: of a declared `field`, or a line of `<stage>.sql`. `allowed`: what could be there."""

    message: str
    field: str = ""
    stage: str = ""
    line: int = 1
    written: str = ""
    allowed: tuple[str, ...] = ()


def check_sql(case: UseCase, parts: Collection[str], stages: Collection[str]) -> tuple[list[SqlProblem], list[str]]:
    """What is wrong with the SQL of the parts and stages that are filled in, and the columns of features.sql."""
    found: list[SqlProblem] = []
    columns: list[str] = []
    with connect(case.timezone) as db:
        found += _sources(db, case, parts)
        if not found and {"decision", "sources"} <= set(parts):
            found += _units(db, case, stages)
            if not found:
                found += _stages(db, case, parts, stages, columns)
    return found, columns


def _sources(db: duckdb.DuckDBPyConnection, case: UseCase, parts: Collection[str]) -> Iterator[SqlProblem]:
    for name, source in case.sources.items():
        wrong = [w for c, kind in source.columns.items() for w in _type(db, f"sources.{name}.columns.{c}", kind)]
        yield from wrong
        if wrong:
            continue
        types = ", ".join(f'null::{kind} as "{c}"' for c, kind in source.columns.items())
        rest = "null::timestamp as known_at, null::varchar as _partition"
        db.execute(f"create or replace temp table {name} as select {types}, {rest} where false")
        # whether a source is one of inputs, whose known_at counts, is known with the people
        yield from _expressions(db, name, _declared(case, name, source, "people" in parts and name in case.inputs))


def _declared(case: UseCase, name: str, source: Source, known: bool) -> Iterator[tuple[str, str, str]]:
    """Field, SQL, and the SQL it is used in."""
    if source.partition:
        yield f"sources.{name}.partition", source.partition, case.partition_sql(source.partition)
    if source.known_at and known:
        yield f"sources.{name}.known_at", source.known_at, f"({source.known_at})::timestamp"
    for column, sql in source.derived.items():
        yield f"sources.{name}.derived.{column}", sql, f"({sql})"


def _type(db: duckdb.DuckDBPyConnection, field: str, kind: str) -> Iterator[SqlProblem]:
    known = "VARCHAR", "INTEGER", "BIGINT", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP", "TIME", "DECIMAL(12,2)"
    if _refused(db, f"select null::{kind}"):
        yield SqlProblem(f"'{kind}' is not a DuckDB type", field, written=kind.upper(), allowed=known)


def _units(db: duckdb.DuckDBPyConnection, case: UseCase, stages: Collection[str]) -> Iterator[SqlProblem]:
    if case.decision.unit_source is None:
        db.execute("create or replace temp table decision_partitions (_partition varchar, starts_at timestamp)")
        if "units" not in stages:
            return
        wrong = list(_stage(db, case, "units", ["_partition", *case.decision.key]))
        yield from wrong
        if wrong:
            return
    try:
        create_units(db, case, [])
    except Exception as error:
        yield _misfit(error, field="decision.decided_at")


def _stages(
    db: duckdb.DuckDBPyConnection, case: UseCase, parts: Collection[str], stages: Collection[str], columns: list[str]
) -> Iterator[SqlProblem]:
    key = [*([] if case.decision.unit_source in case.partitioned else ["_partition"]), *case.decision.key]
    if "current_process" in stages:
        yield from _stage(db, case, "current_process", [*key, "action"])
    if "outcomes" in stages:
        yield from _stage(
            db, case, "outcomes", [*key, *(case.kpi.outcome_columns if "kpi" in parts else []), "known_at"]
        )
    if "features" in stages:
        wrong = list(_stage(db, case, "features", key))
        yield from wrong
        if not wrong:
            db.execute(
                "create or replace temp table built as select *, null::varchar as current_action,"
                f" null::timestamp as decided_at from ({case.sql('features')}) where false"
            )
            if "_partition" not in _columns(db, "built"):
                db.execute("alter table built add column _partition varchar")
            columns += [c for c in _columns(db, "built") if c not in ("current_action", "_partition", "decided_at")]
            yield from _over_features(db, case, parts, columns)


def _over_features(
    db: duckdb.DuckDBPyConnection, case: UseCase, parts: Collection[str], columns: list[str]
) -> Iterator[SqlProblem]:
    seen = [c for c in columns if not c.startswith("_")]
    yield from _expressions(db, "built", _scopes(case) if "stages" in parts else ())
    if "model" in parts:
        for kind in ("categorical", "monotone_constraints", "reasons"):
            for name in getattr(case.model, kind):
                if name not in seen:
                    yield SqlProblem(f"'{name}' is not a feature", f"model.{kind}", written=name, allowed=tuple(seen))
        vetoes = ((f"model.vetoes.{n}.when", v.when, f"({v.when}) is true") for n, v in case.model.vetoes.items())
        yield from _expressions(db, "built", vetoes)
        if "kpi" in parts:
            learned = [("model.target", case.model.target)]
            learned += [(f"model.candidates.{n}.target", c.target) for n, c in case.model.alternatives.items()]
            with_outcome = f'(select *, null::double as "{case.kpi.outcome}" from built)'
            yield from _expressions(db, with_outcome, ((f, sql, f"({sql})::double") for f, sql in learned if sql))
    if "kpi" in parts:
        for name in case.kpi.segments:
            if name not in columns:
                yield SqlProblem(f"'{name}' is not a feature", "kpi.segments", written=name, allowed=tuple(columns))
        covariate = case.kpi.holdout.covariate if case.kpi.holdout else None
        if covariate and covariate not in columns:
            yield SqlProblem(
                f"'{covariate}' is not a feature", "kpi.holdout.covariate", "", 1, covariate, tuple(columns)
            )
        priced = (
            (f"kpi.actions.{n.split(' ', 1)[1]}.{n.split(' ', 1)[0][1:]}", sql)
            for n, sql in case.kpi.payoff_sql.items()
        )
        yield from _expressions(db, "built", ((f, sql, f"({sql})::double") for f, sql in priced))
        asked = ((f"kpi.candidates.{n}", c.action or c.expected_outcome or "") for n, c in case.kpi.candidates.items())
        yield from _expressions(db, "built", ((f"{f}.{_which(case, f)}", sql, f"({sql})") for f, sql in asked))


def _scopes(case: UseCase) -> Iterator[tuple[str, str, str]]:
    for name, gate in dict(case.stages or {}).items():
        if isinstance(gate, StageGate) and gate.scope.where:
            yield f"stages.{name}.scope.where", gate.scope.where, f"({gate.scope.where}) is true"


def _which(case: UseCase, field: str) -> str:
    return "action" if case.kpi.candidates[field.split(".")[2]].action else "expected"


def _expressions(
    db: duckdb.DuckDBPyConnection, table: str, asked: Iterable[tuple[str, str, str]]
) -> Iterator[SqlProblem]:
    for field, sql, used in asked:
        error = _refused(db, f"select ({sql}) from {table} limit 0") or _refused(
            db, f"select {used} from {table} limit 0"
        )
        if error:
            yield _misfit(error, field=field)


def _stage(db: duckdb.DuckDBPyConnection, case: UseCase, stage: str, wanted: Iterable[str]) -> Iterator[SqlProblem]:
    """What is wrong with `<stage>.sql`: it can't be run, or lacks a column."""
    text = case.sql(stage)
    error = _refused(db, f"select * from ({text}) limit 0")
    if error:
        yield _misfit(error, stage=stage, last=text.count("\n") + 1)
        return
    have = _columns(db, f"({text})")
    for column in dict.fromkeys(wanted):
        if column not in have:
            yield SqlProblem(f"gives no column '{column}'", stage=stage, written=column, allowed=tuple(have))


def _columns(db: duckdb.DuckDBPyConnection, what: str) -> list[str]:
    return [row[0] for row in db.execute(f"describe select * from {what}").fetchall()]


def _refused(db: duckdb.DuckDBPyConnection, sql: str) -> Exception | None:
    import duckdb

    try:
        db.execute(sql)
    except duckdb.Error as error:
        return error
    return None


def _misfit(error: Exception, field: str = "", stage: str = "", last: int = 1) -> SqlProblem:
    """DuckDB's error in our words: its first line, what it says could be there, and the line it points at."""
    text = str(error)
    said, _, rest = text.partition("\n")
    said = said.partition(": ")[2] or said
    named, line = QUOTED.search(said), re.search(r"^LINE (\d+):", rest, re.M)
    candidates = QUOTED.findall("".join(re.findall(r"^(?:Candidate bindings:|Did you mean).*", rest, re.M)))
    given = candidates[0] if "Did you mean" in rest and candidates else named[1] if named else ""
    return SqlProblem(
        f"isn't SQL that runs: {said}", field, stage, min(int(line[1]), last) if line else 1, given, tuple(candidates)
    )
