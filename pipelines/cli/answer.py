"""Define the answer of a command, and print it: as text, or as JSON with `--json`. No other module prints answers."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from typing import Any, get_type_hints


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Base of every command's answer. A subclass adds one field for each JSON key.

    Annotate a field as `Annotated[type, "what the key holds"]`. A field annotated with a mapping of keys to
    descriptions is spread: its items become keys of the JSON object. `docs/reference/cli.md` is written from these
    annotations. `text` is printed for people and is not part of the JSON.
    """

    text: str

    @property
    def succeeded(self) -> bool:
        """Whether the command did what was asked. If it did not, the command exits with code 1."""
        return True

    @property
    def is_warning(self) -> bool:
        """Whether the command succeeded but exits with code 3, because an edit would make a figure insignificant."""
        return False

    def payload(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        keys: dict[str, Any] = {}
        for name, about in _described_fields(type(self)):
            content = getattr(self, name)
            keys |= content if isinstance(about, Mapping) else {name: content}
        return keys


def described_keys(answer_type: type[Answer]) -> dict[str, str]:
    """Return the JSON keys of a subclass of Answer, each with its description."""
    keys: dict[str, str] = {}
    for name, about in _described_fields(answer_type):
        keys |= about if isinstance(about, Mapping) else {name: about}
    return keys


def _described_fields(answer_type: type[Answer]) -> Iterator[tuple[str, str | Mapping[str, str]]]:
    hints = get_type_hints(answer_type, include_extras=True)
    for field in fields(answer_type):
        if field.name != "text":
            yield field.name, hints[field.name].__metadata__[0]


def show(answer: Answer, as_json: bool) -> None:
    """Print an answer on stdout, as text or as JSON."""
    print(json.dumps(answer.payload(), indent=2, default=to_json) if as_json else answer.text)


def show_error(error: Exception, as_json: bool) -> None:
    """Print an error on stderr and, with `--json`, as `{"error": …}` on stdout."""
    if as_json:
        print(json.dumps({"error": str(error)}))
    print(f"sixtyforty: {error}", file=sys.stderr)


def show_progress(text: str) -> None:
    """Print a progress line on stderr. Stdout is reserved for the answer."""
    print(text, file=sys.stderr, flush=True)


def to_json(item: Any) -> Any:
    """Convert an object that `json` can't write: a model or dataclass to a dict, a date to ISO, others to text."""
    if hasattr(item, "model_dump"):
        return item.model_dump(mode="json")
    if is_dataclass(item) and not isinstance(item, type):
        return {field.name: getattr(item, field.name) for field in fields(item)}
    return item.isoformat() if isinstance(item, date) else str(item)
