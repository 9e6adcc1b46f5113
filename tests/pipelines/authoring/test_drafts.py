"""A declaration with blanks loads as a draft, which imports its extracts and says what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipelines.authoring import loader
from pipelines.component import build_chain
from sixtyforty.spec.draft import BlankFieldError, Draft
from tests.full_declaration import FULL, write
from tests.helpers import merge
from tests.invalid_declarations import DECLARATION_MUTATIONS, FieldPath, load_problems, replaced

FIELDS_THAT_CAN_WAIT = [
    mutation.path
    for mutation in DECLARATION_MUTATIONS
    if mutation.kind == "missing" and mutation.path[0] not in loader.NEEDED_FIRST
]


def with_blanks(declared: dict[str, Any], *paths: str) -> dict[str, Any]:
    """Return a copy of a declaration with TODO at these paths."""
    for path in paths:
        declared = replaced(declared, tuple(path.split(".")), "TODO")
    return declared


@pytest.mark.parametrize("path", FIELDS_THAT_CAN_WAIT)
def test_a_blank_field_makes_a_draft_that_explains_the_field(path: FieldPath, tmp_path: Path):
    draft = loader.load_declaration(*write(tmp_path, replaced(FULL, path, "TODO")), sql=True)
    assert isinstance(draft, Draft)
    (blank,) = draft.blanks
    assert blank.path == ".".join(map(str, path)) and len(blank.purpose) > 10
    assert "TODO" in blank.file.read_text().splitlines()[blank.line - 1]


def test_reading_a_blank_part_of_a_draft_says_what_to_fill_in(tmp_path: Path):
    folder, rules = write(tmp_path, with_blanks(FULL, "kpi", "model.estimator", "owner", "title"))
    (folder / "features.sql").write_text("-- TODO\nselect 1")
    draft = loader.load_declaration(folder, rules)
    assert isinstance(draft, Draft)
    assert [blank.path for blank in draft.blanks] == ["title", "owner", "kpi", "model.estimator", "features.sql"]
    assert list(draft.inputs) == ["calls", "visits", "sites"]
    for part in ("kpi", "model"):
        with pytest.raises(BlankFieldError, match=rf"calls_in_time is a draft. Fill in {part}.*defs.yaml:\d+"):
            getattr(draft, part)


def test_the_problems_of_a_draft_are_reported(tmp_path: Path):
    declared = with_blanks(merge(FULL, {"decision": {"unit_source": "cals"}, "gate": {"margin": "much"}}), "kpi")
    problems = load_problems(*write(tmp_path, declared))
    assert {problem.field for problem in problems} == {"decision.unit_source", "gate.margin"}


@pytest.mark.parametrize("name", ["name", "timezone", "partitions.start", "sources"])
def test_a_field_that_even_a_draft_needs_cannot_be_blank(name: str, tmp_path: Path):
    problems = load_problems(*write(tmp_path, with_blanks(FULL, name)))
    assert [problem.field for problem in problems] == [name]
    assert "can't be left blank" in problems[0].message


def test_the_chain_of_a_draft_ends_with_its_validated_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder, rules = write(tmp_path, with_blanks(FULL, "kpi"))
    draft = loader.load_declaration(folder, rules)
    monkeypatch.setattr("expectations.suites.HERE", rules)
    definitions = build_chain(draft)
    keys = {"/".join(key.path[1:]) for asset in definitions.assets or [] for key in asset.keys}  # type: ignore[union-attr]
    assert {key.split("/")[0] for key in keys} <= {"raw", "validated", "data_docs", "current_state"}
    assert {f"raw/{s}" for s in draft.sources} | {f"validated/{s}" for s in draft.sources} <= keys
    assert not definitions.sensors and not definitions.schedules
