"""Sample rows in every format, for the tests of the formats."""

from __future__ import annotations

import csv as csv_module
import gzip
import io
import json
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sixtyforty.ingest.casting import select_typed
from sixtyforty.ingest.extract import BrokenLine, RefusedExtractError, empty_rows
from sixtyforty.ingest.extract_reader import read_extract
from sixtyforty.spec.sources import Source
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.sql import identifiers

Row = Sequence[Any]


COLUMNS = {
    "number": "BIGINT",
    "share": "DOUBLE",
    "name": "VARCHAR",
    "at": "TIMESTAMP",
    "day": "DATE",
    "open": "BOOLEAN",
    "price": "DECIMAL(12,2)",
}


SOURCE = Source(description="Of everything something.", files="all_*", columns=COLUMNS, key=["number"], null_text="")


ARROW_TYPES = {
    "number": pa.int64(),
    "share": pa.float64(),
    "name": pa.string(),
    "at": pa.timestamp("us"),
    "day": pa.date32(),
    "open": pa.bool_(),
    "price": pa.decimal128(12, 2),
}


def write_csv(rows: Sequence[Row]) -> bytes:
    out = io.StringIO()
    csv_module.writer(out, lineterminator="\n").writerows([list(COLUMNS), *rows])
    return out.getvalue().encode()


def write_json(rows: Sequence[Row]) -> bytes:
    lines = [json.dumps(dict(zip(COLUMNS, row, strict=True)), default=number_text, ensure_ascii=False) for row in rows]
    return "".join(re.sub(r'"(-?\d+\.\d\d)€"', r"\1", line) + "\n" for line in lines).encode()


def number_text(value: Any) -> str:
    return f"{value}€" if isinstance(value, Decimal) else str(value)  # a number that no float spoils


def write_parquet(rows: Sequence[Row], schema: dict[str, pa.DataType] = ARROW_TYPES) -> bytes:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({c: pa.array(v, t) for (c, t), v in zip(schema.items(), columns, strict=True)}), sink)
    return bytes(sink.getvalue().to_pybytes())


WRITERS: dict[str, Callable[[Sequence[Row]], bytes]] = {"csv": write_csv, "json": write_json, "parquet": write_parquet}


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "in two": lambda data: gzip.compress(data[:7]) + gzip.compress(data[7:]),
}


@dataclass
class ParsedExtract:
    """All chunks of an extract.

    table: the rows; None if the extract is refused. problem: why it is refused. lines: the number of its lines.
    """

    table: pa.Table | None = None
    broken: list[BrokenLine] = field(default_factory=list)
    problem: str | None = None
    lines: int = 0
    undeclared: list[str] = field(default_factory=list)


def parse_extract(file: Path, source: Source) -> ParsedExtract:
    """Read all chunks of an extract."""
    try:
        opened = read_extract(file, source)
        chunks = list(opened.chunks)
    except RefusedExtractError as error:
        return ParsedExtract(problem=str(error), lines=error.lines)
    table = pa.concat_tables([empty_rows(list(source.columns)), *(chunk.rows for chunk in chunks)])
    broken = [line for chunk in chunks for line in chunk.broken]
    return ParsedExtract(table, broken, lines=table.num_rows + len(broken), undeclared=opened.undeclared)


def parse_content(content: bytes, source: Source = SOURCE) -> ParsedExtract:
    """Parse the bytes of an extract."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        return parse_extract(Path(file.name), source)


def typed_rows(parsed: ParsedExtract, source: Source = SOURCE) -> list[Row]:
    """The rows as the contract types them."""
    assert (parsed.problem, parsed.broken) == (None, [])
    assert parsed.table is not None
    assert parsed.table.schema.types == [*[pa.string()] * len(source.columns), pa.int64()]
    with connect("UTC") as db:
        db.register("landed", parsed.table)
        columns = list(source.columns)
        typed = select_typed(source, columns, "landed", ["_row"])
        return db.execute(f"select {identifiers(columns)} from ({typed}) order by _row").fetchall()


SAMPLE_ROWS = [[i, 0.5, f"name {i}", datetime(2013, 3, 10), date(2013, 3, 10), True, Decimal(1)] for i in range(500)]
