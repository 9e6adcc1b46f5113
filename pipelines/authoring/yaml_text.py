"""Write texts as YAML that fits in one line, so that templates can put it into a list, a field or before a comment."""

from __future__ import annotations

from typing import Any

import yaml

from sixtyforty.spec.yaml_positions import BLANK

LONGEST_FIELD = 1000  # YAML allows 1,024 characters for the name of a field that has no `?` before it


class _OneLineDumper(yaml.SafeDumper):
    """YAML dumper that writes each text in one line.

    It quotes the text TODO, because an unquoted TODO marks a field as not filled in.
    """

    def represent_text(self, text: str) -> yaml.ScalarNode:
        style = '"' if text == BLANK or not text.isprintable() else None  # a line break is not printable
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_OneLineDumper.add_representer(str, _OneLineDumper.represent_text)


def flow(content: Any) -> str:
    """Return mappings, lists and texts as YAML in one line."""
    dumped: str = yaml.dump(
        content, Dumper=_OneLineDumper, default_flow_style=True, sort_keys=False, width=float("inf"), allow_unicode=True
    )
    return dumped.removesuffix("\n")


def as_yaml(text: str) -> str:
    """Return a text as a YAML scalar in one line, with quotes where YAML needs them, for instance in a list."""
    return flow([text])[1:-1]


def as_yaml_field(name: str, indent: int) -> str:
    """Return the name of a field with its colon. A long name gets a line of its own.

    indent: the number of spaces before the field.
    """
    scalar = as_yaml(name)
    if len(scalar) <= LONGEST_FIELD:
        return f"{scalar}:"
    return f"? {scalar}\n{' ' * indent}:"
