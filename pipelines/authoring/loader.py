"""The one place that reads a use case's declaration, for Dagster and the command alike: YAML, SQL and suites.

All that is wrong is told at once, as `sixtyforty.spec.errors` says. What is left blank makes it a draft.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from expectations import suites
from sixtyforty.spec.base import ConflictingFields
from sixtyforty.spec.cross_checks import contradictions
from sixtyforty.spec.draft import Blank, Draft
from sixtyforty.spec.errors import DeclarationError, DeclarationProblem, Parsed, near, parse, told, wrong
from sixtyforty.spec.use_case import UseCase

State = tuple[tuple[Path, int, int, int], ...]  # of each file: inode, last change in ns since 1970, bytes
FOLDER = Path(__file__).parents[1] / "use_cases"
COMPONENT = "pipelines.component.DecisionPipeline"
ENVELOPE = ("type", "attributes", "requirements", "template_vars_module", "post_processing")  # what Dagster knows
FIRST = ("name", "timezone", "partitions", "sources", "governance")  # without these no extract can be taken in
SQL = {
    "features": "SQL that gives a row a unit: its key, then what the model may know at decided_at",
    "outcomes": "SQL that gives a row a unit: its key, what became of it, and known_at",
    "current_process": "SQL that gives a row a unit: its key and `action`, what today's process does. Without it"
    " nothing can be claimed",
    "units": "SQL that gives a row a partition and unit: _partition and the key",
}


def names(folder: Path = FOLDER) -> list[str]:
    """The declared use cases, sound or not."""
    return sorted(p.parent.name for p in folder.glob("*/defs.yaml"))


def state() -> State:
    """Which files declare the use cases, and what tells whether one was changed."""
    files = [f for of in (FOLDER, suites.HERE) for f in sorted(of.glob("*/*")) if f.suffix in (".yaml", ".sql")]
    return tuple((f, s.st_ino, s.st_mtime_ns, s.st_size) for f, s in ((f, f.stat()) for f in files))


def load(folder: Path, rules: Path = suites.HERE, sql: bool = False) -> UseCase:
    """The use case a folder declares; a Draft where something is left blank. Raises Mistakes, with all there are.

    `rules`: the folder of all use cases' suites. `sql`: whether SQL is bound to its contract as well, which takes
    DuckDB a moment.
    """
    file = folder / "defs.yaml"
    written = parse(file)
    if written.mistakes or (found := list(_envelope(written))):
        raise DeclarationError(folder.name, written.mistakes or found)
    parsed = written.below(("attributes",))
    whole, parts, found = _parts(parsed)
    if "name" in parts and parts["name"] != folder.name:
        found.append(parsed.wrong(["name"], f"'{parts['name']}' isn't its folder's name", folder.name, folder.name))
    texts, unread = _texts(folder, parts)
    found += unread
    missing = [*_blanks(parsed), *(b for b in texts.values() if b)]
    case = Draft.of(parts, missing, folder) if {"name", "sources"} <= parts.keys() else None
    if case:
        found += [wrong(parsed, w) for w in contradictions(_all(parts, folder), parts)]
        features: list[str] | None = None
        if sql and not found:
            bindable = _all(parts, folder) if "people" in parts else case
            misfits, features = _bound(parsed, bindable, parts, {s for s, b in texts.items() if b is None})
            found += misfits
        found += _suites(rules / folder.name, case, features)
    if found:
        raise DeclarationError(folder.name, found)
    if missing and case:
        return case
    return whole or UseCase(**parsed.data, folder=folder)  # which says why it can't be one


def _envelope(whole: Parsed) -> Iterator[DeclarationProblem]:
    if not isinstance(whole.data, Mapping):
        yield whole.wrong([], "declares nothing", "a mapping with the fields type and attributes")
        return
    for name in whole.data:
        if name not in ENVELOPE:
            yield whole.wrong([name], "there is no such field", ", ".join(ENVELOPE), near(name, ENVELOPE))
    kind = whole.data.get("type")
    if kind != COMPONENT:
        yield whole.wrong(["type"], f"'{kind}' isn't this project's component" if kind else "is missing", COMPONENT)
    if not isinstance(whole.data.get("attributes"), Mapping):
        yield whole.wrong(["attributes"], "holds no declaration", "a mapping with the fields of a use case")


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    field = UseCase.model_fields[name]
    kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    return TypeAdapter(kind)


def _parts(parsed: Parsed) -> tuple[UseCase | None, dict[str, Any], list[DeclarationProblem]]:
    """The use case where all is sound, the fields that are filled in and sound, and what is wrong with the others."""
    found, whole = list[DeclarationProblem](), None
    try:
        whole = UseCase(**{str(k): v for k, v in parsed.data.items()}, folder=parsed.file.parent)
        parts = {n: getattr(whole, n) for n in UseCase.model_fields if n != "folder"}
    except ValidationError as error:
        found = [m for m in told(parsed, UseCase, error) if m.field != "folder"]
        if any(isinstance(e.get("ctx", {}).get("error"), ConflictingFields) for e in error.errors()):
            found = []  # told by those who look at drafts as well
        parts = dict(_sound(parsed))
    open_ = {at[0] for at in parsed.blank}
    for name in FIRST:
        if name in open_:
            at = next(at for at in parsed.blank if at[0] == name)
            found.append(
                parsed.wrong(at, "can't be left for later: without it no extract can be taken in", _why(at).rstrip("."))
            )
    return whole, {n: part for n, part in parts.items() if n not in open_}, found


def _sound(parsed: Parsed) -> Iterator[tuple[str, Any]]:
    for name, field in UseCase.model_fields.items():
        if name == "folder":
            continue
        if name in parsed.data:
            try:
                yield name, _adapter(name).validate_python(parsed.data[name])
            except ValidationError:
                continue  # told already
        elif not field.is_required():
            yield name, field.get_default(call_default_factory=True)


def _all(parts: Mapping[str, Any], folder: Path) -> UseCase:
    """The parts as a use case, for checks that look at those parts only."""
    return UseCase.model_construct(**parts, folder=folder)


def _blanks(parsed: Parsed) -> Iterator[Blank]:
    for at, line in parsed.blank.items():
        yield Blank(".".join(map(str, at)), _why(at), parsed.file, line)


def _why(at: tuple[Any, ...]) -> str:
    """What a field is for, or what it lies in."""
    from sixtyforty.spec.fields import follow, model_of

    said = ""
    for path, kind in follow(UseCase, at[:-1]):
        model = model_of(kind)
        if model and (field := model.model_fields.get(str(at[len(path)]))):
            said = field.description or said
    return said


def _texts(folder: Path, parts: Mapping[str, Any]) -> tuple[dict[str, Blank | None], list[DeclarationProblem]]:
    """Which SQL there must be, with a Blank where it is left for later; and which files aren't there."""
    wanted = [s for s in SQL if s != "units" or ("decision" in parts and parts["decision"].unit is None)]
    texts: dict[str, Blank | None] = {}
    found = []
    for stage in wanted:
        file = folder / f"{stage}.sql"
        if not file.exists():
            others = [p.name for p in folder.glob("*.sql") if p.stem not in SQL]
            found.append(DeclarationProblem(file, 1, "", "is missing", SQL[stage], near(file.name, others)))
            continue
        lines = file.read_text().splitlines()
        todo = next((n for n, line in enumerate(lines, 1) if line.strip().startswith("-- TODO")), None)
        if todo is None and not any(line.strip() and not line.strip().startswith("--") for line in lines):
            found.append(DeclarationProblem(file, 1, "", "is empty (write `-- TODO` to leave it for later)", SQL[stage]))
            continue
        texts[stage] = Blank(file.name, SQL[stage], file, todo) if todo else None
    return texts, found


