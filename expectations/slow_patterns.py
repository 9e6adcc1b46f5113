"""Find regular expressions that may take hours on a long text, because a repetition repeats a repetition.

Python tries each way to split a text between the two: `(\\d+)+` has about 2 ** 40 ways to read 40 digits. If no way
matches, it tries them all.
"""

from __future__ import annotations

import re
from typing import Any

_PARSER: Any = re._parser  # type: ignore[attr-defined]  # the only way to read an expression without a second grammar
_REPEATS = (_PARSER.MAX_REPEAT, _PARSER.MIN_REPEAT)


def is_slow(pattern: str) -> bool:
    """Return whether a valid regular expression repeats a part in which nothing but a repetition is required."""
    return _repeats_repeats(_PARSER.parse(pattern))


def _repeats_repeats(sequence: Any) -> bool:
    for operator, argument in sequence:
        parts = [part for part in _list_parts(argument) if isinstance(part, _PARSER.SubPattern)]
        if (
            operator in _REPEATS
            and _is_endless(argument)
            and any(map(_is_endless_sequence, _alternatives(argument[2])))
        ):
            return True
        if any(map(_repeats_repeats, parts)):
            return True
    return False


def _list_parts(argument: Any) -> list[Any]:
    """Return the parts of an operator's argument, also of the alternatives in it."""
    if isinstance(argument, list | tuple):
        return [part for item in argument for part in _list_parts(item)]
    return [argument]


def _alternatives(sequence: Any) -> list[Any]:
    """Return the alternatives of an expression, without the groups around it; only itself if it has none."""
    if len(sequence) == 1:
        operator, argument = sequence[0]
        if operator == _PARSER.SUBPATTERN:
            return _alternatives(argument[-1])
        if operator == _PARSER.BRANCH:
            return [inner for alternative in argument[1] for inner in _alternatives(alternative)]
    return [sequence]


def _is_endless(argument: Any) -> bool:
    return bool(argument[1] == _PARSER.MAXREPEAT)


def _is_endless_sequence(sequence: Any) -> bool:
    """Return whether one endless repetition alone may be all that a sequence matches."""
    required = [position for position in range(len(sequence)) if sequence[position : position + 1].getwidth()[0]]
    endless = [n for n in range(len(sequence)) if _is_endless_item(*sequence[n])]
    return bool(endless) and set(required) <= set(endless) and len(required) <= 1


def _is_endless_item(operator: Any, argument: Any) -> bool:
    if operator == _PARSER.SUBPATTERN:
        return any(map(_is_endless_sequence, _alternatives(argument[-1])))
    return operator in _REPEATS and _is_endless(argument)
