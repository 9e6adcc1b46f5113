"""Every mistake in a declaration is told with its file, line and field, what is allowed, and what was meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.authoring import loader
from pipelines.component import stand_in
from sixtyforty.spec.errors import DeclarationError
from sixtyforty.spec.use_case import UseCase
from tests.copies import copy_project, run
from tests.declared import FULL, RULE, SUITE, write
from tests.helpers import merged
from tests.spoilt import DECLARATION_WAYS, Case, at_its_line, named, refused, spoilt


def test_there_are_enough_ways_to_be_wrong():
    assert len(DECLARATION_WAYS) > 400
    assert len({named(c) for c in DECLARATION_WAYS}) > 400


def test_the_declaration_that_is_spoilt_is_sound(tmp_path: Path):
    assert loader.load(*write(tmp_path), sql=True).model_dump() == UseCase(**FULL, folder=tmp_path).model_dump()


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
        assert m.message == "is missing"
    others = [f for f in found if f is not m]
    assert all(f.field.split(".")[0] != at[0] or len(at) == 1 for f in others), [str(f) for f in others]


REFERENCES: list[tuple[dict[str, Any], str, str]] = [
    ({"decision": {"unit_source": "cals"}}, "decision.unit", "calls"),
    ({"decision": {"key": ["idd"]}}, "decision.key", "id"),
    ({"sources": {"calls": {"key": ["idd"]}}}, "sources.calls.key", "id"),
    ({"sources": {"calls": {"personal": ["sight"]}}}, "sources.calls.personal", "site"),
    ({"people": {"responses": "response"}}, "people.responses", "responses"),
    ({"people": {"review": {"rule": "guts"}}}, "people.review.rule", "gut"),
    ({"model": {"vetoes": {"calm": {"never": "acts"}}}}, "model.vetoes.calm.never", "act"),
    ({"sourcing": {"vendors": {"bougth": {"per_month": 1}}}}, "sourcing.vendors", "bought"),
    ({"kpi": {"holdout": {"cluster_by": ["sites"]}}}, "kpi.holdout.by", "site"),
    ({"timezone": "America/New_Yrok"}, "timezone", "America/New_York"),
    ({"sources": {"calls": {"columns": {"id": "INTEGR"}}}}, "sources.calls.columns.id", "INTEGER"),
    ({"sources": {"calls": {"derived": {"busy": "lod > 1"}}}}, "sources.calls.derived.busy", "load"),
    ({"sources": {"calls": {"partition": "local(call_huor)::date"}}}, "sources.calls.partition", "call_hour"),
    ({"sources": {"visits": {"known_at": "seen"}}}, "sources.visits.known_at", "seen_at"),
    ({"decision": {"decided_at": "call_hur"}}, "decision.decided_at", "call_hour"),
    ({"model": {"categorical": ["sight"]}}, "model.categorical", "site"),
    ({"model": {"monotone_constraints": {"lod": 1}}}, "model.monotone", "load"),
    ({"model": {"reasons": {"lod": "{value}"}}}, "model.words", "load"),
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
    for n, (changes, field) in enumerate(
        [
            ({"decision": {"every_partitions": 4}}, "decision.every"),
            ({"partitions": {"every": "month", "start": "2013-03-02"}}, "partitions.start"),
            ({"kpi": {"measurement": "exact"}}, "kpi.measurement"),
            ({"model": {"monotone_constraints": {"site": 1}}}, "model.monotone"),
            ({"model": {"reasons": {"load": "busy"}}}, "model.words.load"),
            ({"sources": {"responses": {"cursor_column": None}}}, "sources.responses.query"),
            ({"automation": {"rollout": {"cluster_by": ["site"]}}}, "automation.rollout.by"),
            ({"automation": {"rollout": {"holdout_share": 0.01}}}, "automation.rollout.holdout"),
            ({"sources": {"visits": {"known_at": None}}}, "sources.visits"),
        ]
    ):
        found = refused(*write(tmp_path / str(n), merged(FULL, changes)))
        assert [m.field for m in found] == [field], [str(m) for m in found]
        assert at_its_line(found[0], tuple(field.split(".")))


def test_all_mistakes_of_all_files_are_told_at_once(tmp_path: Path):
    changes = {"titel": "x", "kpi": {"measurement": "exakt"}, "decision": {"unit_source": "cals"}, "gate": {"confidence": 2}}
    declared = merged(FULL, changes)
    del declared["title"]
    place, rules = write(tmp_path, declared, suite=merged(SUITE, {"rows": [RULE | {"severity": "critcal"}]}))
    (place / "outcomes.sql").unlink()
    told = [(m.file.name, m.field, m.suggestion) for m in refused(place, rules)]
    assert sorted(told) == sorted(
        [
            ("defs.yaml", "titel", "title"),
            ("defs.yaml", "decision.unit", "calls"),
            ("defs.yaml", "kpi.measurement", "exact"),
            ("defs.yaml", "gate.confidence", ""),
            ("outcomes.sql", "", ""),
            ("calls.yaml", "rows.0.severity", "critical"),
        ]
    )


# As Dagster shows them


def test_a_broken_declaration_stands_in_for_itself(tmp_path: Path):
    with pytest.raises(DeclarationError) as told:
        loader.load(*write(tmp_path, merged(FULL, {"titel": "x"})))
    (spec,) = stand_in("calls_in_time", told.value).assets or []
    assert "titel: there is no such field" in spec.description  # type: ignore[union-attr]


@pytest.mark.e2e
def test_dagsters_commands_tell_the_same_and_what_runs_goes_on_with_the_others(tmp_path: Path):
    project = copy_project(tmp_path)
    use_cases = project / "pipelines" / "use_cases"
    (sound,) = [p for p in use_cases.iterdir() if (p / "defs.yaml").exists()][:1]
    place, rules = write(tmp_path / "elsewhere", merged(FULL, {"kpi": {"measurement": "exakt"}}))
    line = place.joinpath("defs.yaml").read_text().split("label: exakt")[0].count("\n") + 1
    said = f"defs.yaml:{line}: kpi.measurement: 'exakt' isn't what belongs here; did you mean 'exact'? allowed: one of exact,"
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
