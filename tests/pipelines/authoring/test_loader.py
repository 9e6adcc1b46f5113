"""Every problem of a declaration is reported with its file, line and field, what is allowed, and what was meant."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from expectations.rules import Suite
from pipelines.authoring import loader
from pipelines.authoring.reference import list_models
from pipelines.component import build_broken_declaration
from sixtyforty.spec.errors import DeclarationError
from sixtyforty.spec.renamed_fields import RENAMED_FIELDS, RENAMED_FILES, RENAMED_VALUES
from sixtyforty.spec.use_case import UseCase
from tests.copies import copy_project, run
from tests.full_declaration import FULL, RULE, SUITE, write
from tests.helpers import merge
from tests.invalid_declarations import (
    DECLARATION_MUTATIONS,
    REMOVED,
    Mutation,
    is_on_its_line,
    load_problems,
    models_in,
    replaced,
)

(OLD_FALLBACK,) = RENAMED_VALUES["Review", "fallback"]


def test_there_are_more_than_400_different_mutations():
    assert len({str(mutation) for mutation in DECLARATION_MUTATIONS}) > 400


def test_the_full_declaration_is_valid(tmp_path: Path):
    loaded = loader.load_declaration(*write(tmp_path), sql=True)
    assert loaded.model_dump() == UseCase(**FULL, folder=tmp_path).model_dump()


@pytest.mark.parametrize("mutation", DECLARATION_MUTATIONS, ids=str)
def test_each_invalid_field_is_reported_once_at_its_line(mutation: Mutation, tmp_path: Path):
    path = mutation.path
    folder, rules = write(tmp_path, replaced(FULL, path, mutation.replacement, mutation.kind))
    problems = load_problems(folder, rules)
    field = ".".join(map(str, path))
    (problem,) = [p for p in problems if p.field == field]
    assert problem.file == folder / "defs.yaml"
    assert is_on_its_line(problem, path), str(problem)
    assert problem.allowed, str(problem)
    if mutation.kind == "misspelt":
        assert problem.suggestion == path[-1][:-1], str(problem)
        missing = [p.field.split(".")[-1] for p in problems if p is not problem]
        assert path[-1][:-1] not in missing, "the field that was meant is not reported as missing too"
    if mutation.kind == "nearly":
        assert problem.suggestion, str(problem)
    if mutation.kind == "missing":
        assert problem.message == "the field is missing"
    others = [p for p in problems if p is not problem]
    assert all(p.field.split(".")[0] != path[0] or len(path) == 1 for p in others), [str(p) for p in others]


@pytest.mark.parametrize("sql", [False, True], ids=["every load", "dg check defs"])
def test_a_declaration_that_leaves_its_confines_is_reported_at_its_lines(tmp_path: Path, sql: bool):
    attack = merge(FULL, {"model": {"estimator": "subprocess.check_output"}})
    attack = replaced(attack, ("model", "alternatives", "plain", "estimator"), "os.system")
    folder, rules = write(tmp_path / "estimators", attack)
    problems = {problem.field: problem for problem in load_problems(folder, rules, sql)}
    for path in (("model", "estimator"), ("model", "alternatives", "plain", "estimator")):
        problem = problems[".".join(path)]
        assert "is not in a package that estimators may come from" in problem.message
        assert problem.file == folder / "defs.yaml" and is_on_its_line(problem, path), str(problem)
    for number, location in enumerate(("file:///etc", "http://169.254.169.254/x", "http://[::ffff:a9fe:a9fe]/x")):
        attack = merge(FULL, {"sources": {"calls": {"location": location}}})
        folder, rules = write(tmp_path / str(number), attack)
        (problem,) = load_problems(folder, rules, sql)
        assert problem.field == "sources.calls.location" and is_on_its_line(problem, ("location",)), str(problem)


REFERENCES: list[tuple[dict[str, Any], str, str]] = [
    ({"decision": {"unit_source": "cals"}}, "decision.unit_source", "calls"),
    ({"decision": {"key": ["idd"]}}, "decision.key", "id"),
    ({"sources": {"calls": {"key": ["idd"]}}}, "sources.calls.key", "id"),
    ({"sources": {"calls": {"personal": ["sight"]}}}, "sources.calls.personal", "site"),
    ({"people": {"responses": "response"}}, "people.responses", "responses"),
    ({"people": {"review": {"rule": "guts"}}}, "people.review.rule", "gut"),
    ({"model": {"vetoes": {"calm": {"never": "acts"}}}}, "model.vetoes.calm.never", "act"),
    ({"sourcing": {"vendors": {"bougth": {"per_month": 1}}}}, "sourcing.vendors", "bought"),
    ({"kpi": {"holdout": {"cluster_by": ["sites"]}}}, "kpi.holdout.cluster_by", "site"),
    ({"timezone": "America/New_Yrok"}, "timezone", "America/New_York"),
    ({"sources": {"calls": {"columns": {"id": "INTEGR"}}}}, "sources.calls.columns.id", "INTEGER"),
    ({"sources": {"calls": {"derived": {"busy": "lod > 1"}}}}, "sources.calls.derived.busy", "load"),
    ({"sources": {"calls": {"partition": "local(call_huor)::date"}}}, "sources.calls.partition", "call_hour"),
    ({"sources": {"visits": {"known_at": "seen"}}}, "sources.visits.known_at", "seen_at"),
    ({"decision": {"decided_at": "call_hur"}}, "decision.decided_at", "call_hour"),
    ({"model": {"categorical": ["sight"]}}, "model.categorical", "site"),
    ({"model": {"monotone_constraints": {"lod": 1}}}, "model.monotone_constraints", "load"),
    ({"model": {"reasons": {"lod": "{value}"}}}, "model.reasons", "load"),
    ({"model": {"vetoes": {"calm": {"when": "lod < 1"}}}}, "model.vetoes.calm.when", "load"),
    ({"kpi": {"actions": {"act": {"gain": "lod"}}}}, "kpi.actions.act.gain", "load"),
    ({"kpi": {"holdout": {"covariate": "lod"}}}, "kpi.holdout.covariate", "load"),
    ({"model": {"target": "lod"}}, "model.target", "load"),
    ({"kpi": {"candidates": {"gut": {"action": "lod"}}}}, "kpi.candidates.gut.action", "load"),
    ({"name": "calls_in_tiem"}, "name", "calls_in_time"),
]


@pytest.mark.parametrize(("changes", "field", "meant"), REFERENCES, ids=[row[1] for row in REFERENCES])
def test_a_reference_to_a_missing_thing_suggests_what_was_meant(changes, field, meant, tmp_path: Path):
    folder, rules = write(tmp_path, merge(FULL, changes))
    problems = load_problems(folder, rules, sql=True)
    assert [(p.field, p.suggestion) for p in problems] == [(field, meant)], [str(p) for p in problems]
    assert is_on_its_line(problems[0], tuple(field.split("."))) and problems[0].allowed


CONFLICTS: list[tuple[dict[str, Any], str]] = [
    ({"decision": {"every_partitions": 4}}, "decision.every_partitions"),
    ({"partitions": {"every": "month", "start": "2013-03-02"}}, "partitions.start"),
    ({"kpi": {"measurement": "exact"}}, "kpi.holdout.value_per_outcome"),
    ({"model": {"monotone_constraints": {"site": 1}}}, "model.monotone_constraints"),
    ({"model": {"reasons": {"load": "busy"}}}, "model.reasons.load"),
    ({"sources": {"responses": {"cursor_column": None}}}, "sources.responses.query"),
    ({"automation": {"rollout": {"cluster_by": ["site"]}}}, "automation.rollout.cluster_by"),
    ({"automation": {"rollout": {"holdout_share": 0.01}}}, "automation.rollout.holdout_share"),
    ({"sources": {"visits": {"known_at": None}}}, "sources.visits"),
    ({"replay": {"first_day": "2014-01-01"}}, "replay.first_day"),
]


@pytest.mark.parametrize(("changes", "field"), CONFLICTS, ids=[row[1] for row in CONFLICTS])
def test_a_conflict_between_fields_is_reported_at_its_line(changes, field, tmp_path: Path):
    problems = load_problems(*write(tmp_path, merge(FULL, changes)))
    assert [p.field for p in problems] == [field], [str(p) for p in problems]
    assert is_on_its_line(problems[0], tuple(field.split(".")))


def test_all_problems_of_all_files_are_reported_at_once(tmp_path: Path):
    changes = {
        "titel": "x",
        "kpi": {"measurement": "exakt"},
        "decision": {"unit_source": "cals"},
        "gate": {"confidence": 2},
    }
    declared = merge(FULL, changes)
    del declared["title"]
    folder, rules = write(tmp_path, declared, suite=merge(SUITE, {"rows": [RULE | {"severity": "critcal"}]}))
    (folder / "outcomes.sql").unlink()
    problems = [(p.file.name, p.field, p.suggestion) for p in load_problems(folder, rules)]
    assert sorted(problems) == sorted(
        [
            ("defs.yaml", "titel", "title"),
            ("defs.yaml", "decision.unit_source", "calls"),
            ("defs.yaml", "kpi.measurement", "exact"),
            ("defs.yaml", "gate.confidence", ""),
            ("outcomes.sql", "", ""),
            ("calls.yaml", "rows.0.severity", "critical"),
        ]
    )


# Names of version 0.1

ALL_MODELS = {model.__name__: model for root in (UseCase, Suite) for _, model in list_models(root)}
PATHS = {model.__name__: path for path, model, _ in models_in(UseCase, FULL)}
RENAMED = [
    (model, old_name, new_name)
    for model, names in RENAMED_FIELDS.items()
    for old_name, new_name in names.items()
    if model in PATHS
]


@pytest.mark.parametrize("model", RENAMED_FIELDS)
def test_the_table_of_renamed_fields_names_fields_that_exist(model: str):
    fields = ALL_MODELS[model].model_fields.keys()
    assert set(RENAMED_FIELDS[model].values()) <= fields
    assert not set(RENAMED_FIELDS[model]) & fields, "an old name is still a field"


def test_nearly_all_renamed_fields_are_in_the_full_declaration():
    assert set(RENAMED_FIELDS) - set(PATHS) == {"Amount", "Treatment", "Suite", "Rule"}


@pytest.mark.parametrize(("model", "old_name", "new_name"), RENAMED)
def test_an_old_field_gives_an_error_that_names_the_new_one(model, old_name, new_name, tmp_path: Path):
    path = PATHS[model]
    parent: Any = FULL
    for step in path:
        parent = parent[step]
    declared = replaced(FULL, (*path, old_name), parent.get(new_name, 1))
    if new_name in parent:
        declared = replaced(declared, (*path, new_name), REMOVED)
    problems = load_problems(*write(tmp_path, declared))
    field = ".".join(map(str, (*path, old_name)))
    (problem,) = [p for p in problems if p.field == field]
    assert problem.message == f"{old_name} was renamed to {new_name}"
    assert is_on_its_line(problem, (*path, old_name))
    new_field = ".".join(map(str, (*path, new_name)))
    assert new_field not in [p.field for p in problems], "the new field is not reported as missing too"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kpi": {"outcome_type": "yes_no"}}, "'yes_no' was renamed to binary"),
        ({"people": {"review": {"fallback": OLD_FALLBACK}}}, f"'{OLD_FALLBACK}' was renamed to current_process"),
    ],
)
def test_an_old_value_gives_an_error_that_names_the_new_one(changes, message, tmp_path: Path):
    assert [p.message for p in load_problems(*write(tmp_path, merge(FULL, changes)))] == [message]


def test_the_old_names_in_a_suite_give_errors_that_name_the_new_ones(tmp_path: Path):
    suite = {"about": "For a test.", "rows": [RULE | {"at": "close"}, RULE | {"applies": "close"}]}
    messages = {p.field: p.message for p in load_problems(*write(tmp_path, suite=suite))}
    assert messages == {
        "about": "about was renamed to description",
        "rows.0.at": "at was renamed to applies",
        "rows.1.applies": "'close' was renamed to after_close",
    }


def test_the_old_sql_file_gives_an_error_that_names_the_new_one(tmp_path: Path):
    folder, rules = write(tmp_path)
    (old_name,) = RENAMED_FILES
    (folder / "current_process.sql").rename(folder / old_name)
    (problem,) = load_problems(folder, rules)
    assert problem.message == f"the file is missing; {old_name} was renamed to current_process.sql"


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("select _partition, starts_at from moments", "moments was renamed to decision_partitions"),
        ("select _partition, starts from decision_partitions", "starts was renamed to starts_at"),
    ],
)
def test_an_old_name_in_sql_gives_an_error_that_names_the_new_one(sql, message, tmp_path: Path):
    folder, rules = write(tmp_path, merge(FULL, {"decision": {"unit_source": None, "decided_at": "starts_at"}}))
    (folder / "units.sql").write_text(sql)
    assert [p.message for p in load_problems(folder, rules, sql=True) if p.file.name == "units.sql"] == [message]


# In Dagster


def test_a_broken_declaration_becomes_an_asset_that_shows_the_problems(tmp_path: Path):
    with pytest.raises(DeclarationError) as error:
        loader.load_declaration(*write(tmp_path, merge(FULL, {"titel": "x"})))
    (spec,) = build_broken_declaration("calls_in_time", error.value).assets or []
    assert "titel: there is no field 'titel'" in spec.description  # type: ignore[union-attr]


@pytest.mark.e2e
def test_dagster_commands_report_the_same_problem_and_the_other_use_cases_still_load(tmp_path: Path):
    project = copy_project(tmp_path)
    use_cases = project / "pipelines" / "use_cases"
    (valid,) = [p for p in use_cases.iterdir() if (p / "defs.yaml").exists()][:1]
    folder, rules = write(tmp_path / "elsewhere", merge(FULL, {"kpi": {"measurement": "exakt"}}))
    line = folder.joinpath("defs.yaml").read_text().split("measurement: exakt")[0].count("\n") + 1
    message = (
        f"defs.yaml:{line}: kpi.measurement: 'exakt' is not valid here. Did you mean 'exact'? Allowed: one of exact,"
    )
    folder.rename(use_cases / folder.name)
    (rules / folder.name).rename(project / "expectations" / folder.name)
    checks = [["dg", "check", "defs"], ["dagster", "definitions", "validate", "-w", "workspace.yaml"]]
    for command in [*checks, ["sixtyforty", "impact", folder.name]]:
        process = run(project, *command)
        output = process.stdout + process.stderr
        assert process.returncode == 1, output
        assert message in output
        assert "Traceback" not in output and "Stack Trace" not in output
    listed = run(project, "dg", "list", "defs", "--json")
    keys = {asset["asset_key"] for asset in json.loads(listed.stdout[listed.stdout.index("{") :])["assets"]}
    assert f"{folder.name}/declaration" in keys and f"{valid.name}/decisions" in keys


@pytest.mark.parametrize(
    ("arguments", "field", "message"),
    [
        ({"column": "call_hour", "min_value": 20240310}, "kwargs.min_value", "can't be compared with a column of type"),
        ({"column": "call_hour", "max_value": "10.03.2024"}, "kwargs.max_value", "write a date, such as 2024-03-10"),
        ({"column": "load", "min_value": 0, "row_condition": "sight == 'north'"}, "kwargs.row_condition", "no column"),
        (
            {"column": "load", "min_value": 0, "row_condition": "site = 'n'"},
            "kwargs.row_condition",
            "pandas expression",
        ),
        ({"column": "site", "min_value": 0}, "kwargs.column", "compares only numbers, dates and times"),
    ],
)
def test_a_rule_that_does_not_fit_its_column_is_reported_at_its_line(
    arguments: dict[str, Any], field: str, message: str, tmp_path: Path
):
    sound = {"column": "call_hour", "min_value": date(2024, 3, 10), "row_condition": "site == 'north'"}
    between = RULE | {"type": "expect_column_values_to_be_between"}
    suite = SUITE | {"rows": [between | {"kwargs": sound}, between | {"kwargs": arguments}]}
    (problem,) = load_problems(*write(tmp_path, suite=suite))
    assert problem.file.name == "calls.yaml"
    assert problem.field == f"rows.1.{field}"
    assert message in problem.message
    line = problem.file.read_text().splitlines()[problem.line - 1]
    assert field.split(".")[-1] in line


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"estimator": "sklearn.svm.LinearSVC"}, "model.estimator", "predicts no probabilities"),
        (
            {"alternatives": {"linear": {"description": "x", "estimator": "sklearn.linear_model.Logistic"}}},
            "model.alternatives.linear.estimator",
            "doesn't exist",
        ),
        ({"categorical": []}, "model.categorical", "the feature 'site' is text; list it in model.categorical"),
    ],
)
def test_a_model_that_cannot_learn_is_reported_at_its_line(
    changes: dict[str, Any], field: str, message: str, tmp_path: Path
):
    declared = merge(FULL, {"model": changes})
    declared["model"]["params"] = {}
    (problem,) = load_problems(*write(tmp_path, declared), sql=True)
    assert (problem.file.name, problem.field) == ("defs.yaml", field)
    assert message in problem.message
    assert is_on_its_line(problem, tuple(field.split(".")))


def test_an_unchanged_declaration_is_loaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, rules = write(tmp_path / "use_cases")
    loaded = loader.load_declaration(folder, rules)
    assert loader.load_declaration(folder, rules) is loaded
    (folder / "features.sql").write_text((folder / "features.sql").read_text() + "-- edited\n")
    assert loader.load_declaration(folder, rules) is not loaded
    suite = next((rules / folder.name).glob("*.yaml"))
    suite.rename(suite.with_suffix(".yml"))
    with pytest.raises(DeclarationError, match="the file is missing"):
        loader.load_declaration(folder, rules)
