"""The file format CSV: commas, a header, UTF-8, one line per row. A file with another delimiter is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from csv import reader as csv_reader
from pathlib import Path
from typing import TYPE_CHECKING

from sixtyforty.ingest.decompression import decompress
from sixtyforty.ingest.extract import (
    EMPTY_FILE,
    BrokenLine,
    Chunk,
    MatchedColumns,
    OpenedExtract,
    RefusedExtractError,
    binary_problem,
    count_lines,
    empty_rows,
    match_columns,
)
from sixtyforty.ingest.formats import csv_sniffing
from sixtyforty.ingest.formats.base import ExtractFormat, LoadedFiles
from sixtyforty.spec.sources import Source

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    from pyarrow import csv

HEAD_BYTES = 1 << 16  # how many bytes at the start of a file are checked before the whole file is parsed
BLOCK_BYTES = 1 << 24
OTHER_DELIMITERS = (";", "\t", "|")
OPEN_QUOTE = "a quote is left open, or a quoted value contains a line break"
_UNCLOSED = re.compile(rb'(?:^|,)"(?:[^"]|"")*$')  # the last value starts with a quote and has no closing quote


class CsvLines(ExtractFormat):
    """The format CSV. `_row` is the number of the line in the file; the header is line 1."""

    kind = "csv"
    title = "CSV"
    endings = ("csv",)

    def recognizes(self, head: bytes) -> bool:
        """Return False. Any text could be CSV, so CSV is used only if no other format recognizes a file."""
        return False

    def open(self, file: Path, source: Source) -> OpenedExtract:
        """Open a CSV extract. See ExtractFormat.

        A line is broken if its number of fields differs from the header's, or if the line leaves a quote open.
        """
        content = decompress(file.read_bytes())
        matched = _match_header(content[:HEAD_BYTES], source)
        problem = matched if isinstance(matched, str) else binary_problem(content)
        if isinstance(matched, str) or problem:
            raise RefusedExtractError(str(problem), count_lines(content))
        return OpenedExtract(matched.undeclared, iter([_parse_rows(content, matched)]))

    def load_for_profiling(self, db: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> LoadedFiles:
        """Load CSV files, and detect how they write missing values and times. See ExtractFormat."""
        return csv_sniffing.load_files(db, files)


def _match_header(head: bytes, source: Source) -> MatchedColumns | str:
    """Return the header's columns, matched with the data contract, or why the file is refused."""
    if not head.strip():
        return EMPTY_FILE
    if b"\0" in head:
        return str(binary_problem(head))
    line = head.split(b"\n", 1)[0]
    try:
        header = line.decode("utf-8-sig").strip("\r")
    except UnicodeDecodeError as error:
        return f"the header is not UTF-8: byte {error.start} is invalid."
    names = next(csv_reader([header]), [])
    for delimiter in OTHER_DELIMITERS:
        if len(names) == 1 and delimiter in header:
            return f"the delimiter is {delimiter!r}, expected ','. Ask the sender to use commas."
    matched = match_columns(source, names)
    if matched.missing:
        return f"columns missing from the header: {matched.missing}"
    if len(set(names)) < len(names):
        return "a column name occurs twice in the header. Ask the sender for unique column names."
    return matched


def _parse_rows(content: bytes, matched: MatchedColumns) -> Chunk:
    import numpy as np
    import pyarrow as pa

    numbers, unclosed = _number_lines(content)
    line_count = len(numbers) + len(unclosed)
    broken = [BrokenLine(number, OPEN_QUOTE, text) for number, text in unclosed.items()]
    if not numbers:  # Arrow doesn't read a file that has only a header
        rows = empty_rows(list(matched.names))
        return Chunk(rows, broken)
    misfits: list[csv.InvalidRow] = []
    try:
        sound_lines = _without_lines(content, unclosed) if unclosed else content
        table = matched.to_contract(_read_table(sound_lines, matched.file_columns, misfits))
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise RefusedExtractError(f"the file is not readable as CSV: {error}", count_lines(content)) from None
    row_count = table.num_rows + len(misfits)
    if row_count != len(numbers):
        problem = f"{len(numbers)} lines give {row_count} rows: a quoted value contains a line break."
        raise RefusedExtractError(problem, line_count)
    positions = [misfit.number - 2 for misfit in misfits]  # Arrow numbers the header 1 and the first row 2
    broken += [
        BrokenLine(numbers[position], _misfit_reason(misfit), misfit.text)
        for position, misfit in zip(positions, misfits, strict=True)
    ]
    row_numbers = np.delete(np.asarray(numbers, "int64"), positions)
    table = table.append_column("_row", pa.array(row_numbers, pa.int64()))
    return Chunk(table, sorted(broken))


def _read_table(content: bytes, columns: list[str], misfits: list[csv.InvalidRow]) -> pa.Table:
    """Return the rows that have as many fields as the header, all text. Other rows are added to `misfits`, in place."""
    import pyarrow as pa
    from pyarrow import csv

    def skip(row: csv.InvalidRow) -> str:
        misfits.append(row)
        return "skip"

    return csv.read_csv(
        pa.BufferReader(content),
        read_options=csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
        parse_options=csv.ParseOptions(invalid_row_handler=skip),
        convert_options=csv.ConvertOptions(
            include_columns=columns,
            column_types={column: pa.string() for column in columns},
            strings_can_be_null=False,
            quoted_strings_can_be_null=False,
        ),
    )


def _misfit_reason(misfit: csv.InvalidRow) -> str:
    return f"the line has {misfit.actual_columns} fields, the header has {misfit.expected_columns}"


def _number_lines(content: bytes) -> tuple[Sequence[int], dict[int, str]]:
    """Return the line numbers of the rows, and the lines that leave a quote open, by line number.

    Rows are all other non-empty lines after the header, which is line 1. Lines with an open quote must be removed
    before parsing, because a parser would read them and the lines after them as one value.
    """
    if not any(mark in content for mark in (b'"', b"\r", b"\n\n")):  # the fast path: each line is a row
        return range(2, content.count(b"\n") + 1 + (not content.endswith(b"\n"))), {}
    numbers, unclosed = [], {}
    for number, line in enumerate(content.splitlines()[1:], 2):
        if line.count(b'"') % 2 and _UNCLOSED.search(line):
            unclosed[number] = line.decode(errors="replace")
        elif line:
            numbers.append(number)
    return numbers, unclosed


def _without_lines(content: bytes, numbers: Iterable[int]) -> bytes:
    excluded = set(numbers)
    return b"\n".join(line for number, line in enumerate(content.splitlines(), 1) if number not in excluded)
