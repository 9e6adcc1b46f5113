"""Reading JSON lines: an object a line. Numbers stay as they are written, objects and lists stay JSON."""

from __future__ import annotations

import json
from typing import Any

from sixtyforty.ingest.extract import EMPTY, Reading, missing
from sixtyforty.spec.sources import Source


class Number(str):
    """A number's own digits."""


def read(data: bytes, source: Source) -> Reading:
    """Reads an extract of JSON lines.

    A key that is absent is null; one of the contract's that no line has is a `problem`. Lines that aren't an object
    are `broken`.
    """
    import pyarrow as pa

    columns = list(source.columns)
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    numbered = [(n, line) for n, line in enumerate(lines, 1) if line.strip()]
    if not numbered:
        return Reading(problem=EMPTY.format(""), lines=1)
    if numbered[0][1].strip().startswith(b"["):
        return Reading(problem="a JSON array: the contract says JSON lines, an object a line", lines=len(numbered))
    rows: list[list[str | None]] = []
    numbers, broken, names = [], [], set[str]()
    for number, line in numbered:
        try:
            found = _object(line)
            row = [_text(found.get(c)) for c in columns]
        except (ValueError, RecursionError) as error:
            broken.append((number, _why(error), line.decode(errors="replace").rstrip("\r")))
            continue
        names |= found.keys()
        numbers.append(number)
        rows.append(row)
    lost = missing(columns, names) if rows else None
    if lost:
        return Reading(problem=f"columns missing from every line: {lost}", lines=len(numbered))
    values: list[Any] = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    table = pa.table(
        {c: pa.array(v, pa.string()) for c, v in zip(columns, values, strict=True)}
        | {"_row": pa.array(numbers, pa.int64())}
    )
    return Reading(table=table, broken=broken, lines=len(numbered))


def _object(line: bytes) -> dict[str, Any]:
    found = json.loads(
        line.decode(), parse_int=Number, parse_float=Number, parse_constant=Number, object_pairs_hook=_once
    )
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _text(value: Any) -> str | None:
    if value is None:
        return None
    text = str(value) if isinstance(value, str) else _dumped(value)
    text.encode()  # half a character, as "\ud800" is, is none
    return text


def _dumped(value: Any) -> str:
    match value:
        case Number():
            return value
        case dict():
            return "{" + ",".join(f"{json.dumps(k, ensure_ascii=False)}:{_dumped(v)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ",".join(map(_dumped, value)) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def _why(error: Exception) -> str:
    match error:
        case UnicodeDecodeError():
            return f"not UTF-8 text: byte {error.start} of the line"
        case UnicodeEncodeError():
            return "half a character: text that is none"
        case json.JSONDecodeError():
            return f"not JSON: {error.msg} at character {error.pos}"
        case RecursionError():
            return "not JSON that can be read: too deep"
        case _:
            return f"not a JSON object as it should be: {error}"
