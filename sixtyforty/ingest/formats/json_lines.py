"""The file format JSON: one object per line, or an array of objects."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from sixtyforty.ingest.extract import (
    CHUNK_BYTES,
    CHUNK_ROWS,
    EMPTY_FILE,
    MAX_COLUMNS,
    MAX_RECORD_BYTES,
    BrokenLine,
    Chunk,
    OpenedExtract,
    RefusedExtractError,
    match_columns,
)
from sixtyforty.ingest.formats.base import ExtractFormat
from sixtyforty.ingest.formats.json_array import read_elements
from sixtyforty.ingest.formats.json_objects import DECODER, TOO_LONG, JsonObject
from sixtyforty.ingest.formats.text_blocks import read_text_blocks
from sixtyforty.spec.file_endings import ENDINGS
from sixtyforty.spec.sources import Source

_START = re.compile(rb"\s*(?:\{|\[\s*[{\]])")  # `[` alone doesn't prove JSON: a CSV header may start with it


class JsonLines(ExtractFormat):
    """The format JSON. `_row` is the number of the line in the file, or of the element in the array.

    If an object lacks a key, the key's column is null in the object's row. If a column of the contract is in no object,
    the file is refused.
    """

    kind = "json"
    title = "JSON lines or a JSON array"
    endings = ENDINGS["json"]

    def recognizes(self, head: bytes) -> bool:
        """Return whether the file starts with a JSON object, or with an array of them."""
        return _START.match(head) is not None

    def open(self, file: Path, source: Source) -> OpenedExtract:
        """Open a JSON extract. See ExtractFormat. A line or element that isn't a JSON object becomes a broken line."""
        detected: dict[str, str] = {}
        blocks = read_text_blocks(file, source.encoding, detected=detected)
        blank_lines = 0
        while not (start := next(blocks, b"")).strip():
            if not start:
                raise RefusedExtractError(EMPTY_FILE)
            blank_lines += start.count(b"\n")
        text = chain([start], blocks)
        is_array = start.lstrip().startswith(b"[")
        objects = read_elements(text) if is_array else _read_lines(text, blank_lines + 1)
        opened = OpenedExtract([], iter(()), detected=detected)
        opened.chunks = _read_chunks(objects, source, opened)
        return opened


def _read_lines(blocks: Iterator[bytes], number: int) -> Iterator[JsonObject]:
    """Yield the content of each line that is not empty. Of a line that is too long, only the start is read.

    number: the number of the first line in the file.
    """
    rest, is_skipping = b"", False
    for block in filter(None, chain(blocks, [b"\n"])):
        lines = (rest + block).splitlines(keepends=True)
        rest = b"" if lines[-1].endswith(b"\n") else lines.pop()
        for line in lines:
            if not is_skipping and line.strip():
                yield _parse_line(number, line.rstrip(b"\r\n"))
            number, is_skipping = number + 1, False
        if len(rest) > MAX_RECORD_BYTES:
            if not is_skipping:
                yield _parse_line(number, rest)
            rest, is_skipping = b"", True


def _parse_line(number: int, line: bytes) -> JsonObject:
    if len(line) > MAX_RECORD_BYTES:
        return JsonObject(number, line, ValueError(TOO_LONG))
    try:
        return JsonObject(number, line, DECODER.decode(line.decode()))
    except (ValueError, RecursionError) as error:
        return JsonObject(number, line, error)


def _read_chunks(objects: Iterator[JsonObject], source: Source, opened: OpenedExtract) -> Iterator[Chunk]:
    """Yield the rows of JSON objects in chunks. Then store in `opened` which columns are undeclared or absent."""
    names_by_column = [source.names_of(column) for column in source.columns]
    rows, numbers, broken = list[list[str | None]](), list[int](), list[BrokenLine]()
    names, has_rows, size = set[str](), False, 0
    for item in objects:
        row = item.row(names_by_column)
        if isinstance(row, BrokenLine):
            broken.append(row)
        else:
            names |= item.content.keys()
            rows.append(row)
            numbers.append(item.number)
        if len(names) > MAX_COLUMNS:
            raise RefusedExtractError(
                f"the JSON objects have more than {MAX_COLUMNS:,} different keys. Ask the sender for fewer keys."
            )
        size, has_rows = size + len(item.text), bool(has_rows or rows)
        if size >= CHUNK_BYTES or len(rows) + len(broken) >= CHUNK_ROWS:
            yield _chunk(source, rows, numbers, broken)
            rows, numbers, broken, size = [], [], [], 0
    if rows or broken:
        yield _chunk(source, rows, numbers, broken)
    matched = match_columns(source, sorted(names))
    if has_rows and matched.missing:
        raise RefusedExtractError(f"columns missing from every line: {matched.missing}")
    opened.undeclared += matched.undeclared
    opened.absent += matched.absent if has_rows else []


def _chunk(
    source: Source, rows: Sequence[Sequence[str | None]], numbers: Sequence[int], broken: list[BrokenLine]
) -> Chunk:
    import pyarrow as pa

    texts: list[Any] = list(zip(*rows, strict=True)) if rows else [()] * len(source.columns)
    table = pa.table(
        {column: pa.array(cells, pa.string()) for column, cells in zip(source.columns, texts, strict=True)}
        | {"_row": pa.array(numbers, pa.int64())}
    )
    return Chunk(table, broken)
