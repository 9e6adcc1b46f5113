"""Read the columns of a small table into pandas, and find the rows that have some of their values.

This takes a fraction of the time that numbering the values in DuckDB and joining them with the rows takes. In a large
table, the columns wouldn't fit into memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from expectations.rule_decimals import read_frame
from expectations.value_frames import SHARED_BYTES, is_text
from sixtyforty.storage.sql import identifier

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

MOST_ROWS = 1 << 15
VALUES_AT_ONCE = 1 << 18  # values that one query reads
NESTED_TYPES = ("STRUCT", "MAP", "UNION")


@dataclass(frozen=True)
class ColumnValues:
    """The different values of a column, in the order of their first rows.

    row_ids: the `_id` of each row. places: for each row, the position of its value in `values`.
    """

    values: pd.Series[Any]
    row_ids: npt.NDArray[np.int64]
    places: npt.NDArray[np.intp]

    def find_rows(self, positions: Sequence[int]) -> npt.NDArray[np.int64]:
        """Return the `_id` of the rows that have one of the values at some positions."""
        import numpy as np

        return self.row_ids[np.isin(self.places, positions)]


def is_small(db: duckdb.DuckDBPyConnection, table: str) -> bool:
    """Return whether a table has at most MOST_ROWS rows."""
    return db.execute(f"select count(*) <= {MOST_ROWS} from {table}").fetchall() == [(True,)]


def read_columns(
    db: duckdb.DuckDBPyConnection, table: str, sql_by_column: Mapping[str, str], types: Mapping[str, str]
) -> dict[str, ColumnValues]:
    """Return the values of some columns of a small table. Columns of long texts, bytes or nested values are left out.

    - table: SQL of a table with the column `_id`.
    - sql_by_column: the SQL of each column's values.
    - types: the DuckDB types by column. A column that they lack counts as text.
    """
    kinds = {column: types.get(column, "VARCHAR") for column in sql_by_column}
    sql = {c: text for c, text in sql_by_column.items() if not _is_unhashable(kinds[c])}
    texts = [column for column in sql if is_text(kinds[column])]
    lengths = [f"coalesce(max(strlen({sql[column]}::varchar)), 0)" for column in texts]
    ((row_count, longest),) = db.execute(f"select count(*), [{', '.join(lengths)}] from {table}").fetchall()
    long_texts = {column for column, length in zip(texts, longest or (), strict=True) if length > SHARED_BYTES}
    read = [f"{text} as {identifier(column)}" for column, text in sql.items() if column not in long_texts]
    width = max(1, VALUES_AT_ONCE // max(1, row_count))
    values: dict[str, ColumnValues] = {}
    for start in range(0, len(read), width):
        frame = read_frame(db, f"select _id, {', '.join(read[start : start + width])} from {table}")
        row_ids = frame["_id"].to_numpy()
        values |= {str(c): _find_values(column, row_ids) for c, column in frame.drop(columns="_id").items()}
    return values


def _is_unhashable(kind: str) -> bool:
    return kind == "BLOB" or kind.endswith("]") or kind.startswith(NESTED_TYPES)


def _find_values(column: pd.Series[Any], row_ids: npt.NDArray[np.int64]) -> ColumnValues:
    import numpy as np
    import pandas as pd

    codes, _ = pd.factorize(column, use_na_sentinel=False)
    _, first_rows, places = np.unique(codes, return_index=True, return_inverse=True)
    return ColumnValues(column.take(first_rows).reset_index(drop=True), row_ids, places)
