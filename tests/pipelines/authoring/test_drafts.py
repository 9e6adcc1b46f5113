"""What is left for later makes a draft, which takes in its extracts and says what it lacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipelines.authoring import loader
from pipelines.component import build_chain
from sixtyforty.spec.draft import Draft, BlankFieldError
from tests.full_declaration import FULL, write
from tests.helpers import merged
from tests.invalid_declarations import DECLARATION_WAYS, At, refused, spoilt


def blanked(data: dict[str, Any], *paths: str) -> dict[str, Any]:
    for path in paths:
        data = spoilt(data, tuple(path.split(".")), "TODO", "blank")
    return data


@pytest.mark.parametrize("at", [a for way, a, _ in DECLARATION_WAYS if way == "missing" and a[0] not in loader.NEEDED_FIRST])
def test_whatever_may_wait_makes_a_draft_that_says_what_it_is_for(at: At, tmp_path: Path):
    found = loader.load_declaration(*write(tmp_path, spoilt(FULL, at, "TODO", "blank")), sql=True)
    assert isinstance(found, Draft)
    (blank,) = found.blanks
    assert blank.path == ".".join(map(str, at)) and len(blank.purpose) > 10
    assert "TODO" in blank.file.read_text().splitlines()[blank.line - 1]


def test_a_draft_is_its_sources_and_reading_what_is_blank_says_what_to_fill_in(tmp_path: Path):
    place, rules = write(tmp_path, blanked(FULL, "kpi", "model.estimator", "owner", "title"))
    (place / "features.sql").write_text("-- TODO\nselect 1")
    draft = loader.load_declaration(place, rules)
    assert isinstance(draft, Draft)
    assert [b.path for b in draft.blanks] == ["title", "owner", "kpi", "model.estimator", "features.sql"]
    assert list(draft.inputs) == ["calls", "visits", "sites"]
    for part in ("kpi", "model"):
        with pytest.raises(BlankFieldError, match=rf"calls_in_time is a draft: fill in {part}.*defs.yaml:\d+"):
            getattr(draft, part)


def test_a_drafts_mistakes_are_mistakes(tmp_path: Path):
    declared = blanked(merged(FULL, {"decision": {"unit_source": "cals"}, "gate": {"margin": "much"}}), "kpi")
    assert {m.field for m in refused(*write(tmp_path, declared))} == {"decision.unit", "gate.margin"}


@pytest.mark.parametrize("name", ["name", "timezone", "partitions.start", "sources"])
def test_what_even_a_draft_needs_cannot_wait(name: str, tmp_path: Path):
    found = refused(*write(tmp_path, blanked(FULL, name)))
    assert [m.field for m in found] == [name]
    assert "can't be left for later" in found[0].message


def test_a_drafts_chain_is_raw_validated_and_what_looks_at_them(tmp_path: Path, monkeypatch):
    place, rules = write(tmp_path, blanked(FULL, "kpi"))
    draft = loader.load_declaration(place, rules)
    monkeypatch.setattr("expectations.suites.HERE", rules)
    found = build_chain(draft)
    keys = {"/".join(k.path[1:]) for a in found.assets or [] for k in a.keys}  # type: ignore[union-attr]
    assert {k.split("/")[0] for k in keys} <= {"raw", "validated", "data_docs", "current_state"}
    assert {f"raw/{s}" for s in draft.sources} | {f"validated/{s}" for s in draft.sources} <= keys
    assert not found.sensors and not found.schedules