def _bound(
    parsed: Parsed, case: UseCase, parts: Mapping[str, Any], stages: set[str]
) -> tuple[list[DeclarationProblem], list[str] | None]:
    from sixtyforty.modeling.sql_check import check_sql

    misfit, columns = check_sql(case, parts, stages)
    found = []
    for m in misfit:
        meant = near(m.given, m.allowed) if m.given else ""
        allowed = ", ".join(m.allowed)
        if m.stage:
            file = case.folder / f"{m.stage}.sql"
            found.append(DeclarationProblem(file, m.line, "", m.said, allowed or SQL[m.stage], meant))
        else:
            at = parsed.at(m.field)
            found.append(parsed.wrong(at, m.said, allowed or _why(at).rstrip("."), meant))
    return found, columns or None


def _suites(folder: Path, case: UseCase, features: list[str] | None) -> Iterator[DeclarationProblem]:
    """What is wrong with the suites: one a source, and that of the features."""
    for name in [*case.sources, "features"]:
        file = folder / f"{name}.yaml"
        if not file.exists():
            others = [p.stem for p in folder.glob("*.yaml") if p.stem not in (*case.sources, "features")]
            meant = near(name, others)
            yield DeclarationProblem(file, 1, "", "is missing", f"a suite of rules on {name}", f"{meant}.yaml" if meant else "")
            continue
        suite, written = suites.read(file)
        yield from written
        if suite is None:
            continue
        source = case.sources.get(name)
        columns = [*source.columns, *source.derived] if source else features
        for one in suites.wrongs(suite, columns, {n: s.columns for n, s in case.sources.items()}):
            yield wrong(parse(file), one)  # for the line it stands on
