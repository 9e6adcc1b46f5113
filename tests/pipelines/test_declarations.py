"""Every mistake in a declaration is told with its file, line and field, what is allowed, and what was meant."""

from __future__ import annotations

import copy
import json
import types
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import pytest
from pydantic import BaseModel

from expectations.rules import ALWAYS, RULES
from pipelines import declarations
from pipelines.component import chain, stand_in
from sixtyforty.draft import Draft, StillBlank
from sixtyforty.fields import bare, inner, model_of, spelt
from sixtyforty.mistakes import Mistake, Mistakes
from sixtyforty.use_case import UseCase
from tests.copies import copy_project, run
from tests.declared import FULL, RULE, SUITE, dump, write
from tests.helpers import SQL, merged

At = tuple[Any, ...]
Case = tuple[str, At, Any]  # the way it is wrong, where, and the value put there; GONE: nothing is
GONE = object()


def models(kind: Any, data: Any, at: At = ()) -> Iterator[tuple[At, type[BaseModel], dict[str, Any]]]:
    """Every model within a declaration, with where it is."""
    model = model_of(kind)
    if model:
        yield at, model, data
    steps = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, value in steps:
        below = inner(kind, step)
        if below is not None:
            yield from models(below, value, (*at, step))


def misfitting(kind: Any) -> Any:
    """A value that is none of the type's."""
    kind = bare(kind)[0]
    if get_origin(kind) is Literal:
        return "zzz"
    if kind is str or get_origin(kind) in (Union, types.UnionType):
        return {"a": "mapping"}
    if kind in (int, float, bool, date):
        return "christmas"
    return "text" if kind is not Any else None


def ways(kind: Any, data: Any) -> Iterator[Case]:
    """Each field of each model wrong in each way its type allows."""
    for at, model, here in models(kind, data):
        yield "unknown", (*at, "colour"), "blue"
        for name in spelt(model):
            field, path = model.model_fields[name], (*at, name)
            plain, extra = bare(field.annotation)
            metadata = [*field.metadata, *extra]
            wrong = misfitting(field.annotation)
            if wrong is not None:
                yield "type", path, wrong
            if field.is_required() and bare(field.annotation)[0] is field.annotation:
                yield "empty", path, None
            if field.is_required():
                yield "missing", path, GONE
            if name in here:
                yield "misspelt", (*at, name + name[-1]), here[name]
            if get_origin(plain) is Literal and isinstance(get_args(plain)[0], str):
                yield "nearly", path, get_args(plain)[0][:-1] + "x"
            for m in metadata:
                for bound, off in (("ge", -1), ("gt", 0), ("le", 1), ("lt", 0)):
                    if hasattr(m, bound):
                        yield "range", path, getattr(m, bound) + off
                if getattr(m, "pattern", None):
                    yield "pattern", path, "Not A-Name!"
                if hasattr(m, "min_length"):
                    yield "empty", path, get_origin(plain)()


def spoilt(data: dict[str, Any], at: At, value: Any, way: str) -> dict[str, Any]:
    """A copy with something else at a path."""
    found = copy.deepcopy(data)
    here: Any = found
    for step in at[:-1]:
        here = here[step]
    if way == "misspelt":
        del here[at[-1][:-1]]
    if value is GONE:
        del here[at[-1]]
    else:
        here[at[-1]] = value
    return found


def refused(place: Path, rules: Path, sql: bool = False) -> list[Mistake]:
    with pytest.raises(Mistakes) as told:
        declarations.load(place, rules, sql)
    assert "Traceback" not in str(told.value) and "pydantic" not in str(told.value)
    assert str(told.value).count("\n") == len(told.value.found), "a line each"
    return told.value.found


def at_its_line(m: Mistake, at: At) -> bool:
    """Whether the line told is that of the field, or of what it should stand in."""
    line = m.file.read_text().splitlines()[m.line - 1].strip().lstrip("- ")
    steps = [step for step in at[-2:] if isinstance(step, str)]
    return any(line.startswith((f"{s}:", f"'{s}':")) for s in steps) or len(at) == 1 or isinstance(at[-2], int)


DECLARATION_WAYS = list(ways(UseCase, FULL))


def named(case: Case) -> str:
    return f"{case[0]} {'.'.join(map(str, case[1]))}"


def test_there_are_enough_ways_to_be_wrong():
    assert len(DECLARATION_WAYS) > 400
    assert len({named(c) for c in DECLARATION_WAYS}) > 400


def test_the_declaration_that_is_spoilt_is_sound(tmp_path: Path):
    assert declarations.load(*write(tmp_path), sql=True).model_dump() == UseCase(**FULL, folder=tmp_path).model_dump()


