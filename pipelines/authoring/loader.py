"""Load the declaration of a use case from its YAML, SQL and suites. All other modules load declarations with this one.

The loader reports all problems at once, each with its file, line and field. A declaration with TODO fields becomes a
draft.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from expectations import suite_checks, suites
from pipelines.authoring.purposes import purpose_of
from pipelines.authoring.sql_files import find_sql_files, sql_problems
from sixtyforty.spec.confinement import estimator_packages, location_roots
from sixtyforty.spec.cross_checks import find_conflicts
from sixtyforty.spec.draft import Blank, Draft, PartialUseCase
from sixtyforty.spec.errors import DeclarationError, DeclarationProblem, closest_match
from sixtyforty.spec.field_messages import field_problem, validation_problems
from sixtyforty.spec.project_folders import use_cases_folder
from sixtyforty.spec.use_case import UseCase
from sixtyforty.spec.yaml_positions import ParsedYaml, dotted, parse_yaml

DeclarationState = tuple[tuple[Path, int, int, int], ...]  # path, inode, modification time (ns), size (bytes)
FOLDER = use_cases_folder()
COMPONENT = "pipelines.component.DecisionPipeline"
DAGSTER_FIELDS = ("type", "attributes", "requirements", "template_vars_module", "post_processing")
LOADED_DECLARATIONS = 1024  # kept in memory; the watch and each run look at every declaration
# Without these fields no extract can be imported, so they can't be TODO.
NEEDED_FIRST = ("name", "timezone", "partitions", "sources", "governance")


def list_use_cases(folder: Path | None = None) -> list[str]:
    """Return the names of all use cases declared below a folder, including those with an invalid declaration.

    folder: None stands for the project's folder of use cases.
    """
    return sorted(path.parent.name for path in (folder or FOLDER).glob("*/defs.yaml"))


def declaration_state() -> DeclarationState:
    """Return path, inode, modification time and size of every declaration file, to detect that a file has changed."""
    return _state_of(file for folder in (FOLDER, suites.HERE) for file in sorted(folder.glob("*/*")))


def _state_of(files: Iterable[Path]) -> DeclarationState:
    """Return path, inode, modification time and size of those files that hold parts of a declaration."""
    stats = ((file, file.stat()) for file in files if file.suffix in (".yaml", ".sql"))
    return tuple((file, stat.st_ino, stat.st_mtime_ns, stat.st_size) for file, stat in stats)


def load_declaration(folder: Path, rules: Path | None = None, sql: bool = False) -> UseCase:
    """Load the use case that a folder declares. Return a Draft if its declaration has TODO fields.

    rules: the folder with the suites of all use cases; None stands for the project's folder. sql: also check the SQL
    against the data contract, which takes about a second. Raises DeclarationError with all problems.

    A declaration that was loaded before is returned again until one of its files changes. It is immutable.
    """
    rules = rules or suites.HERE
    if sql:
        return _load(folder, rules, sql)
    state = _state_of(sorted([*folder.glob("*"), *(rules / folder.name).glob("*")]))
    return _load_once(folder, rules, state, (estimator_packages(), location_roots()))


@lru_cache(maxsize=LOADED_DECLARATIONS)
def _load_once(folder: Path, rules: Path, *_: Hashable) -> UseCase:
    """Load a declaration without a check of its SQL. Results are cached.

    _: the state of its files, and the settings that it is checked against. If any of them changes, the declaration is
    loaded again.
    """
    return _load(folder, rules, sql=False)


def _load(folder: Path, rules: Path, sql: bool) -> UseCase:
    document = parse_yaml(folder / "defs.yaml")
    if problems := document.problems or list(_document_problems(document)):
        raise DeclarationError(folder.name, problems)
    parsed = document.below(("attributes",))
    whole, partial, problems = _validate_parts(parsed)
    if "name" in partial.filled_in and partial.name != folder.name:
        message = f"'{partial.name}' differs from the name of the folder"
        problems.append(parsed.problem(["name"], message, folder.name, folder.name))
    sql_files, missing_files = find_sql_files(partial)
    problems += missing_files
    blanks = [*_blank_fields(parsed), *(blank for blank in sql_files.values() if blank)]
    draft = Draft.from_partial(partial, blanks) if {"name", "sources"} <= partial.filled_in else None
    if draft:
        stages = {stage for stage, blank in sql_files.items() if blank is None}
        check_sql = sql and not problems
        problems += _content_problems(parsed, draft, partial, stages, rules / folder.name, check_sql)
    if problems:
        raise DeclarationError(folder.name, problems)
    if blanks and draft:
        return draft
    return whole or UseCase(**parsed.data, folder=folder)  # raises ValidationError: the declaration is invalid


def read_alert_roles(folder: Path) -> dict[str, list[str]]:
    """Return the roles and address variables for alerts of a declaration whose other fields may be invalid.

    Empty if the file isn't YAML, or if the field `alerts` itself is missing or invalid.
    """
    document = parse_yaml(folder / "defs.yaml")
    try:
        roles: dict[str, list[str]] = _adapter("alerts").validate_python(document.data["attributes"]["alerts"])
    except (ValidationError, LookupError, TypeError):
        return {}
    return roles


def _document_problems(document: ParsedYaml) -> Iterator[DeclarationProblem]:
    """Yield the problems of the top-level fields of defs.yaml, which Dagster reads: `type`, `attributes` and others."""
    if not isinstance(document.data, Mapping):
        yield document.problem([], "the file declares nothing", "a mapping with the fields type and attributes")
        return
    for name in document.data:
        if name not in DAGSTER_FIELDS:
            meant = closest_match(name, DAGSTER_FIELDS)
            yield document.problem([name], f"there is no field '{name}'", ", ".join(DAGSTER_FIELDS), meant)
    component = document.data.get("type")
    if component != COMPONENT:
        message = f"'{component}' is not the component of this project" if component else "the field is missing"
        yield document.problem(["type"], message, COMPONENT)
    if not isinstance(document.data.get("attributes"), Mapping):
        yield document.problem(["attributes"], "the declaration is missing", "a mapping with the fields of a use case")


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    """Return the pydantic validator of one field of a use case. Building a validator is slow, so it is cached."""
    field = UseCase.model_fields[name]
    kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    return TypeAdapter(kind)


def _validate_parts(parsed: ParsedYaml) -> tuple[UseCase | None, PartialUseCase, list[DeclarationProblem]]:
    """Validate a declaration. Return the use case (None if invalid), the valid fields without TODO, and problems."""
    whole, problems = None, list[DeclarationProblem]()
    try:
        whole = UseCase(**{str(name): part for name, part in parsed.data.items()}, folder=parsed.file.parent)
        parts = {name: getattr(whole, name) for name in UseCase.model_fields if name != "folder"}
    except ValidationError as error:
        problems = [p for p in validation_problems(parsed, UseCase, error) if p.field != "folder"]
        parts = dict(_valid_parts(parsed))
    for name in NEEDED_FIRST:
        path = next((path for path in parsed.blanks if path[0] == name), None)
        if path:
            message = "the field can't be left blank: without it no extract can be imported"
            problems.append(parsed.problem(path, message, purpose_of(path).rstrip(".")))
    incomplete = {path[0] for path in parsed.blanks}
    complete = {name: part for name, part in parts.items() if name not in incomplete}
    return whole, PartialUseCase.model_construct(**complete, folder=parsed.file.parent), problems


def _valid_parts(parsed: ParsedYaml) -> Iterator[tuple[str, Any]]:
    for name, field in UseCase.model_fields.items():
        if name == "folder":
            continue
        if name in parsed.data:
            try:
                yield name, _adapter(name).validate_python(parsed.data[name])
            except ValidationError:
                continue  # _validate_parts reports this error
        elif not field.is_required():
            yield name, field.get_default(call_default_factory=True)


def _blank_fields(parsed: ParsedYaml) -> Iterator[Blank]:
    for path, line in parsed.blanks.items():
        yield Blank(dotted(path), purpose_of(path), parsed.file, line)


def _content_problems(
    parsed: ParsedYaml, draft: Draft, partial: PartialUseCase, stages: set[str], rules: Path, check_sql: bool
) -> list[DeclarationProblem]:
    """Return the conflicts between fields of a declaration, and the problems of its SQL and its suites."""
    problems = [field_problem(parsed, error) for error in find_conflicts(partial, partial.filled_in)]
    features: list[str] | None = None
    if check_sql and not problems:
        bindable = partial if "people" in partial.filled_in else draft
        problems, features = sql_problems(parsed, bindable, partial.filled_in, stages)
        problems += _estimator_problems(parsed, partial)
    return [*problems, *_suite_problems(rules, draft, features)]


def _estimator_problems(parsed: ParsedYaml, partial: PartialUseCase) -> Iterator[DeclarationProblem]:
    """Yield a problem for each declared estimator that doesn't exist or doesn't suit the outcome."""
    if not {"model", "kpi"} <= partial.filled_in:
        return
    from sixtyforty.modeling.estimator_checks import require_suitable
    from sixtyforty.modeling.skops_files import ModelError

    recipes = {"estimator": partial.model}
    for name in partial.model.alternatives:
        recipes[f"alternatives.{name}.estimator"] = partial.model.with_alternative(name)
    for field, recipe in recipes.items():
        try:
            require_suitable(recipe, partial.kpi)
        except ModelError as error:
            yield parsed.problem(parsed.resolve(["model", *field.split(".")]), str(error).rstrip("."))


def _suite_problems(folder: Path, draft: Draft, features: list[str] | None) -> Iterator[DeclarationProblem]:
    """Yield the problems of a use case's suites of rules: one suite for each source, and one for the features."""
    needed = [*draft.sources, "features"]
    for name in needed:
        file = folder / f"{name}.yaml"
        if not file.exists():
            meant = closest_match(name, [path.stem for path in folder.glob("*.yaml") if path.stem not in needed])
            suggestion = f"{meant}.yaml" if meant else ""
            yield DeclarationProblem(file, 1, "", "the file is missing", f"a suite of rules on {name}", suggestion)
            continue
        suite, problems = suites.read_suite(file)
        yield from problems
        if suite is None:
            continue
        source = draft.sources.get(name)
        unknown_types = dict.fromkeys(source.derived if source else features or [], "")
        columns = source.columns | unknown_types if source else (unknown_types if features is not None else None)
        source_columns = {source_name: list(source.columns) for source_name, source in draft.sources.items()}
        for error in suite_checks.suite_errors(suite, columns, source_columns):
            yield field_problem(parse_yaml(file), error)  # parse the file again to find the field's line
