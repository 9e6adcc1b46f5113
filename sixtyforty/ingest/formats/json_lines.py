"""The file format JSON lines: one object per line.

Numbers become text with exactly the digits of the file. Nested objects and lists become JSON text.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sixtyforty.ingest.decompression import decompress
from sixtyforty.ingest.extract import (
    EMPTY_FILE,
    BrokenLine,
    Chunk,
    OpenedExtract,
    RefusedExtractError,
    binary_problem,
    count_lines,
    match_columns,
)
from sixtyforty.ingest.formats.base import BYTE_ORDER_MARK, ExtractFormat, LoadedFiles, load_with_reader
from sixtyforty.spec.sources import Source

if TYPE_CHECKING:
    import duckdb


class JsonLines(ExtractFormat):
    """The format JSON lines. `_row` is the number of the line in the file.

    If a line lacks a key, the column is null in its row. If a column of the contract is in no line, the file is
    refused.
    """

    kind = "json"
    title = "JSON lines"
    endings = ("jsonl", "ndjson", "json")

    def recognizes(self, head: bytes) -> bool:
        """Return whether the file starts with a JSON object."""
        return head.lstrip().startswith(b"{")

    def open(self, file: Path, source: Source) -> OpenedExtract:
        """Open an extract of JSON lines. See ExtractFormat. A line that is not a JSON object is a broken line."""
        content = decompress(file.read_bytes())
        problem = binary_problem(content)
        if problem:
            raise RefusedExtractError(problem, count_lines(content))
        lines = content.removeprefix(BYTE_ORDER_MARK).split(b"\n")
        numbered_lines = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
        if not numbered_lines:
            raise RefusedExtractError(EMPTY_FILE)
        if numbered_lines[0][1].strip().startswith(b"["):
            problem = "the file is a JSON array, expected JSON lines. Write one object per line."
            raise RefusedExtractError(problem, len(numbered_lines))
        return _parse_lines(numbered_lines, source)

    def load_for_profiling(self, db: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> LoadedFiles:
        """Load JSON files with DuckDB's JSON reader. See ExtractFormat."""
        return load_with_reader(db, "read_json", files)


class _Number(str):
    """The text of a JSON number, exactly as the file has it."""


def _parse_lines(numbered_lines: Sequence[tuple[int, bytes]], source: Source) -> OpenedExtract:
    import pyarrow as pa

    names_by_column = {column: source.names_of(column) for column in source.columns}
    rows: list[list[str | None]] = []
    numbers: list[int] = []
    broken: list[BrokenLine] = []
    names = set[str]()
    for number, line in numbered_lines:
        try:
            fields = _parse_object(line)
            row = [_as_text(_first_field(fields, keys)) for keys in names_by_column.values()]
        except (ValueError, RecursionError) as error:
            broken.append(BrokenLine(number, _reason(error), line.decode(errors="replace").rstrip("\r")))
            continue
        names |= fields.keys()
        numbers.append(number)
        rows.append(row)
    matched = match_columns(source, sorted(names))
    if rows and matched.missing:
        raise RefusedExtractError(f"columns missing from every line: {matched.missing}", len(numbered_lines))
    texts: list[Any] = list(zip(*rows, strict=True)) if rows else [()] * len(names_by_column)
    table = pa.table(
        {column: pa.array(cells, pa.string()) for column, cells in zip(names_by_column, texts, strict=True)}
        | {"_row": pa.array(numbers, pa.int64())}
    )
    return OpenedExtract(matched.undeclared, iter([Chunk(table, broken)]))


def _first_field(fields: dict[str, Any], keys: Sequence[str]) -> Any:
    """Return the content of the first of `keys` that a JSON line contains; None if the line contains none of them."""
    return next((fields[key] for key in keys if key in fields), None)


def _parse_object(line: bytes) -> dict[str, Any]:
    parsed = json.loads(
        line.decode(),
        parse_int=_Number,
        parse_float=_Number,
        parse_constant=_Number,
        object_pairs_hook=_without_repeated_keys,
    )
    if not isinstance(parsed, dict):
        raise ValueError("the line holds a list, a text or a number, not an object")
    return parsed


def _without_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a key occurs twice in an object")
    return fields


def _as_text(content: Any) -> str | None:
    if content is None:
        return None
    text = str(content) if isinstance(content, str) else _as_json(content)
    text.encode()  # raises an error for half of a surrogate pair, such as "\ud800", which is not a character
    return text


def _as_json(content: Any) -> str:
    match content:
        case _Number():
            return content
        case dict():
            fields = (f"{json.dumps(key, ensure_ascii=False)}:{_as_json(item)}" for key, item in content.items())
            return "{" + ",".join(fields) + "}"
        case list():
            return "[" + ",".join(map(_as_json, content)) + "]"
        case _:
            return json.dumps(content, ensure_ascii=False)


def _reason(error: Exception) -> str:
    match error:
        case UnicodeDecodeError():
            return f"the line is not UTF-8: byte {error.start} is invalid"
        case UnicodeEncodeError():
            return "the line holds half of a surrogate pair, which is no character"
        case json.JSONDecodeError():
            return f"the line is not JSON: {error.msg} at character {error.pos}"
        case RecursionError():
            return "the line is nested too deeply"
        case _:
            return f"the line is not a usable JSON object: {error}"