@pytest.mark.parametrize("case", DECLARATION_WAYS, ids=named)
def test_each_field_wrong_in_each_way_is_told(case: Case, tmp_path: Path):
    way, at, value = case
    place, rules = write(tmp_path, spoilt(FULL, at, value, way))
    found = refused(place, rules)
    field = ".".join(map(str, at))
    mine = [m for m in found if m.field == field]
    assert len(mine) == 1, [str(m) for m in found]
    (m,) = mine
    assert m.file == place / "defs.yaml"
    assert at_its_line(m, at), str(m)
    assert m.allowed, str(m)
    if way == "misspelt":
        assert m.suggestion == at[-1][:-1], str(m)
        assert len(found) == 1 or at[-1][:-1] not in [f.field.split(".")[-1] for f in found], "told once"
    if way == "nearly":
        assert m.suggestion, str(m)
    if way == "missing":
        assert m.said == "is missing"
    others = [f for f in found if f is not m]
    assert all(f.field.split(".")[0] != at[0] or len(at) == 1 for f in others), [str(f) for f in others]


REFERENCES: list[tuple[dict[str, Any], str, str]] = [
    ({"decision": {"unit": "cals"}}, "decision.unit", "calls"),
    ({"decision": {"key": ["idd"]}}, "decision.key", "id"),
    ({"sources": {"calls": {"key": ["idd"]}}}, "sources.calls.key", "id"),
    ({"sources": {"calls": {"personal": ["sight"]}}}, "sources.calls.personal", "site"),
    ({"people": {"responses": "response"}}, "people.responses", "responses"),
    ({"people": {"review": {"rule": "guts"}}}, "people.review.rule", "gut"),
    ({"model": {"vetoes": {"calm": {"never": "acts"}}}}, "model.vetoes.calm.never", "act"),
    ({"sourcing": {"vendors": {"bougth": {"per_month": 1}}}}, "sourcing.vendors", "bought"),
    ({"kpi": {"holdout": {"by": ["sites"]}}}, "kpi.holdout.by", "site"),
    ({"timezone": "America/New_Yrok"}, "timezone", "America/New_York"),
    ({"sources": {"calls": {"columns": {"id": "INTEGR"}}}}, "sources.calls.columns.id", "INTEGER"),
    ({"sources": {"calls": {"derived": {"busy": "lod > 1"}}}}, "sources.calls.derived.busy", "load"),
    ({"sources": {"calls": {"partition": "local(call_huor)::date"}}}, "sources.calls.partition", "call_hour"),
    ({"sources": {"visits": {"known_at": "seen"}}}, "sources.visits.known_at", "seen_at"),
    ({"decision": {"decided_at": "call_hur"}}, "decision.decided_at", "call_hour"),
    ({"model": {"categorical": ["sight"]}}, "model.categorical", "site"),
    ({"model": {"monotone": {"lod": 1}}}, "model.monotone", "load"),
    ({"model": {"words": {"lod": "{value}"}}}, "model.words", "load"),
    ({"model": {"vetoes": {"calm": {"when": "lod < 1"}}}}, "model.vetoes.calm.when", "load"),
    ({"kpi": {"actions": {"act": {"gain": "lod"}}}}, "kpi.actions.act.gain", "load"),
    ({"kpi": {"holdout": {"covariate": "lod"}}}, "kpi.holdout.covariate", "load"),
    ({"model": {"target": "lod"}}, "model.target", "load"),
    ({"kpi": {"candidates": {"gut": {"action": "lod"}}}}, "kpi.candidates.gut.action", "load"),
    ({"name": "calls_in_tiem"}, "name", "calls_in_time"),
]


@pytest.mark.parametrize(("changes", "field", "meant"), REFERENCES, ids=[r[1] for r in REFERENCES])
def test_what_names_something_that_is_not_there_is_told_with_what_was_meant(changes, field, meant, tmp_path: Path):
    place, rules = write(tmp_path, merged(FULL, changes))
    found = refused(place, rules, sql=True)
    assert [(m.field, m.suggestion) for m in found] == [(field, meant)], [str(m) for m in found]
    assert at_its_line(found[0], tuple(field.split("."))) and found[0].allowed


