"""Rebuild features from damaged sources, to measure what each fault of a feed would cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from sixtyforty.modeling.feature_sql import FeatureError, create_feature_table, recreate_feature_table, sorted_by_unit
from sixtyforty.modeling.lineage import feature_window, read_inputs
from sixtyforty.modeling.point_in_time import open_inputs
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.lake import Lake

if TYPE_CHECKING:
    import pyarrow as pa

FaultKey = TypeVar("FaultKey")


def rebuild_with_faults(
    use_case: UseCase, lake: Lake, partition: str, faults: Mapping[FaultKey, Sequence[str]]
) -> Iterator[tuple[FaultKey, pa.Table | None]]:
    """Rebuild a partition's features once for each fault, with only that fault in the source tables.

    faults: for each fault, the SQL statements (insert, update, delete) that damage the source tables. The current
    process's actions are always computed from the undamaged tables. Yield the key of each fault with the table of
    features. Yield None instead of the table if features.sql doesn't return each unit exactly once.
    """
    entries = read_inputs(use_case, lake, feature_window(use_case, [partition]))
    with open_inputs(use_case, lake, entries, [partition]) as db:
        create_feature_table(db, use_case)
        built_rows = f"select * exclude _partition {sorted_by_unit(use_case)}"
        undamaged = db.sql(built_rows).to_arrow_table()
        for key, statements in faults.items():
            db.execute("begin")
            try:
                changed_rows = sum(count for statement in statements for (count,) in db.execute(statement).fetchall())
                if changed_rows:
                    recreate_feature_table(db, use_case)
                yield key, db.sql(built_rows).to_arrow_table() if changed_rows else undamaged
            except FeatureError:
                yield key, None
            finally:
                db.execute("rollback")  # restores the undamaged tables
