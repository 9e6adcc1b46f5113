"""Read different values, or rows, from DuckDB in DataFrames of bounded size, because Great Expectations copies them.

A table of values has one row for each value, and three more columns:

- `_n`: the number of the row;
- `_bytes`: the length of its texts;
- `_frame`: the number of the DataFrame to which the row belongs.

Temporary tables of DuckDB are written to disk if they don't fit into memory, so any number of values takes bounded
memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from expectations.rule_decimals import read_frame
from sixtyforty.storage.sql import identifier

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

VALUES_PER_FRAME = 1 << 17
FRAME_BYTES = 1 << 25  # texts that a DataFrame may hold
SHARED_ROWS = 1 << 15
SHARED_BYTES = 1 << 8  # the longest text that may be in a shared DataFrame, or be repeated to fill it
TEXT_TYPES = ("VARCHAR", "JSON", "BLOB")


@dataclass(frozen=True)
class ValueTable:
    """A table of different values. row_count: its rows. longest: the bytes of the texts of its longest row."""

    db: duckdb.DuckDBPyConnection
    name: str
    row_count: int
    longest: int

    @property
    def may_share(self) -> bool:
        """Whether the values are few and short, so that repeating them to fill a DataFrame takes little memory."""
        return 0 < self.row_count <= min(SHARED_ROWS, VALUES_PER_FRAME) and self.longest <= SHARED_BYTES

    def read(self) -> pd.DataFrame:
        """Return all values, in the order of `_n`."""
        return read_frame(self.db, f"select * exclude (_frame, _bytes) from {self.name} order by _n")

    def read_frames(self) -> Iterator[tuple[pd.DataFrame, list[int]]]:
        """Yield DataFrames of some values, each with the numbers `_n` of its rows."""
        frames = self.db.execute(f"select distinct _frame from {self.name} order by 1").fetchall()
        for (number,) in frames:
            where = f"where _frame = {number} order by _n"
            frame = read_frame(self.db, f"select * exclude (_frame, _bytes) from {self.name} {where}")
            yield frame.drop(columns="_n"), frame["_n"].tolist()

    def mark_failing(self, failing: Mapping[int, Sequence[int]]) -> None:
        """Store which values fail which rules. failing: the numbers `_n` of values, by number of the rule."""
        for rule, numbers in failing.items():
            insert_numbers(self.db, f"{self.name}_failing", rule, numbers)

    def insert_failing_rows(self, rows: str, same: str) -> None:
        """Insert the rows with the stored values into the table `failures`, once for each rule.

        rows: SQL of a table `r` with the column `_id`. same: SQL condition that a row has the values of a row of `v`.
        """
        values = f"select * from {self.name} join {self.name}_failing using (_n)"
        self.db.execute(f"insert into failures select v._rule, r._id from {rows} r join ({values}) v on {same}")


def create_value_table(db: duckdb.DuckDBPyConnection, name: str, values: str) -> ValueTable:
    """Create a temporary table of values. values: SQL query for the values, without their numbers."""
    rows = db.sql(f"select * from ({values}) limit 0")
    texts = [identifier(c) for c, kind in zip(rows.columns, map(str, rows.types), strict=True) if is_text(kind)]
    length = " + ".join(["0", *(f"coalesce(strlen({text}::varchar), 0)" for text in texts)])
    # The window functions have no order, so DuckDB computes them row by row, without holding the rows in memory.
    so_far = f"sum(_bytes + {FRAME_BYTES // VALUES_PER_FRAME}) over (rows between unbounded preceding and current row)"
    db.execute(
        f"""create or replace temp table {name} as
        select *, row_number() over () - 1 as _n, (({so_far} - 1) // {FRAME_BYTES})::bigint as _frame
        from (select *, {length} as _bytes from ({values}))"""
    )
    db.execute(f"create or replace temp table {name}_failing (_rule bigint, _n bigint)")
    ((row_count, longest),) = db.execute(f"select count(*), coalesce(max(_bytes), 0) from {name}").fetchall()
    return ValueTable(db, name, row_count, longest)


def insert_numbers(db: duckdb.DuckDBPyConnection, table: str, rule: int, numbers: Any) -> None:
    """Insert the number of a rule with each of some numbers into a table of two columns."""
    import pandas as pd

    if len(numbers):
        db.register("listed_numbers", pd.DataFrame({"rule": rule, "number": numbers}))
        db.execute(f"insert into {table} from listed_numbers")
        db.unregister("listed_numbers")


def is_text(kind: str) -> bool:
    """Return whether values of a DuckDB type can have any length."""
    return kind in TEXT_TYPES


def reads_text(columns: Sequence[str], types: Mapping[str, str]) -> bool:
    """Return whether one of some columns can have values of any length. types: the DuckDB types by column."""
    return any(is_text(types.get(column, "")) for column in columns)


def share_frame(values: Mapping[str, pd.Series[Any]]) -> pd.DataFrame:
    """Return one DataFrame with the values of all columns. A column with fewer values repeats them to fill it."""
    import numpy as np
    import pandas as pd

    positions = np.arange(max(map(len, values.values()), default=0))
    return pd.DataFrame({c: series.take(positions % len(series)).array for c, series in values.items()})