def test_a_contradiction_is_told_where_it_is(tmp_path: Path):
    """Those of validators that name their field in words only."""
    for n, (changes, field) in enumerate([
        ({"decision": {"every": 4}}, "decision.every"),
        ({"partitions": {"every": "month", "start": "2013-03-02"}}, "partitions.start"),
        ({"kpi": {"label": "exact"}}, "kpi.label"),
        ({"model": {"monotone": {"site": 1}}}, "model.monotone"),
        ({"model": {"words": {"load": "busy"}}}, "model.words.load"),
        ({"sources": {"responses": {"since": None}}}, "sources.responses.query"),
        ({"automation": {"rollout": {"by": ["site"]}}}, "automation.rollout.by"),
        ({"automation": {"rollout": {"holdout": 0.01}}}, "automation.rollout.holdout"),
        ({"sources": {"visits": {"known_at": None}}}, "sources.visits"),
    ]):  # fmt: skip
        found = refused(*write(tmp_path / str(n), merged(FULL, changes)))
        assert [m.field for m in found] == [field], [str(m) for m in found]
        assert at_its_line(found[0], tuple(field.split(".")))


def test_all_mistakes_of_all_files_are_told_at_once(tmp_path: Path):
    changes = {"titel": "x", "kpi": {"label": "exakt"}, "decision": {"unit": "cals"}, "gate": {"confidence": 2}}
    declared = merged(FULL, changes)
    del declared["title"]
    place, rules = write(tmp_path, declared, suite=merged(SUITE, {"rows": [RULE | {"severity": "critcal"}]}))
    (place / "outcomes.sql").unlink()
    told = [(m.file.name, m.field, m.suggestion) for m in refused(place, rules)]
    assert sorted(told) == sorted(
        [
            ("defs.yaml", "titel", "title"),
            ("defs.yaml", "decision.unit", "calls"),
            ("defs.yaml", "kpi.label", "exact"),
            ("defs.yaml", "gate.confidence", ""),
            ("outcomes.sql", "", ""),
            ("calls.yaml", "rows.0.severity", "critical"),
        ]
    )


# Files that can't be read as what they are


@pytest.mark.parametrize(
    ("text", "line"),
    [("type: [", 1), ("type: x\n\tattributes: y", 2), ("a: b: c", 1), ("- a\nb", 2), ("", 1), ("text", 1), ("[]", 1),
     ("attributes: {}", 1), ("type: pipelines.component.DecisionPipeline\nattributes:\n", 2), ("type: x\ntype: y", 2),
     ("a: !!python/object:os.system {}", 1), ("a: *b", 1), ('a: "open', 1), ("a: 2013-99-99", 1)],
)  # fmt: skip
def test_what_is_no_declaration_is_told(text: str, line: int, tmp_path: Path):
    place, rules = write(tmp_path)
    (place / "defs.yaml").write_text(text)
    found = refused(place, rules)
    assert found[0].file == place / "defs.yaml" and abs(found[0].line - line) <= 1 and found[0].allowed


def test_bytes_that_are_no_text_are_told(tmp_path: Path):
    place, rules = write(tmp_path)
    (place / "defs.yaml").write_bytes(b"type: \xff\xfe")
    assert "isn't YAML" in refused(place, rules)[0].said


@pytest.mark.parametrize("word", ["on", "off", "yes", "no"])
def test_words_stay_words(word: str, tmp_path: Path):
    place, rules = write(tmp_path)
    file = place / "defs.yaml"
    file.write_text(file.read_text().replace("title: Fitters in time", f"title: {word}"))
    assert declarations.load(place, rules).title == word


def test_the_field_on_is_a_field(tmp_path: Path):
    place, rules = write(tmp_path, merged(FULL, {"decision": {"every": 4}}))
    file = place / "defs.yaml"
    file.write_text(file.read_text().replace("  decision:\n", "  decision:\n    on: 2013-03-05\n"))
    assert declarations.load(place, rules).decision.on == date(2013, 3, 5)


# SQL


@pytest.mark.parametrize("stage", SQL)
@pytest.mark.parametrize(
    ("text", "line", "meant"),
    [(None, 1, ""), ("", 1, ""), ("-- only words", 1, ""), ("selec 1", 1, ""), ("select id,\nfrom (", 2, ""),
     ("select id,\n  lod\nfrom units", 2, "load"), ("select id\nfrom unitz", 2, "units"),
     ("select site from units", 1, ""), ("drop table units", 1, ""), ("select 1; select 2", 1, "")],
)  # fmt: skip
def test_sql_that_cannot_run_is_told_with_its_line(stage, text, line, meant, tmp_path: Path):
    place, rules = write(tmp_path)
    file = place / f"{stage}.sql"
    if text is None:
        file.unlink()
    else:
        file.write_text(text)
    found = [m for m in refused(place, rules, sql=True) if m.file == file]
    assert found and found[0].line == line, [str(m) for m in found]
    assert found[0].allowed and found[0].suggestion == meant, str(found[0])


