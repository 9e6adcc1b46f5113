"""Rename a use case in the text of its `defs.yaml`, and undo all renames to get the text with the first name.

The name occurs in three places: the field `name`, the field `former_names`, and the names of the tables that hold
decisions and responses. Other text, such as a comment, stays unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sixtyforty.spec.errors import SixtyfortyError

TABLES = ("decisions", "replay_decisions", "responses")  # endings of table names: `<use case>_<ending>`
FORMER_NAMES = re.compile(r"^ +former_names: *\[([^\]\n]*)\] *\n", re.MULTILINE)


class NameFieldError(SixtyfortyError):
    """The name in a declaration can't be changed, because `name` or `former_names` isn't written in one line."""


def write_new_name(text: str, old: str, new: str) -> str:
    """Return the text of `defs.yaml` with a new name of the use case. The old name becomes the last of `former_names`.

    Raises NameFieldError if `name` is not the old name in one line, or `former_names` is not a list in one line.
    """
    names = _name_field(old).findall(text)
    if len(names) != 1:
        raise NameFieldError(f"defs.yaml: expected one line 'name: {old}'. Write the name of the use case in one line.")
    former = FORMER_NAMES.search(text)
    if former is None and re.search(r"^ +former_names:", text, re.MULTILINE):
        raise NameFieldError("defs.yaml: 'former_names' is not a list in one line. Write it as former_names: [a, b].")
    former_names = [*re.findall(r"[a-z0-9_]+", former[1] if former else ""), old]
    lines = rf"\g<indent>name: {new}\g<end>\g<indent>former_names: [{', '.join(former_names)}]" + "\n"
    renamed = _name_field(old).sub(lines, FORMER_NAMES.sub("", text))
    return _rename_tables(renamed, old, new)


def has_name(text: str, name: str) -> bool:
    """Return whether the text of `defs.yaml` declares a certain name of the use case."""
    return _name_field(name).search(text) is not None


def restore_first_name(text: str, name: str, former_names: Sequence[str]) -> str:
    """Return the text of `defs.yaml` with the use case's first name; unchanged if the use case was never renamed."""
    if not former_names:
        return text
    first = former_names[0]
    restored = _name_field(name).sub(rf"\g<indent>name: {first}\g<end>", FORMER_NAMES.sub("", text))
    return _rename_tables(restored, name, first)


def _name_field(name: str) -> re.Pattern[str]:
    """Return a regular expression for the field `name` of the use case, but not for a `name` within other fields."""
    return re.compile(rf"^(?P<indent> {{1,4}})name: *{name}(?P<end> *(?:#[^\n]*)?\n)", re.MULTILINE)


def _rename_tables(text: str, old: str, new: str) -> str:
    return re.sub(rf"\b{old}_({'|'.join(TABLES)})\b", rf"{new}_\1", text)
