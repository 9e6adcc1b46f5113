"""Read YAML together with the line of every field, so that an error can name file and line.

A value of `TODO`, without quotes, is a blank: the author must still fill it in. A blank is no error, and it is left out
of the parsed data.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from sixtyforty.spec.errors import DeclarationProblem

BLANK = "TODO"
TEXT_TAG = "tag:yaml.org,2002:str"
BOOL_TAG = "tag:yaml.org,2002:bool"
FieldPath = tuple[Hashable, ...]


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML loader that reads `on`, `off`, `yes` and `no` as text, as YAML 1.2 does."""

    def resolve(self, kind: type[Node], value: str, implicit: tuple[bool, bool]) -> str:
        """Return the tag of a node. Most nodes are texts, which their first letter tells at once."""
        if kind is ScalarNode and (not implicit[0] or value[:1] not in self.yaml_implicit_resolvers):
            return TEXT_TAG
        return str(super().resolve(kind, value, implicit))


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != BOOL_TAG]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(BOOL_TAG, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), "tTfF")


@dataclass
class ParsedYaml:
    """The content of a YAML file, or of a part of the file.

    A path is the tuple of the keys and list positions that lead to a value.

    - data: the content, without blanks.
    - lines: the line of each path, counted from 1.
    - blanks: the line of each path that is still to be filled in.
    - problems: what is wrong with the YAML syntax, such as a duplicate field.
    """

    file: Path
    data: Any = None
    lines: dict[FieldPath, int] = field(default_factory=dict)
    blanks: dict[FieldPath, int] = field(default_factory=dict)
    problems: list[DeclarationProblem] = field(default_factory=list)

    def line_of(self, path: Sequence[Hashable]) -> int:
        """Return the line number of a field's path; if the path is unknown, the line of the nearest enclosing field."""
        prefixes = (tuple(path[:length]) for length in range(len(path), -1, -1))
        return next((self.lines[prefix] for prefix in prefixes if prefix in self.lines), 1)

    def problem(
        self, path: Sequence[Hashable], message: str, allowed: str = "", suggestion: str = ""
    ) -> DeclarationProblem:
        """Return a DeclarationProblem for the field at a path, with its file and line.

        message, allowed, suggestion: see DeclarationProblem.
        """
        return DeclarationProblem(self.file, self.line_of(path), dotted(path), message, allowed, suggestion)

    def resolve(self, words: Sequence[str], above: FieldPath = ()) -> FieldPath:
        """Return the path of a field from a list of texts. A text that is a position in a YAML list becomes an integer.

        words: the keys and list positions from `above` to the field, as texts. above: the path at which they start.
        """
        path = above
        for word in words:
            steps: list[Hashable] = [word, *([int(word)] if word.isdigit() else [])]
            path = (*path, next((step for step in steps if (*path, step) in self.lines), word))
        return path

    def below(self, path: FieldPath) -> ParsedYaml:
        """Return the part of the YAML below a path as a ParsedYaml, in which all paths are relative to that path."""

        def cut(positions: Mapping[FieldPath, int]) -> dict[FieldPath, int]:
            return {p[len(path) :]: line for p, line in positions.items() if p[: len(path)] == path}

        content = self.data
        for step in path:
            content = content[step]
        return ParsedYaml(self.file, content, cut(self.lines), cut(self.blanks), self.problems)


def dotted(path: Sequence[Hashable]) -> str:
    """Return the path of a field as text, such as `kpi.actions.act.cost`."""
    return ".".join(map(str, path))


def parse_yaml(file: Path) -> ParsedYaml:
    """Read a YAML file. Invalid YAML and duplicate fields raise no error. The result lists them in `problems`."""
    parsed = ParsedYaml(file)
    try:
        loader = _Loader(file.read_text())
        try:
            node = loader.get_single_node()
            parsed.lines[()] = _line(node) if node else 1
            parsed.data = _construct(loader, node, (), parsed) if node else None
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        details = ", ".join(text for text in (error.context, error.problem) if text)
        message = f"the file is not valid YAML at column {column}: {details}"
        parsed.problems.append(DeclarationProblem(file, line, "", message, "YAML, indented with spaces"))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        message = f"the file is not valid YAML: {error}".splitlines()[0]
        parsed.problems.append(DeclarationProblem(file, 1, "", message, "YAML in UTF-8"))
    return parsed


def _construct(loader: _Loader, node: Node, path: FieldPath, parsed: ParsedYaml) -> Any:
    if isinstance(node, MappingNode):
        return _construct_mapping(loader, node, path, parsed)
    if isinstance(node, SequenceNode):
        items = []
        for index, item in enumerate(node.value):
            parsed.lines[(*path, index)] = _line(item)
            if _is_blank(item):
                parsed.blanks[(*path, index)] = _line(item)
            else:
                items.append(_construct(loader, item, (*path, index), parsed))
        return items
    if node.tag == TEXT_TAG:  # most nodes are texts, and their constructor is slow
        return node.value
    try:
        return loader.construct_object(node, deep=True)
    except (ValueError, AttributeError) as error:  # PyYAML raises AttributeError for a malformed `!!timestamp`
        message = f"{node.value!r} can't be read: {error}"
        allowed = "an existing date or number, or a text in quotes"
        parsed.problems.append(DeclarationProblem(parsed.file, _line(node), dotted(path), message, allowed))
        return None


def _construct_mapping(loader: _Loader, node: MappingNode, path: FieldPath, parsed: ParsedYaml) -> dict[Hashable, Any]:
    loader.flatten_mapping(node)
    mapping: dict[Hashable, Any] = {}
    for key, content in node.value:
        name = key.value if key.tag == TEXT_TAG else loader.construct_object(key, deep=True)
        if not isinstance(name, Hashable):
            raise yaml.constructor.ConstructorError(None, None, "a field name must be a text", key.start_mark)
        field_path, line = (*path, name), _line(key)
        if name in mapping or field_path in parsed.blanks:
            message = f"the field is declared twice, first on line {parsed.line_of(field_path)}"
            parsed.problems.append(DeclarationProblem(parsed.file, line, dotted(field_path), message, "once"))
            continue
        parsed.lines[field_path] = line
        if _is_blank(content):
            parsed.blanks[field_path] = line
        else:
            mapping[name] = _construct(loader, content, field_path, parsed)
    return mapping


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _is_blank(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.value == BLANK and not (node.style or "").strip()
