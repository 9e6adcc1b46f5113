"""Read Parquet timestamps in the old form INT96, which counts nanoseconds and covers all years.

Arrow reads these timestamps as microseconds or as nanoseconds. As microseconds, they lose their last digits. As
nanoseconds, they are right for the years 1677 to 2262 only. So they are read in both ways, and the difference between
the two gives the lost digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sixtyforty.ingest.extract import RefusedExtractError
from sixtyforty.ingest.formats.parquet_types import leaf_columns

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

INT96 = "INT96"
NANOSECONDS_PER_MICROSECOND = 1000


def find_int96_columns(metadata: pq.FileMetaData, columns: Sequence[str]) -> list[str]:
    """Return which of some columns of a file are INT96 timestamps, or hold them in lists or structures."""
    old = [leaf.path for leaf in leaf_columns(metadata) if leaf.physical_type == INT96]
    return [column for column in columns if any(path == column or path.startswith(f"{column}.") for path in old)]


class ExactTimes:
    """Restores the nanoseconds of INT96 timestamps, after another reader of the file has cut them to microseconds.

    file: opened to read INT96 as nanoseconds. rows_per_batch: how many rows are read at once.
    """

    def __init__(self, file: pq.ParquetFile, columns: Sequence[str], rows_per_batch: int) -> None:
        self._batches = file.iter_batches(rows_per_batch, columns=list(columns), use_threads=False)
        self._columns = columns
        self._pending: pa.Table | None = None

    def restore_digits(self, table: pa.Table) -> pa.Table:
        """Return the next rows of the file. The digits after the microseconds of their times are restored.

        table: the next rows, whose INT96 columns are microseconds. A column with a time of more digits becomes text.
        Raises RefusedExtractError if a time of more digits is within a list or a structure.
        """
        import pyarrow as pa

        exact = self._read_rows(table.num_rows)
        for column in self._columns:
            if pa.types.is_nested(table[column].type):
                _require_microseconds(column, table[column], exact[column])
                continue
            texts = _exact_texts(table[column], exact[column])
            if texts is not None:
                table = table.set_column(table.column_names.index(column), column, texts)
        return table

    def _read_rows(self, count: int) -> pa.Table:
        import pyarrow as pa

        parts = [] if self._pending is None else [self._pending]
        while sum(part.num_rows for part in parts) < count:
            parts.append(pa.table(next(self._batches)))
        rows = pa.concat_tables(parts)
        self._pending = rows.slice(count)
        return rows.slice(0, count)


def _require_microseconds(column: str, microseconds: pa.ChunkedArray, nanoseconds: pa.ChunkedArray) -> None:
    """Raise RefusedExtractError if a nested column has a time that isn't a whole number of microseconds."""
    if not microseconds.cast(nanoseconds.type, safe=False).equals(nanoseconds):
        raise RefusedExtractError(
            f"the lists or structures of the column '{column}' hold times of nanoseconds in the old form INT96, which"
            " would lose their last digits. Ask the sender for another timestamp type, or for microseconds.",
            lines=1,
        )


def _exact_texts(microseconds: pa.ChunkedArray, nanoseconds: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Return a column of times as texts with nanoseconds; None if every time is a whole number of microseconds."""
    import pyarrow as pa
    import pyarrow.compute as pc

    # Outside the years 1677 to 2262, both numbers of nanoseconds overflow alike, so their difference is still right.
    whole = pc.multiply(microseconds.cast(pa.int64()), NANOSECONDS_PER_MICROSECOND)
    rest = pc.subtract(nanoseconds.cast(pa.int64()), whole)
    if not pc.any(pc.not_equal(rest, 0)).as_py():
        return None
    digits = pc.utf8_lpad(rest.cast(pa.string()), 3, "0")
    texts = pc.binary_join_element_wise(microseconds.cast(pa.string()), digits, "")
    return pc.utf8_rtrim(pc.utf8_rtrim(texts, "0"), ".")
