"""Loading of CSV files that have no data contract yet. Their types, null text and time formats are detected."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sixtyforty.ingest.formats.base import (
    BYTE_ORDER_MARK,
    DEFAULT_NULL_TEXT,
    LoadedFiles,
    UnreadableExtractError,
    sql_list,
)
from sixtyforty.storage.sql import bare_identifier, literal

if TYPE_CHECKING:
    import duckdb

NULL_TEXTS = ("NA", "NaN", "nan", "NULL", "null", "None", "N/A", "n/a", "-", "?")  # usual spellings of a missing value
UNKNOWN_DELIMITERS = ("\x00", "")  # what DuckDB reports for a file of one column


def load_files(db: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> LoadedFiles:
    """Load CSV files into a new table `landed`, with detected types, and into `landed_text`, with all columns as text.

    Raises UnreadableExtractError if the delimiter isn't a comma, or if the first file has no header.
    """
    paths = sql_list([str(file) for file in files])
    delimiter, has_header, date_format, timestamp_format = db.execute(
        f"select Delimiter, HasHeader, DateFormat, TimestampFormat from sniff_csv({literal(files[0])})"
    ).fetchall()[0]
    _check_first_line(files[0], delimiter, has_header)
    options = f"delim = ',', header = true, nullstr = {sql_list(['', *NULL_TEXTS])}, sample_size = -1"
    db.execute(f"create temp table landed as select * from read_csv({paths}, {options})")
    db.execute(f"create temp table landed_text as select * from read_csv({paths}, {options}, all_varchar = true)")
    casts = _casts_of_misread_columns(db, date_format, timestamp_format)
    return LoadedFiles(_most_frequent_null_text(db, paths), casts)


def _check_first_line(file: Path, delimiter: str, has_header: bool) -> None:
    with file.open("rb") as lines:
        line = lines.readline().removeprefix(BYTE_ORDER_MARK).decode(errors="replace")
    if delimiter not in (",", *UNKNOWN_DELIMITERS) and "," not in line:
        raise UnreadableExtractError(
            f"{file.name}: the delimiter is {delimiter!r}, expected ','. Write the file with commas."
        )
    names = [name.strip().strip('"') for name in line.strip().split(",")]
    # The first line of a compressed file can't be read here, so its header isn't checked.
    if not file.name.endswith(".gz") and not has_header and any(re.fullmatch(r"-?[\d.]*", name) for name in names):
        raise UnreadableExtractError(f"{file.name}: the file has no header. Write the column names in its first line.")


def _most_frequent_null_text(db: duckdb.DuckDBPyConnection, paths: str) -> str:
    """Return the text of NULL_TEXTS that occurs most often in the files."""
    columns = [row[0] for row in db.execute("describe landed").fetchall()]
    texts = ", ".join(map(bare_identifier, columns))
    spellings = ", ".join(map(literal, NULL_TEXTS))
    counts = db.execute(
        f"""select spelling, count(*) from
        (select unnest([{texts}]) as spelling from read_csv({paths}, delim = ',', header = true, all_varchar = true))
        where spelling in ({spellings}) group by 1 order by 2 desc, 1 limit 1"""
    ).fetchall()
    return str(counts[0][0]) if counts else DEFAULT_NULL_TEXT


def _casts_of_misread_columns(
    db: duckdb.DuckDBPyConnection, date_format: str | None, timestamp_format: str | None
) -> dict[str, str]:
    """Return a SQL expression for each column with texts that DuckDB's CSV reader can parse but a plain cast can't.

    date_format, timestamp_format: the formats that DuckDB detected in the first file.
    """
    casts = {}
    for name, duckdb_type, *_ in db.execute("describe landed").fetchall():
        column = bare_identifier(name)
        (misread_count,) = db.execute(
            f"select count(*) from landed_text where {column} is not null"
            f" and try_cast(trim({column}) as {duckdb_type}) is null"
        ).fetchall()[0]
        if misread_count:
            casts[name] = _parsing_sql(column, duckdb_type, date_format, timestamp_format)
    return casts


def _parsing_sql(column: str, duckdb_type: str, date_format: str | None, timestamp_format: str | None) -> str:
    if duckdb_type == "DATE" and date_format:
        return f"strptime({column}, {literal(date_format)})::date"
    if duckdb_type.startswith("TIMESTAMP") and timestamp_format:
        return f"strptime({column}, {literal(timestamp_format)})"
    return column
