"""Run features.sql and current_process.sql in a DuckDB session, and check that each returns every unit once.

If the units are the rows of a partitioned source, the key identifies a unit. Otherwise each unit occurs in every
partition, so `_partition` and the key together identify a unit.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sixtyforty.modeling.point_in_time import sql_list
from sixtyforty.modeling.sql_guard import require_allowed
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.sql import identifier, identifiers

if TYPE_CHECKING:
    import duckdb


class FeatureError(SixtyfortyError):
    """The use case's SQL doesn't return exactly one row for each unit, or returns an action that isn't declared."""


def unit_columns(use_case: DecisionChain) -> str:
    """Return the columns that identify a unit in the use case's SQL, as a comma-separated list."""
    key = identifiers(use_case.decision.key)
    return key if use_case.decision.unit_source in use_case.partitioned else f"_partition, {key}"


def create_feature_table(db: duckdb.DuckDBPyConnection, use_case: DecisionChain) -> None:
    """Create the feature table `_built`, with one row for each unit of the session's table `units`.

    Columns: `_partition`, the key, decided_at (UTC), the features and current_action. Raises FeatureError if the SQL
    doesn't return each unit exactly once, or returns an action that isn't declared.
    """
    _create_actions(db, use_case)
    recreate_feature_table(db, use_case)


def create_table_without_features(
    db: duckdb.DuckDBPyConnection, use_case: DecisionChain, earlier_rows: str, columns: Iterable[str]
) -> None:
    """Create the table `_built` with the current process's actions, and with null in place of each feature.

    earlier_rows: a SQL source of feature rows, from which the types of the `columns` are read. Raises FeatureError if
    current_process.sql doesn't return each unit exactly once, or returns an action that isn't declared.
    """
    _create_actions(db, use_case)
    key, unit = identifiers(use_case.decision.key), unit_columns(use_case)
    units, decided = db.execute(
        f"select (select count(*) from units), (select count(*) from (select distinct {unit} from _actions))"
    ).fetchall()[0]
    if units != decided:
        raise FeatureError(
            f"{use_case.name}: there are {units} units, but current_process.sql returns {decided} distinct keys."
            " The query must return every unit exactly once."
        )
    features = "".join(f", f.{identifier(column)}" for column in columns)
    db.execute(
        f"""create or replace temp table _built as
        select u._partition, {key}, u.decided_at{features}, a.action as current_action
        from units u join _actions a using ({unit}) left join (select * from {earlier_rows} limit 0) f on false"""
    )


def _create_actions(db: duckdb.DuckDBPyConnection, use_case: DecisionChain) -> None:
    kpi = use_case.kpi
    action = "format('{:.10g}', action::double)" if kpi.amount else "action::varchar"
    db.execute(
        f"create or replace temp table _actions as select * replace ({action} as action)"
        f" from ({use_case.sql('current_process')})"
    )
    _check_actions(db, use_case)


def _check_actions(db: duckdb.DuckDBPyConnection, use_case: DecisionChain) -> None:
    kpi = use_case.kpi
    is_action = f"action in ({sql_list(list(kpi.actions))})" if kpi.actions else "isfinite(action::double)"
    invalid = db.execute(f"select distinct action from _actions where ({is_action}) is not true limit 3").fetchall()
    if invalid:
        actions = ", ".join("null" if action is None else f"'{action}'" for (action,) in invalid)
        expected = "a number" if kpi.amount else f"one of {', '.join(kpi.actions)}"
        raise FeatureError(
            f"{use_case.name}: current_process.sql returns the action {actions}, expected {expected} for each unit."
            " End the case expression in current_process.sql with an else branch."
        )


def recreate_feature_table(db: duckdb.DuckDBPyConnection, use_case: DecisionChain) -> None:
    """Create the feature table `_built` again after source tables changed. The current process's actions stay the same.

    A gain or cost that isn't a finite number is null, which means unknown.

    Raises ForbiddenSqlError if features.sql reads the clock or files, and FeatureError if it doesn't return each unit
    exactly once.
    """
    require_allowed(use_case.name, [("features.sql", use_case.sql("features"))])
    key, unit = identifiers(use_case.decision.key), unit_columns(use_case)
    payoffs = "".join(
        f", case when isfinite(({sql})::double) then ({sql})::double end as {identifier(column)}"
        for column, sql in use_case.kpi.payoff_sql.items()
    )
    db.execute(f"create or replace temp table _features as select *{payoffs} from ({use_case.sql('features')})")
    units, rows, keys, decided = db.execute(
        f"""select (select count(*) from units), (select count(*) from _features),
        (select count(*) from (select distinct {unit} from _features)),
        (select count(*) from (select distinct {unit} from _actions))"""
    ).fetchall()[0]
    if not units == rows == keys == decided:
        raise FeatureError(
            f"{use_case.name}: there are {units} units, but features.sql returns {rows} rows with {keys} distinct keys"
            f" and current_process.sql returns {decided} distinct keys. Each query must return every unit exactly once."
        )
    db.execute(
        f"""create or replace temp table _built as
        select u._partition, {key}, u.decided_at, f.* exclude ({unit}), a.action as current_action
        from units u join _features f using ({unit}) join _actions a using ({unit})"""
    )
    db.execute("drop table _features")


def sorted_by_unit(use_case: DecisionChain, table: str = "_built") -> str:
    """Return SQL for the rows of a table of units, sorted by partition, decision time and key.

    The table already holds joined rows. Joining and sorting in one statement would need memory for both at once.
    """
    return f"from {table} order by _partition, decided_at, {identifiers(use_case.decision.key)}"
