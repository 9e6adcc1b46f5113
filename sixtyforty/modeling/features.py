"""Point-in-time features, the current process's action, and outcomes: the use case's SQL run over the lake.

Its SQL sees one view a source (the contract's columns and `known_at`, UTC) over the lookback window, and `units`:
the units decided about in the partitions asked for, with `decided_at`. What isn't there yet is an empty view. It gives
a row a unit, by its key; where units aren't the rows of a partitioned source, by `_partition` and its key.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Self, TypeVar

from sixtyforty.modeling.lineage import input_versions, read_inputs
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.sources import Source
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.lake import Entry, Lake, split

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa

K = TypeVar("K")
MARKS = ("_partition", "decided_at", "current_action")  # beside the key: what a feature row has that no model sees


class FeatureError(ValueError):
    """The use case's SQL doesn't give exactly one row a unit."""


def _open(
    use_case: UseCase, lake: Lake, entries: Mapping[str, Mapping[str, Entry]], partitions: Sequence[str]
) -> duckdb.DuckDBPyConnection:
    """A connection with a table for each source, of these entries, and `units` of these partitions."""
    db = connect(use_case.timezone)
    for name, source in use_case.inputs.items():
        db.execute(f"create temp table {name} as {_rows(lake, source, entries[name])}")
    create_units(db, use_case, partitions)
    return db


def create_units(
    db: duckdb.DuckDBPyConnection, use_case: UseCase, partitions: Sequence[str], which: str = "true"
) -> None:
    """Makes the table `units` of these partitions anew, from the views as they are, and `moments` where that helps."""
    decision, asked = use_case.decision, use_case.partitions_with_units(partitions)
    columns, rows = "* exclude known_at", f"{decision.unit_source} where _partition in ({_listed(asked)})"
    if decision.unit_source not in use_case.partitioned:
        db.execute("create or replace temp table decision_partitions (_partition varchar, starts_at timestamp)")
        if asked:
            db.execute("insert into decision_partitions values " + ", ".join(f"('{p}', '{use_case.opens_at(p)}')" for p in asked))
        own = f"(select * exclude (known_at, _partition) from {decision.unit_source}) cross join decision_partitions"
        columns, rows = "*", own if decision.unit_source else f"({use_case.sql('units')}) join decision_partitions using (_partition)"
    db.execute(
        f"create or replace temp table units as"
        f" select * from (select {columns}, {decision.decided_at} as decided_at from {rows}) where {which}"
    )


def _listed(partitions: Sequence[str]) -> str:
    return ", ".join(f"'{p}'" for p in partitions) or "null"


@contextmanager
def _back_then(db: duckdb.DuckDBPyConnection, use_case: UseCase, partition: str, moment: datetime) -> Iterator[None]:
    """Inside, the tables hold what was known by then of the partition's window, and the units decided then."""
    window = _listed([*use_case.widen([partition], use_case.lookback_partitions, 0), SNAPSHOT])
    db.execute("begin")
    try:
        for name in use_case.inputs:
            db.execute(
                f"delete from {name} where (known_at <= timestamp '{moment}' and _partition in ({window})) is not true"
            )
        create_units(db, use_case, [partition], f"decided_at = timestamp '{moment}'")
        yield
    finally:
        db.execute("rollback")


def _rows(lake: Lake, source: Source, entries: Mapping[str, Entry]) -> str:
    columns = ", ".join(f'"{c}"' for c in source.columns)
    known = f"({source.known_at})" if source.known_at else "timestamp '-infinity'"
    if entries:
        return f"select {columns}, {known} as known_at, _partition from {lake.rows(entries.values())}"
    nothing = ", ".join(f'null::{kind} as "{c}"' for c, kind in source.columns.items())
    return f"select {nothing}, null::timestamp as known_at, null::varchar as _partition where false"


def _key(use_case: UseCase) -> str:
    return ", ".join(f'"{c}"' for c in use_case.decision.key)


def _by(use_case: UseCase) -> str:
    """What the use case's SQL names a unit by: what is asked about anew in each partition, by that as well."""
    rows_came = use_case.decision.unit_source in use_case.partitioned
    return _key(use_case) if rows_came else f"_partition, {_key(use_case)}"


