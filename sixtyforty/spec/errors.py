"""What is wrong with a declaration, told to whoever wrote it: file, line, field, what is allowed, what was meant.

A declaration is YAML; `parse` keeps the line of everything in it, and `told` turns what pydantic and we say of it into
mistakes. A value of `TODO`, without quotes, is a blank: it is no mistake, and it isn't kept.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from sixtyforty.spec.base import ConflictingFields, FieldError
from sixtyforty.spec.fields import allowed, bare, follow, model_of, spelt

BLANK = "TODO"
TEXT = "tag:yaml.org,2002:str"
At = tuple[Hashable, ...]


class SixtyfortyError(Exception):
    """Base of every error that a user can cause or cure. Its text names what happened, where, and what to do next."""


@dataclass(frozen=True)
class DeclarationProblem:
    """One thing to mend; `field` is a path with dots, empty where it is the file itself."""

    file: Path
    line: int
    field: str
    message: str
    allowed: str = ""
    suggestion: str = ""

    def __str__(self) -> str:
        where = f"{_short(self.file)}:{self.line}: " + (f"{self.field}: " if self.field else "")
        meant = f"; did you mean '{self.suggestion}'?" if self.suggestion else ";" * bool(self.allowed)
        return where + self.message + meant + (f" allowed: {self.allowed}" if self.allowed else "")


class DeclarationError(SixtyfortyError):
    """All that is wrong with a declaration, a line each."""

    def __init__(self, name: str, found: Iterable[DeclarationProblem]) -> None:
        self.problems = sorted(set(found), key=lambda m: (str(m.file), m.line, m.field, m.message))
        count = "1 mistake" if len(self.problems) == 1 else f"{len(self.problems)} mistakes"
        super().__init__("\n  ".join([f"the declaration of {name} has {count}:", *map(str, self.problems)]))


def _short(file: Path) -> str:
    try:
        return str(file.relative_to(Path.cwd()))
    except ValueError:
        return str(file)


def near(given: Any, choices: Iterable[Any]) -> str:
    """The choice that was probably meant; empty when none is near."""
    found = difflib.get_close_matches(str(given), [str(c) for c in choices], 1, 0.6)
    return found[0] if found else ""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML 1.2's words for true and false: `on`, `no` and the like are words."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regex) for tag, regex in found if tag != "tag:yaml.org,2002:bool"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), "tTfF")


@dataclass
class Parsed:
    """A YAML file as data, with the line of each of its paths; `blank` are those left to fill in."""

    file: Path
    data: Any = None
    lines: dict[At, int] = field(default_factory=dict)
    blank: dict[At, int] = field(default_factory=dict)
    mistakes: list[DeclarationProblem] = field(default_factory=list)

    def line(self, at: Sequence[Hashable]) -> int:
        """The line of a path, or of what it lies in."""
        return next((self.lines[tuple(at[:n])] for n in range(len(at), -1, -1) if tuple(at[:n]) in self.lines), 1)

    def wrong(self, at: Sequence[Hashable], said: str, allowed: str = "", suggestion: str = "") -> DeclarationProblem:
        """A mistake at a path."""
        return DeclarationProblem(self.file, self.line(at), ".".join(map(str, at)), said, allowed, suggestion)

    def at(self, field: str) -> At:
        """A field's path with dots as a path here: numbers are places in a list."""
        return _steps(self, field.split("."), ())

    def below(self, at: At) -> Parsed:
        """The part below a path, its paths counted from there."""

        def cut(of: Mapping[At, int]) -> dict[At, int]:
            return {path[len(at) :]: line for path, line in of.items() if path[: len(at)] == at}

        data = self.data
        for step in at:
            data = data[step]
        return Parsed(self.file, data, cut(self.lines), cut(self.blank), self.mistakes)


def parse(file: Path) -> Parsed:
    """Reads a YAML file. What isn't YAML, and what stands in it twice, is among its mistakes."""
    found = Parsed(file)
    try:
        loader = _Loader(file.read_text())
        try:
            node = loader.get_single_node()
            found.lines[()] = node.start_mark.line + 1 if node else 1
            found.data = _plain(loader, node, (), found) if node else None
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        said = ", ".join(t for t in (error.context, error.problem) if t)
        found.mistakes.append(
            DeclarationProblem(file, line, "", f"isn't YAML at column {column}: {said}", "YAML, indented by spaces")
        )
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        found.mistakes.append(DeclarationProblem(file, 1, "", f"isn't YAML: {error}".splitlines()[0], "YAML in UTF-8"))
    return found


def _plain(loader: _Loader, node: Node, at: At, found: Parsed) -> Any:
    if isinstance(node, MappingNode):
        loader.flatten_mapping(node)
        made: dict[Any, Any] = {}
        for key, value in node.value:
            name = key.value if key.tag == TEXT else loader.construct_object(key, deep=True)
            if not isinstance(name, Hashable):
                raise yaml.constructor.ConstructorError(None, None, "a name that is no plain text", key.start_mark)
            path, line = (*at, name), key.start_mark.line + 1
            if name in made or path in found.blank:
                first = found.line(path)
                found.mistakes.append(
                    DeclarationProblem(
                        found.file, line, ".".join(map(str, path)), f"stands here twice, first on line {first}", "once"
                    )
                )
                continue
            found.lines[path] = line
            if _is_blank(value):
                found.blank[path] = line
            else:
                made[name] = _plain(loader, value, path, found)
        return made
    if isinstance(node, SequenceNode):
        items = []
        for n, value in enumerate(node.value):
            found.lines[(*at, n)] = value.start_mark.line + 1
            if _is_blank(value):
                found.blank[(*at, n)] = value.start_mark.line + 1
            else:
                items.append(_plain(loader, value, (*at, n), found))
        return items
    return node.value if node.tag == TEXT else loader.construct_object(node, deep=True)  # the quick way for nearly all


