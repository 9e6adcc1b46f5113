"""A second, simple reader of extracts: one character at a time, with Python's own JSON, gzip and Arrow.

It shares no code with the project's readers. It returns the lines of an extract, or None if it must be refused.
"""

from __future__ import annotations

import codecs
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz.layout import COLUMNS, Record

MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


class Refused(Exception):
    """The extract can't be trusted as a whole."""


def read_records(source: str, content: bytes) -> list[Record] | None:
    """Return the lines of an extract; None if it must be refused."""
    try:
        content = _unpack(content)
        is_json = re.match(r"\s*(\{|\[\s*[{\]])", _decode(content, "replace"))
        if content.startswith(b"PAR1") or (source == "readings" and not is_json):
            return list(_parquet_records(content))
        text = _decode(content, "surrogateescape")
        if "\0" * 4096 in text or not text.strip():
            return None
        return list(_json_records(text) if is_json or source == "events" else _csv_records(text))
    except (Refused, UnicodeDecodeError):
        return None


def _unpack(content: bytes) -> bytes:
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        raise Refused from None


def _decode(content: bytes, errors: str) -> str:
    """Return the text of a file. errors: how to decode bytes that are no text in its encoding."""
    encoding = next((name for mark, name in MARKS.items() if content.startswith(mark)), None)
    if encoding:
        content = content[3 if encoding == "utf-8" else 2 :]
    else:
        head = content[:4096]
        even, odd = (head[start::2].count(0) / max(1, len(head[start::2])) for start in (0, 1))
        encoding = "utf-16-le" if odd > 0.7 and even < 0.1 else "utf-16-be" if even > 0.7 and odd < 0.1 else "utf-8"
    return content.decode(encoding, errors)


