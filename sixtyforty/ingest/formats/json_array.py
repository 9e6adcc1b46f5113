"""Read a JSON array, element by element."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator

from sixtyforty.ingest.extract import MAX_RECORD_BYTES
from sixtyforty.ingest.formats.json_objects import DECODER, TOO_LONG, JsonObject

_SPACES = re.compile(r"[ \t\r\n]*+")
# A complete string without line breaks, or a character that opens or ends something. A lone quote opens a string.
_TOKEN = re.compile(r'"(?:[^"\\\r\n]|\\.)*+"|["\[\]{},]')


def read_elements(blocks: Iterator[bytes]) -> Iterator[JsonObject]:
    """Yield the elements of a JSON array. They are numbered from 1. blocks: the text of the file in UTF-8.

    An element may be of any type. The content of an element that isn't JSON is an exception. If its end can't be found,
    or a comma or the end of the array is missing, no later element can be trusted. Then the last object that is yielded
    stands for the rest of the file. Its content is an exception that says so.
    """
    text = _GrowingText(blocks)
    number = 0
    try:
        text.skip("[", "the file doesn't start with '['")
        while text.next_character() != "]" or number:
            number += 1
            yield text.read_element(number)
            if text.next_character() in ("]", ""):
                break
            text.skip(",", f"a comma or ']' is missing after element {number}")
        text.skip("]", "the file is cut off")
        if text.next_character():
            raise _LostPlaceError("other text follows the end of the JSON array")
    except _LostPlaceError as error:
        number = max(number, 1) if text.is_within_element else number + 1
        reason = f"from element {number} to its end, the JSON array can't be read: {error}"
        yield JsonObject(number, text.rest(), ValueError(reason))


class _LostPlaceError(Exception):
    """The next element of a JSON array can't be found."""


class _GrowingText:
    """The text of a JSON file, which is read in blocks, and the current position in the text."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._text, self._position = blocks, "", 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._is_complete, self.is_within_element = False, False

    def _grow(self) -> None:
        """Read another block of the file, and drop the text before the current position."""
        block = next(self._blocks, None)
        self._is_complete = block is None
        self._text = self._text[self._position :] + self._decoder.decode(block or b"", final=block is None)
        self._position = 0

    def next_character(self) -> str:
        """Move to the next character that isn't a space, and return it; return an empty text at the end of the file."""
        while True:
            self._position = _SPACES.match(self._text, self._position).end()  # type: ignore[union-attr]
            if self._position < len(self._text) or self._is_complete:
                return self._text[self._position : self._position + 1]
            self._grow()

    def skip(self, character: str, problem: str) -> None:
        """Move past an expected character. Raises _LostPlaceError if another character comes next."""
        if self.next_character() != character:
            raise _LostPlaceError(problem)
        self._position += 1

    def rest(self) -> str:
        """Return the text from the current position, as far as it is read."""
        return self._text[self._position :]

    def read_element(self, number: int) -> JsonObject:
        """Return the element at the current position, and advance the position past it.

        Raises _LostPlaceError if the end of the element can't be found.
        """
        self.next_character()
        self.is_within_element = True
        while True:
            problem, content = "", None
            try:
                content, end = DECODER.raw_decode(self._text, self._position)
            except json.JSONDecodeError as error:
                problem = f"element {number} of the JSON array is not JSON: {error.msg}"
            except RecursionError:
                problem = f"element {number} of the JSON array is nested too deeply"
            if problem:
                end = self._find_end()
            if 0 <= end < len(self._text) or (self._is_complete and not problem):
                text = self._text[self._position : end]
                self._position, self.is_within_element = end, False
                return JsonObject(number, text, ValueError(problem) if problem else content)
            is_long = len(self._text) - self._position > MAX_RECORD_BYTES
            if is_long or self._is_complete:
                raise _LostPlaceError(f"{TOO_LONG}" if is_long else problem)
            self._grow()

    def _find_end(self) -> int:
        """Return where the element at the current position ends, if its brackets and quotes are in pairs, otherwise -1.

        The end is the position of the comma or bracket after the element.
        """
        opened: list[str] = []
        for token in _TOKEN.finditer(self._text, self._position):
            character = token.group()
            if character in ("{", "["):
                opened.append(character)
            elif character == "," and not opened:
                return token.start()
            elif character in ("}", "]"):
                if not opened:
                    return token.start() if character == "]" else -1
                if opened.pop() + character not in ("{}", "[]"):
                    return -1
            elif character == '"':
                return -1
        return -1