def _is_blank(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.value == BLANK and not (node.style or "").strip()


def told(parsed: Parsed, model: type[BaseModel], error: ValidationError) -> list[DeclarationProblem]:
    """What pydantic refuses of a model, as mistakes; what it refuses for a blank is none."""
    errors = error.errors()
    gone: set[At] = {e["loc"] for e in errors if e["type"] == "missing"}
    found: dict[At, DeclarationProblem] = {}
    for e in errors:
        if e["type"] == "extra_forbidden":
            for at, mistake, meant in _unknown(parsed, model, e["loc"], gone):
                found[at] = mistake
                gone.discard(meant)
    for e in errors:
        for at, mistake in _one(parsed, model, e, gone):
            found.setdefault(at, mistake)
    return list(found.values())


def wrong(parsed: Parsed, error: FieldError, above: At = ()) -> DeclarationProblem:
    """A mistake of ours: its field is looked for as far as it leads."""
    at = (*above, *_steps(parsed, error.field.split(".") if error.field else [], above))
    return parsed.wrong(at, error.message, *_choices(error))


def _choices(error: FieldError) -> tuple[str, str]:
    if error.allowed is None:
        return "", ""
    return ", ".join(error.allowed) or "there is none to name yet", near(error.written, error.allowed)


def _steps(parsed: Parsed, words: Sequence[str], above: At) -> At:
    """A path's words as they stand in the file: numbers are places in a list."""
    at: At = above
    for word in words:
        step = next((s for s in (word, int(word) if word.isdigit() else word) if (*at, s) in parsed.lines), word)
        at = (*at, step)
    return at[len(above) :]


def _unknown(parsed: Parsed, model: type[BaseModel], loc: At, gone: set[At]) -> Iterator[tuple[At, DeclarationProblem, At]]:
    """A field that isn't one, and the missing one that was meant by it."""
    owner = model_of(list(follow(model, loc[:-1]))[-1][1])
    fields = spelt(owner) if owner else []
    wanted = [str(g[-1]) for g in gone if g[:-1] == loc[:-1]]
    meant = near(loc[-1], wanted) or near(loc[-1], fields)
    yield loc, parsed.wrong(loc, "there is no such field", ", ".join(fields), meant), (*loc[:-1], meant)


def _one(parsed: Parsed, model: type[BaseModel], e: Any, gone: set[At]) -> Iterator[tuple[At, DeclarationProblem]]:
    if e["type"] == "extra_forbidden" or (e["type"] == "missing" and e["loc"] not in gone):
        return
    at, kind = list(follow(model, e["loc"]))[-1]
    if any(b[: len(at)] == at[: len(b)] for b in parsed.blank):
        return  # not filled in yet, here or within
    if e["type"] == "value_error":
        yield from _ours(parsed, at, kind, e["ctx"]["error"])
    elif e["type"] == "missing":
        yield at, parsed.wrong(at, "is missing", allowed(kind))
    elif e["loc"][-1] == "[key]":
        name = e["loc"][-2]
        keys = get_args(bare(list(follow(model, e["loc"][:-2]))[-1][1])[0])[0]
        yield (*at, "[key]"), parsed.wrong(at, f"'{name}' isn't a name for one of these", allowed(keys), _tidied(name))
    else:
        yield at, parsed.wrong(at, _misfit(e), allowed(kind), _instead(kind, e))


def _misfit(e: Any) -> str:
    given = e["input"]
    if given is None:
        return "is empty (write TODO to leave it for later)"
    shown = "a mapping" if isinstance(given, dict) else "a list" if isinstance(given, list) else f"'{str(given)[:60]}'"
    return f"{shown} isn't what belongs here"


def _instead(kind: Any, e: Any) -> str:
    given, (plain, _) = e["input"], bare(kind)
    choices = [c for c in get_args(plain) if isinstance(c, str)]
    if choices and isinstance(given, str):
        return near(given.lower(), choices)
    if e["type"] == "list_type" and isinstance(given, str | int | float):
        return f"[{given}]"
    if e["type"] == "string_pattern_mismatch":
        return _tidied(given, upper="A-Z" in e["ctx"]["pattern"])
    if e["type"] in ("int_from_float",):
        return f"{given:.0f}"
    number = re.search(r"-?\d+(?:\.\d+)?", given) if e["type"] in ("int_parsing", "float_parsing") else None
    return number[0] if number else ""


def _tidied(name: Any, upper: bool = False) -> str:
    words = re.sub(r"\W+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(name))).strip("_0123456789")
    return words.upper() if upper else words.lower()


def _ours(parsed: Parsed, at: At, kind: Any, error: Exception) -> Iterator[tuple[At, DeclarationProblem]]:
    """An error of our own validators: it names its field itself, or in its words."""
    if isinstance(error, ConflictingFields):
        for n, one in enumerate(error.errors):
            yield (*at, n), wrong(parsed, one, at)
        return
    if isinstance(error, FieldError):
        yield (*at, error.field), wrong(parsed, error, at)
        return
    model = model_of(kind)
    fields = model.model_fields if model else {}
    words = [w.strip(".").split(".") for w in re.findall(r"[\w.]+", str(error))]
    named: list[str] = next((w for w in words if w[0] in fields and (*at, w[0]) in parsed.lines), [])
    where = (*at, *_steps(parsed, named, at))
    yield (*where, str(error)), parsed.wrong(where, str(error))