def _run(db: duckdb.DuckDBPyConnection, use_case: UseCase) -> None:
    """Makes the table `built`: `_partition`, key, decided_at, features and current_action of the units."""
    kpi = use_case.kpi
    action = "format('{:.10g}', action::double)" if kpi.amount else "action::varchar"
    db.execute(
        f"create or replace temp table p as select * replace ({action} as action)"
        f" from ({use_case.sql('current_process')})"
    )
    known = f"action in ({_listed(list(kpi.actions))})" if kpi.actions else "isfinite(action::double)"
    wrong = db.execute(f"select distinct action from p where ({known}) is not true limit 3").fetchall()
    if wrong:
        said = ", ".join("nothing" if a is None else f"'{a}'" for (a,) in wrong)
        want = "a number" if kpi.amount else f"one of {', '.join(kpi.actions)}"
        raise FeatureError(
            f"{use_case.name}: current_process.sql says {said}; of each unit it must say {want}: end the case with else"
        )
    _run_features(db, use_case)


def _run_features(db: duckdb.DuckDBPyConnection, use_case: UseCase) -> None:
    """Makes `built` again from the views as they now are, with the current process's answers as they were."""
    key, by = _key(use_case), _by(use_case)
    priced = "".join(f', ({sql})::double as "{column}"' for column, sql in use_case.kpi.payoff_sql.items())
    db.execute(f"create or replace temp table f as select *{priced} from ({use_case.sql('features')})")
    units, rows, keys, present = db.execute(
        f"""select (select count(*) from units), (select count(*) from f),
        (select count(*) from (select distinct {by} from f)), (select count(*) from (select distinct {by} from p))"""
    ).fetchall()[0]
    if not units == rows == keys == present:
        raise FeatureError(
            f"{use_case.name}: {units} units, but features.sql gives {rows} rows of {keys} keys and"
            f" current_process.sql {present} keys; each must give every unit exactly once"
        )
    db.execute(
        f"""create or replace temp table built as
        select u._partition, {key}, u.decided_at, f.* exclude ({by}), p.action as current_action
        from units u join f using ({by}) join p using ({by}) order by u._partition, u.decided_at, {key}"""
    )


@dataclass(frozen=True)
class BuiltPartitions:
    """Rows by partition, and what each partition's rows were made from."""

    tables: dict[str, pa.Table]
    inputs: dict[str, dict[str, dict[str, str]]]


class FeatureWindow:
    """What features of some partitions (a chunk) are made from, opened once: to make them, and to look at them again.

    A table for each source, of what is validated over the lookback, and `units`. Close it, or leave its `with`.
    """

    def __init__(self, use_case: UseCase, lake: Lake, partitions: Sequence[str]) -> None:
        self.use_case, self.partitions = use_case, partitions
        self.entries = read_inputs(use_case, lake, use_case.widen(partitions, use_case.lookback_partitions, 0))
        self.db = _open(use_case, lake, self.entries, partitions)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.db.close()

    def build(self) -> BuiltPartitions:
        """Features of the units of the partitions, sorted by decided_at and key. Units absent: no table."""
        _run(self.db, self.use_case)
        tables = split(self.db.sql("from built").to_arrow_table(), "_partition", self.partitions)
        windows = {p: self.use_case.widen([p], self.use_case.lookback_partitions, 0) for p in tables}
        return BuiltPartitions(tables, {p: input_versions(self.use_case, self.entries, w) for p, w in windows.items()})

    def time_travel(self, tables: Mapping[str, pa.Table], sample: int) -> list[str]:
        """Invariant 2: recomputes features of sampled moments of some partitions from only what was known then.

        tables: what was built of them. Returns one line a difference, naming feature, moment and how many units; empty
        when there is none. The sample is fixed by the partitions, so a run can be repeated.
        """
        if not tables:
            return []
        found: list[str] = []
        draw = random.Random(f"{self.use_case.name} {min(tables)} {max(tables)}")
        for partition in sorted(draw.sample(sorted(tables), min(sample, len(tables)))):
            full = tables[partition].to_pandas()
            moment = draw.choice(sorted(full["decided_at"].unique()))
            with _back_then(self.db, self.use_case, partition, moment):
                _run(self.db, self.use_case)
                then = self.db.sql("from built").to_arrow_table().to_pandas()
            found += _differences(self.use_case, full[full["decided_at"] == moment], then, moment)
        return found


