"""Reading one landed extract against its data contract: every row as text, nothing lost, nothing guessed."""

from __future__ import annotations

import hashlib
import re
from calendar import monthrange
from collections.abc import Sequence
from datetime import date, datetime

from sixtyforty.ingest import json_lines, parquet_rows
from sixtyforty.ingest.decompression import Packed, unpacked
from sixtyforty.ingest.extract import EMPTY, Reading, missing
from sixtyforty.spec.partitions import Timed
from sixtyforty.spec.sources import Source

HEAD = 1 << 16  # bytes looked at before a file is read whole
_DATE = re.compile(r"(\d{4})-(\d{2})(?:-(\d{2}))?(?:T(\d{2})Z)?")
_OPEN = re.compile(rb'(?:^|,)"(?:[^"]|"")*$')  # a value that begins with a quote, and none that ends it


def fingerprint(data: bytes) -> str:
    """SHA-256 of a file's bytes."""
    return hashlib.sha256(data).hexdigest()


def promised(name: str, case: Timed) -> list[str]:
    """The partitions an extract's name speaks of: a month, a day, first and last day, or a UTC hour."""
    found = _DATE.findall(name)
    if not found:
        return []
    try:
        if found[0][3]:  # of hours, in UTC
            first, last = (datetime.fromisoformat("{}-{}-{}T{}".format(*said)) for said in (found[0], found[-1]))
            return case.span(case.at(first), case.at(last))
        return case.holding(_day(found[0], last=False), _day(found[-1], last=True))
    except (ValueError, OverflowError):
        return []


def _day(said: tuple[str, str, str, str], last: bool) -> date:
    year, month = int(said[0]), int(said[1])
    return date(year, month, int(said[2]) if said[2] else monthrange(year, month)[1] if last else 1)


def read(data: bytes, source: Source) -> Reading:
    """Reads an extract: CSV, Parquet or JSON lines, packed by gzip or not.

    Its content says which it is, and where that doesn't, the ending of the source's `files`. A file that can't be
    trusted as a whole gets a `problem`, a bad line is `broken`.
    """
    try:
        data = unpacked(data)
    except Packed as error:
        return Reading(problem=str(error), lines=1)
    if data.startswith(parquet_rows.MAGIC) or source.format == "parquet":
        return parquet_rows.read(data, source)
    if data[:HEAD].removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{") or source.format == "json":
        problem = _binary(data)
        return Reading(problem=problem, lines=_lines(data)) if problem else json_lines.read(data, source)
    problem = _unreadable(data[:HEAD], list(source.columns)) or _binary(data)
    if problem:
        return Reading(problem=problem, lines=_lines(data))
    return _parse(data, source)


def _binary(data: bytes) -> str | None:
    position = data.find(b"\0")
    return None if position < 0 else f"not a text file: a zero byte at position {position}"


def _lines(data: bytes) -> int:
    """Data lines of a file nothing can be read of: at least one, so that it counts as something lost."""
    return max(1, data.count(b"\n") + (not data.endswith(b"\n")) - 1)


def _unreadable(head: bytes, columns: list[str]) -> str | None:
    if not head.strip():
        return EMPTY.format(": not even a header")
    if b"\0" in head:
        return _binary(head)
    line = head.split(b"\n", 1)[0]
    try:
        header = line.decode("utf-8-sig").strip("\r").replace('"', "")
    except UnicodeDecodeError as error:
        return f"not UTF-8 text: byte {error.start} of the header"
    names = header.split(",")
    for delimiter in (";", "\t", "|"):
        if len(names) == 1 and len(header.split(delimiter)) > 1:
            return f"wrong delimiter {delimiter!r}: the contract says ','"
    lost = missing(columns, names)
    if lost:
        return f"columns missing from the header: {lost}"
    if len(set(names)) < len(names):
        return "a column name stands twice in the header"
    return None


def _parse(data: bytes, source: Source) -> Reading:
    import numpy as np
    import pyarrow as pa
    from pyarrow import csv

    broken: list[tuple[int, str, str]] = []
    numbers, unclosed = _physical(data)

    def refuse(row: csv.InvalidRow) -> str:
        why = f"line doesn't fit the header: {row.actual_columns} fields, {row.expected_columns} expected"
        broken.append((row.number - 2, why, row.text))  # counted from the header's line, 1
        return "skip"

    columns, left_open = list(source.columns), "a quote is left open, or a value runs over the line's end"
    refused = [(n, left_open, text) for n, text in unclosed.items()]
    if not numbers:  # a header alone, which Arrow won't read
        nothing = pa.schema([*((c, pa.string()) for c in columns), ("_row", pa.int64())]).empty_table()
        return Reading(table=nothing, broken=refused, lines=len(refused))
    try:
        table = csv.read_csv(
            pa.BufferReader(_leaving_out(data, set(unclosed)) if unclosed else data),
            read_options=csv.ReadOptions(use_threads=False, block_size=1 << 24),
            parse_options=csv.ParseOptions(invalid_row_handler=refuse),
            convert_options=csv.ConvertOptions(
                include_columns=columns,
                column_types={c: pa.string() for c in columns},
                strings_can_be_null=False,
                quoted_strings_can_be_null=False,
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        return Reading(problem=f"not readable as CSV: {error}", lines=_lines(data))
    if table.num_rows + len(broken) != len(numbers):
        said = f"{len(numbers)} lines make {table.num_rows + len(broken)} rows: a quoted value runs over line ends"
        return Reading(problem=said, lines=len(numbers) + len(unclosed))
    rows = np.delete(np.asarray(numbers, "int64"), [i for i, _, _ in broken])
    refused += [(numbers[i], why, text) for i, why, text in broken]
    table = table.append_column("_row", pa.array(rows, pa.int64()))
    return Reading(table=table, broken=sorted(refused), lines=len(numbers) + len(unclosed))


def _physical(data: bytes) -> tuple[Sequence[int], dict[int, str]]:
    """The numbers of the lines after the header that hold something; apart, those with a quote left open.

    Such a line would swallow the ones after it.
    """
    if not any(mark in data for mark in (b'"', b"\r", b"\n\n")):  # most files: line and row are one
        return range(2, data.count(b"\n") + 1 + (not data.endswith(b"\n"))), {}
    numbers, unclosed = [], {}
    for number, line in enumerate(data.splitlines()[1:], 2):
        if line.count(b'"') % 2 and _OPEN.search(line):
            unclosed[number] = line.decode(errors="replace")
        elif line:
            numbers.append(number)
    return numbers, unclosed


def _leaving_out(data: bytes, numbers: set[int]) -> bytes:
    return b"\n".join(line for n, line in enumerate(data.splitlines(), 1) if n not in numbers)
