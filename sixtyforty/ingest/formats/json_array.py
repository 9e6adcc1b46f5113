"""Read a JSON array, element by element."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator

from sixtyforty.ingest.extract import MAX_RECORD_BYTES, RefusedExtractError
from sixtyforty.ingest.formats.json_objects import DECODER, TOO_LONG, JsonObject

_SPACES = re.compile(r"[ \t\r\n]*+")
SEND_AGAIN = "Ask the sender to send the file again."


def read_elements(blocks: Iterator[bytes]) -> Iterator[JsonObject]:
    """Yield the elements of a JSON array. They are numbered from 1. blocks: the text of the file in UTF-8.

    An element may be of any type. Raises RefusedExtractError if the array is cut off or damaged, or if an element is
    longer than MAX_RECORD_BYTES or nested too deeply, because no later element can then be trusted.
    """
    text = _GrowingText(blocks)
    text.skip("[", "the file doesn't start with '['")
    number = 0
    while text.next_character() != "]" or number:
        number += 1
        yield text.read_element(number)
        if text.next_character() in ("]", ""):
            break
        text.skip(",", f"a comma or ']' is missing after element {number}")
    text.skip("]", "the file is cut off")
    if text.next_character():
        raise RefusedExtractError(f"other text follows the end of the JSON array. {SEND_AGAIN}")


class _GrowingText:
    """The text of a JSON file, which is read in blocks, and the current position in the text."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._text, self._position = blocks, "", 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._is_complete = False

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
        """Move past an expected character. Raises RefusedExtractError if another character comes next."""
        if self.next_character() != character:
            raise RefusedExtractError(f"the file is not readable as a JSON array: {problem}. {SEND_AGAIN}")
        self._position += 1

    def read_element(self, number: int) -> JsonObject:
        """Return the element at the current position, and advance the position past it."""
        self.next_character()
        while True:
            problem = ""
            try:
                content, end = DECODER.raw_decode(self._text, self._position)
                if end < len(self._text) or self._is_complete:
                    text = self._text[self._position : end]
                    self._position = end
                    return JsonObject(number, text, content)
            except json.JSONDecodeError as error:
                problem = f"element {number} of the JSON array is not JSON: {error.msg}. {SEND_AGAIN}"
            except RecursionError:
                raise RefusedExtractError(
                    f"element {number} of the JSON array is nested too deeply. Ask the sender for flatter objects."
                ) from None
            is_long = len(self._text) - self._position > MAX_RECORD_BYTES
            if problem and (self._is_complete or is_long):
                raise RefusedExtractError(problem)
            if is_long:
                raise RefusedExtractError(
                    f"element {number} of the JSON array: {TOO_LONG}. Ask the sender for smaller objects."
                )
            self._grow()