def rebuild_with_faults(
    use_case: UseCase, lake: Lake, partition: str, damage: Mapping[K, Sequence[str]]
) -> Iterator[tuple[K, pa.Table | None]]:
    """The partition's features made again and again, each time with other SQL run on the views before.

    `damage`: inserts, updates and deletes. The current process's answers stay those of the sound views. Yields each
    key with the rows, or None where features.sql then doesn't give each unit once.
    """
    entries = read_inputs(use_case, lake, use_case.widen([partition], use_case.lookback_partitions, 0))
    with _open(use_case, lake, entries, [partition]) as db:
        db.execute("set threads = 1")  # a day is too little to share out: others can be made beside it
        _run(db, use_case)
        sound = db.sql("select * exclude _partition from built").to_arrow_table()
        for name, statements in damage.items():
            db.execute("begin")
            try:
                touched = [n for s in statements for (n,) in db.execute(s).fetchall()]
                if any(touched):
                    _run_features(db, use_case)
                yield name, db.sql("select * exclude _partition from built").to_arrow_table() if any(touched) else sound
            except FeatureError:
                yield name, None
            finally:
                db.execute("rollback")  # the views are sound again


def build_outcomes(use_case: UseCase, lake: Lake, partitions: Sequence[str]) -> BuiltPartitions:
    """What became of the units: key, decided_at, the outcome (0, 1 or null while unknown) and `known_at`."""
    before, ahead = use_case.outcome_window
    entries = read_inputs(use_case, lake, use_case.widen(partitions, before, ahead))
    key, by = _key(use_case), _by(use_case)
    with _open(use_case, lake, entries, partitions) as db:
        table = db.sql(
            f"""select u._partition, {key}, u.decided_at, o.* exclude ({by}) from units u
            left join ({use_case.sql("outcomes")}) o using ({by}) order by u._partition, u.decided_at, {key}"""
        ).to_arrow_table()
        units = db.execute("select count(*) from units").fetchall()[0][0]
    if table.num_rows != units:
        raise FeatureError(f"{use_case.name}: {units} units, but outcomes.sql gives {table.num_rows} rows")
    tables = split(table, "_partition", partitions)
    return BuiltPartitions(tables, {p: input_versions(use_case, entries, use_case.widen([p], before, ahead)) for p in tables})


def feature_names(use_case: UseCase, columns: Sequence[str]) -> list[str]:
    """The features among a feature table's columns: what the model sees. Names that begin with _ are for the gate."""
    hidden = {*use_case.decision.key, *MARKS, "suspect"} - set(use_case.model.categorical)
    # a key column is a feature too when the model declares it as a category
    return [c for c in columns if c not in hidden and not c.startswith("_")]


def _differences(use_case: UseCase, now: pd.DataFrame, then: pd.DataFrame, moment: datetime) -> list[str]:
    """A line for each column in which the moment's units, known now and known then, aren't the same."""
    import numpy as np

    if len(now) != len(then):
        return [f"{len(now)} units decided at {moment} UTC, {len(then)} of them known then"]
    now, then = (t.sort_values(use_case.decision.key, ignore_index=True) for t in (now, then))
    found = []
    # names that begin with _ too: a vendor's numbers that know the future would win any comparison
    for column in [c for c in then.columns if c not in {*use_case.decision.key, "_partition", "decided_at"}]:
        a, b = now[column], then[column]
        if a.dtype.kind in "fiu" and b.dtype.kind in "fiu":
            same = np.isclose(a.astype(float), b.astype(float), rtol=0, atol=1e-9, equal_nan=True)
        else:
            same = (a.astype(str) == b.astype(str)).to_numpy()
        if not same.all():
            found.append(f"{column} at {moment} UTC: {int((~same).sum())} of {len(same)} units know the future")
    return found