def test_a_file_under_another_name_is_suggested(tmp_path: Path):
    place, rules = write(tmp_path)
    (place / "outcomes.sql").rename(place / "outcome.sql")
    (rules / place.name / "calls.yaml").rename(rules / place.name / "cals.yaml")
    found = {m.file.name: m.suggestion for m in refused(place, rules)}
    assert found == {"outcomes.sql": "outcome.sql", "calls.yaml": "cals.yaml"}


# Suites


SUITE_WAYS: list[tuple[dict[str, Any], str, str]] = [
    ({"abuot": "x"}, "abuot", "about"),
    ({"about": None}, "about", ""),
    ({"rows": "none"}, "rows", "[none]"),
    ({"rows": [RULE | {"type": "expect_column_values_to_not_be_nul"}]}, "rows.0.type", RULE["type"]),
    ({"rows": [RULE | {"type": "our_own_rule"}]}, "rows.0.type", ""),
    ({"rows": [RULE | {"severity": "critcal"}]}, "rows.0.severity", "critical"),
    ({"rows": [RULE | {"kwargs": {"column": "idd"}}]}, "rows.0.kwargs.column", "id"),
    ({"rows": [RULE | {"kwargs": {"colum": "id"}}]}, "rows.0.kwargs.colum", "column"),
    ({"rows": [RULE | {"kwargs": {}}]}, "rows.0.kwargs", ""),
    ({"rows": [RULE | {"at": "closed"}]}, "rows.0.at", "close"),
    ({"rows": [{k: v for k, v in RULE.items() if k != "why"}]}, "rows.0.why", ""),
    ({"rows": [RULE, RULE | {"why": "TODO"}]}, "rows.1.why", ""),
    ({"rows": [RULE | {"type": "expect_column_values_to_be_in_set",
                       "kwargs": {"column": "site", "value_set": {"source": "site", "column": "site"}}}]},
     "rows.0.kwargs.value_set", "sites"),
    ({"rows": [RULE | {"type": "expect_column_values_to_be_in_set",
                       "kwargs": {"column": "site", "value_set": {"source": "sites", "column": "sight"}}}]},
     "rows.0.kwargs.value_set", "site"),
    ({"partition": {"metrics": {"row": "count(*)"}, "rules": SUITE["partition"]["rules"]}},
     "partition.rules.0.kwargs.column", "row"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "field", "meant"), SUITE_WAYS, ids=[w[1] for w in SUITE_WAYS])
def test_a_suite_that_is_wrong_is_told(changes, field, meant, tmp_path: Path):
    suite = {k: v for k, v in (SUITE | changes).items() if not (k == "about" and "abuot" in changes)}
    place, rules = write(tmp_path, suite=suite)
    found = [m for m in refused(place, rules) if m.file == rules / place.name / "calls.yaml"]
    assert [(m.field, m.suggestion) for m in found] == [(field, meant)], [str(m) for m in found]
    assert found[0].allowed and found[0].line > 0


def test_a_rule_on_no_feature_is_told_once_the_features_are_known(tmp_path: Path):
    place, rules = write(tmp_path)
    suite = {"about": "x", "rows": [RULE | {"kwargs": {"column": "lod"}}]}
    (rules / place.name / "features.yaml").write_text(dump(suite))
    declarations.load(place, rules)
    assert [(m.field, m.suggestion) for m in refused(place, rules, sql=True)] == [("rows.0.kwargs.column", "load")]


def test_the_rules_we_know_are_great_expectations_own():
    import great_expectations.expectations.core  # noqa: F401  (registers them)
    from great_expectations.expectations import expectation as gx
    from great_expectations.expectations.registry import (
        get_expectation_impl,
        list_registered_expectation_implementations,
    )

    kinds = gx.ColumnMapExpectation, gx.ColumnPairMapExpectation, gx.MulticolumnMapExpectation
    own = {"id", "meta", "notes", "result_format", "description", "catch_exceptions", "rendered_content", "severity",
           "windows", "batch_id", "library_metadata", *ALWAYS}  # fmt: skip
    found = {}
    for name in list_registered_expectation_implementations():
        rule: Any = get_expectation_impl(name)
        if issubclass(rule, kinds):
            fields = {k: f for k, f in rule.__fields__.items() if k not in own}
            found[name] = " ".join(k + "!" * bool(f.required) for k, f in fields.items())
    assert found == RULES


# Drafts


def blanked(data: dict[str, Any], *paths: str) -> dict[str, Any]:
    for path in paths:
        data = spoilt(data, tuple(path.split(".")), "TODO", "blank")
    return data