def _is_text(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _lines(text: str) -> list[str]:
    return re.split(r"\r\n|\n|\r", text)


def _csv_records(text: str) -> Iterator[Record]:
    start = len(text) - len(text.lstrip("\r\n"))
    number = 1 + len(_lines(text[:start])) - 1
    separator = re.match(r'"?sep=([\t -~])"?(\r\n|\n|\r)', text[start:], re.I)
    if separator:
        start, number = start + separator.end(), number + 1
    for delimiter in [separator[1]] if separator else [",", ";", "\t", "|"]:
        rows = _split(text[start:], delimiter)
        names, header, is_sound = next(rows)
        if is_sound and all(names.count(column) == 1 for column in COLUMNS):
            break
    else:
        raise Refused
    if not _is_text(header) or "\0" in header:
        raise Refused
    named = max(position for position, name in enumerate(names, 1) if name)
    number += len(_lines(header)) - 1
    for fields, record, is_sound in rows:
        lines = _lines(record)[:-1]
        if lines != [""]:
            has_zero = "\0" in record
            if is_sound and not has_zero and not _is_text(record):
                raise Refused
            nameless = [field.strip() for field in fields[named:]]
            if is_sound and not has_zero and named <= len(fields) <= len(names) and not any(nameless):
                texts = {column: _csv_text(fields[names.index(column)]) for column in COLUMNS}
                yield Record(number, texts)
            else:
                yield from (Record(number + i, None) for i, line in enumerate(lines) if line)
        number += len(lines)


def _csv_text(field: str) -> str | None:
    return None if field.strip(" ") == "NA" else field


def _split(text: str, delimiter: str) -> Iterator[tuple[list[str], str, bool]]:
    """Yield the fields of each record, its text with the line end, and whether its quotes are sound."""
    text += "" if text[-1:] in ("\r", "\n") else "\n"
    start, position = 0, 0
    while start < len(text):
        fields, is_sound = [""], True
        while True:
            if text[position : position + 1] == '"':
                position += 1
                while position < len(text) and (text[position] != '"' or text[position : position + 2] == '""'):
                    fields[-1] += text[position]
                    position += 2 if text[position] == '"' else 1
                if position >= len(text):  # the quote is never closed
                    yield fields, text[start:], False
                    return
                position += 1
                is_sound = is_sound and text[position] in (delimiter, "\r", "\n")
            while text[position] not in (delimiter, "\r", "\n"):
                fields[-1] += text[position]
                position += 1
            position += 1
            if text[position - 1] != delimiter:
                break
            fields.append("")
        position += text[position - 1 : position + 1] == "\r\n"
        yield fields, text[start:position], is_sound
        start = position


def _json_records(text: str) -> Iterator[Record]:
    if text.lstrip().startswith("["):
        contents: list[tuple[int, Any]] = list(enumerate(_array_elements(text), 1))
    else:
        contents = []
        for number, line in enumerate(_lines(text), 1):
            if line.strip(" \t\r\n\v\f"):
                try:
                    contents.append((number, _parse_json(line) if _is_text(line) else None))
                except ValueError:
                    contents.append((number, None))
    names = {name for _, content in contents if isinstance(content, dict) for name in content}
    records = [Record(number, _json_texts(content)) for number, content in contents]
    if any(record.texts for record in records) and not names.issuperset(COLUMNS):
        raise Refused
    yield from records


def _array_elements(text: str) -> Iterator[Any]:
    """Yield the elements of a JSON array; None for one that is no JSON, and for the rest that can't be followed."""
    position = _skip_spaces(text, 0)
    if text[position] != "[":
        yield None
        return
    position = _skip_spaces(text, position + 1)
    is_empty = text[position : position + 1] == "]"
    while not is_empty:
        try:
            element, position = DECODER.raw_decode(text, position)
            yield element
        except ValueError:
            yield None
            end = _element_end(text, position)
            if end is None:
                return
            position = end
        position = _skip_spaces(text, position)
        if text[position : position + 1] != ",":
            break
        position = _skip_spaces(text, position + 1)
    if text[position : position + 1] != "]" or text[position + 1 :].strip(" \t\r\n"):
        yield None


def _skip_spaces(text: str, position: int) -> int:
    while text[position : position + 1] in (" ", "\t", "\r", "\n"):
        position += 1
    return position


def _element_end(text: str, position: int) -> int | None:
    """Return where a damaged element ends: before a comma or bracket that is in no string and in no other brackets."""
    closing: list[str] = []
    while position < len(text):
        character = text[position]
        if character == '"':
            position += 1
            while position < len(text) and text[position] not in '"\r\n':
                is_escape = text[position] == "\\"
                if is_escape and text[position + 1 : position + 2] == "\n":
                    return None
                position += 2 if is_escape else 1
            if text[position : position + 1] != '"':
                return None
        elif character in "[{":
            closing.append("]" if character == "[" else "}")
        elif character in ",]" and not closing:
            return position
        elif character in "]}" and (not closing or closing.pop() != character):
            return None
        position += 1
    return None


def _parse_json(text: str) -> Any:
    """Parse JSON. A number becomes its text. An object with a repeated key becomes None."""
    return DECODER.decode(text)


class _Number(str):
    pass


DECODER = json.JSONDecoder(
    parse_int=_Number,
    parse_float=_Number,
    parse_constant=_Number,
    object_pairs_hook=lambda pairs: dict(pairs) if len(dict(pairs)) == len(pairs) else None,
)


def _json_texts(content: Any) -> dict[str, str | None] | None:
    if not isinstance(content, dict):
        return None
    texts: dict[str, str | None] = {}
    for column in COLUMNS:
        field = content.get(column)
        text = field if isinstance(field, str) or field is None else _json_text(field)
        if text is not None and not _is_text(text):
            return None
        texts[column] = text
    return texts


def _json_text(field: Any) -> str:
    """Return nested JSON without spaces. Numbers keep their text."""
    match field:
        case _Number():
            return field
        case dict():
            return (
                "{"
                + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{_json_text(item)}" for key, item in field.items())
                + "}"
            )
        case list():
            return "[" + ",".join(map(_json_text, field)) + "]"
        case _:
            return json.dumps(field, ensure_ascii=False)


def _parquet_records(content: bytes) -> Iterator[Record]:
    try:
        table = pq.read_table(io.BytesIO(content), coerce_int96_timestamp_unit="us")
        table.validate(full=True)
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        raise Refused from None
    if not set(COLUMNS) <= set(table.column_names):
        raise Refused
    for number, row in enumerate(table.select(list(COLUMNS)).to_pylist(), 1):
        yield Record(number, {column: _typed_text(field) for column, field in row.items()})


def _typed_text(field: Any) -> str | None:
    if field is None:
        return None
    if isinstance(field, bytes):
        return field.decode()
    return str(field)
