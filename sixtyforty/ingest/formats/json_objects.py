"""Turn JSON objects into rows of text.

Numbers keep exactly the digits of the file. Nested objects and lists become JSON text without spaces. An object is a
broken line if it, or a nested object in a column of the contract, has two values under one name.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from sixtyforty.ingest.extract import DIFFERENT_VALUES, MAX_RECORD_BYTES, BrokenLine, broken_line

TOO_LONG = f"the object is longer than {MAX_RECORD_BYTES >> 20} MB"


class JsonNumber(str):
    """The text of a JSON number, exactly as the file has it."""


class RepeatedKeys(dict[str, Any]):
    """A JSON object in which a key occurs twice, so that the value of the key is uncertain."""


class JsonObject(NamedTuple):
    """One line or array element of a JSON file. It should be a JSON object, but may be anything.

    number: the number of the line, or of the element in the array.
    text: the JSON text of an element, or the bytes of a line. Of a line that is too long, only the start.
    content: the parsed text, of any type. It is an exception if the text can't be parsed.
    """

    number: int
    text: str | bytes
    content: Any

    def row(self, names_by_column: Sequence[Sequence[str]]) -> list[str | None] | BrokenLine:
        """Return the object's row: one text for each column. If the object isn't usable, return a broken line.

        names_by_column: the names under which the object may hold each column.
        """
        try:
            if isinstance(self.content, Exception):
                raise self.content
            if not isinstance(self.content, dict):
                raise ValueError("expected a JSON object, not a list, a text or a number")
            if isinstance(self.content, RepeatedKeys):
                raise ValueError("the JSON object has two values under one name")
            return [_as_text(_first_field(self.content, names)) for names in names_by_column]
        except (ValueError, RecursionError) as error:
            text = self.text.encode(errors="surrogateescape") if isinstance(self.text, str) else self.text
            return broken_line(self.number, _reason(error, text), text)


def _keep_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else RepeatedKeys(fields)


DECODER = json.JSONDecoder(
    parse_int=JsonNumber, parse_float=JsonNumber, parse_constant=JsonNumber, object_pairs_hook=_keep_repeated_keys
)


def _first_field(fields: dict[str, Any], names: Sequence[str]) -> Any:
    """Return the field that a JSON object has under one of several names; None if it has none of the names.

    Raises ValueError if the object has different values under two of the names.
    """
    present = [name for name in names if name in fields]
    for name in present[1:]:
        if fields[name] != fields[present[0]]:
            raise ValueError(DIFFERENT_VALUES.format(present[0], name))
    return fields[present[0]] if present else None


def _as_text(content: Any) -> str | None:
    if content is None:
        return None
    text = str(content) if isinstance(content, str) else _as_json(content)
    text.encode()  # raises an error for half of a surrogate pair, such as "\ud800", which is not a character
    return text


def _as_json(content: Any) -> str:
    match content:
        case JsonNumber():
            return content
        case RepeatedKeys():
            raise ValueError("the JSON object has two values under one name")
        case dict():
            fields = (f"{json.dumps(key, ensure_ascii=False)}:{_as_json(item)}" for key, item in content.items())
            return "{" + ",".join(fields) + "}"
        case list():
            return "[" + ",".join(map(_as_json, content)) + "]"
        case _:
            return json.dumps(content, ensure_ascii=False)


def _reason(error: Exception, text: bytes) -> str:
    if isinstance(error, UnicodeEncodeError):  # either an escape such as "\\ud800", or a byte that isn't UTF-8
        try:
            text.decode()
        except UnicodeDecodeError as undecodable:
            error = undecodable
    match error:
        case UnicodeDecodeError():
            return f"the object is not UTF-8: byte {error.start} is invalid"
        case UnicodeEncodeError():
            return "the object holds half of a surrogate pair, which is no character"
        case json.JSONDecodeError():
            return f"the line is not JSON: {error.msg} at character {error.pos}"
        case RecursionError():
            return "the object is nested too deeply"
        case _:
            return f"the object is not usable: {error}"