@pytest.mark.parametrize(
    "at", [a for way, a, _ in DECLARATION_WAYS if way == "missing" and a[0] not in declarations.FIRST]
)
def test_whatever_may_wait_makes_a_draft_that_says_what_it_is_for(at: At, tmp_path: Path):
    found = declarations.load(*write(tmp_path, spoilt(FULL, at, "TODO", "blank")), sql=True)
    assert isinstance(found, Draft)
    (blank,) = found.missing
    assert blank.what == ".".join(map(str, at)) and len(blank.why) > 10
    assert "TODO" in blank.file.read_text().splitlines()[blank.line - 1]


def test_a_draft_is_its_sources_and_reading_what_is_blank_says_what_to_fill_in(tmp_path: Path):
    place, rules = write(tmp_path, blanked(FULL, "kpi", "model.estimator", "owner", "title"))
    (place / "features.sql").write_text("-- TODO\nselect 1")
    draft = declarations.load(place, rules)
    assert isinstance(draft, Draft)
    assert [b.what for b in draft.missing] == ["title", "owner", "kpi", "model.estimator", "features.sql"]
    assert list(draft.inputs) == ["calls", "visits", "sites"]
    for part in ("kpi", "model"):
        with pytest.raises(StillBlank, match=rf"calls_in_time is a draft: fill in {part}.*defs.yaml:\d+"):
            getattr(draft, part)


def test_a_drafts_mistakes_are_mistakes(tmp_path: Path):
    declared = blanked(merged(FULL, {"decision": {"unit": "cals"}, "gate": {"margin": "much"}}), "kpi")
    assert {m.field for m in refused(*write(tmp_path, declared))} == {"decision.unit", "gate.margin"}


@pytest.mark.parametrize("name", ["name", "timezone", "partitions.start", "sources"])
def test_what_even_a_draft_needs_cannot_wait(name: str, tmp_path: Path):
    found = refused(*write(tmp_path, blanked(FULL, name)))
    assert [m.field for m in found] == [name]
    assert "can't be left for later" in found[0].said


def test_a_drafts_chain_is_raw_validated_and_what_looks_at_them(tmp_path: Path, monkeypatch):
    place, rules = write(tmp_path, blanked(FULL, "kpi"))
    draft = declarations.load(place, rules)
    monkeypatch.setattr("expectations.suites.HERE", rules)
    found = chain(draft)
    keys = {"/".join(k.path[1:]) for a in found.assets or [] for k in a.keys}  # type: ignore[union-attr]
    assert {k.split("/")[0] for k in keys} <= {"raw", "validated", "data_docs", "current_state"}
    assert {f"raw/{s}" for s in draft.sources} | {f"validated/{s}" for s in draft.sources} <= keys
    assert not found.sensors and not found.schedules


# As Dagster shows them


def test_a_broken_declaration_stands_in_for_itself(tmp_path: Path):
    with pytest.raises(Mistakes) as told:
        declarations.load(*write(tmp_path, merged(FULL, {"titel": "x"})))
    (spec,) = stand_in("calls_in_time", told.value).assets or []
    assert "titel: there is no such field" in spec.description  # type: ignore[union-attr]


@pytest.mark.e2e
def test_dagsters_commands_tell_the_same_and_what_runs_goes_on_with_the_others(tmp_path: Path):
    project = copy_project(tmp_path)
    use_cases = project / "pipelines" / "use_cases"
    (sound,) = [p for p in use_cases.iterdir() if (p / "defs.yaml").exists()][:1]
    place, rules = write(tmp_path / "elsewhere", merged(FULL, {"kpi": {"label": "exakt"}}))
    line = place.joinpath("defs.yaml").read_text().split("label: exakt")[0].count("\n") + 1
    said = f"defs.yaml:{line}: kpi.label: 'exakt' isn't what belongs here; did you mean 'exact'? allowed: one of exact,"
    place.rename(use_cases / place.name)
    (rules / place.name).rename(project / "expectations" / place.name)
    checks = [["dg", "check", "defs"], ["dagster", "definitions", "validate", "-w", "workspace.yaml"]]
    for command in [*checks, ["sixtyforty", "impact", place.name]]:
        done = run(project, *command)
        assert done.returncode == 1, done.stdout + done.stderr
        assert said in done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr and "Stack Trace" not in done.stdout + done.stderr
    listed = run(project, "dg", "list", "defs", "--json")
    keys = {a["asset_key"] for a in json.loads(listed.stdout[listed.stdout.index("{") :])["assets"]}
    assert f"{place.name}/declaration" in keys and f"{sound.name}/decisions" in keys
