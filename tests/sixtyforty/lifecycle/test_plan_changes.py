"""An edit is named by its declared fields, with what it makes again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sixtyforty.decisions.declaration_record import describe_declaration
from sixtyforty.lifecycle.plan_changes import DeclaredChange, find_changes, remade_datasets
from tests.helpers import SQL, make_use_case

VETO = {"small": {"when": "load < 0.1", "never": "act", "why": "Too small."}}
DECISIONS, MODELS = {"decisions"}, {"decisions", "models"}
FEATURES, ALL = {"features", "models", "decisions"}, {"features", "outcomes", "models", "decisions"}


def changes_of(folder: Path, **changes: Any) -> list[DeclaredChange]:
    before = describe_declaration(make_use_case(folder / "before"))
    return find_changes(before, describe_declaration(make_use_case(folder / "after", **changes)))


@pytest.mark.parametrize(
    ("edit", "text", "remade"),
    [
        ({"kpi": {"actions": {"act": {"cost": 4}}}}, "kpi.actions.act.cost: 3 → 4 (payoff)", DECISIONS),
        ({"kpi": {"actions": {"act": {"gain": "load"}}}}, "kpi.actions.act.gain: 10 → 'load' (payoff)", FEATURES),
        ({"kpi": {"actions": {"act": {"limit": 2}}}}, "kpi.actions.act.limit: none → 2 (capacity)", DECISIONS),
        (
            {"kpi": {"actions": {"act": {"limit": {"count": 2, "per": "day"}}}}},
            "kpi.actions.act.limit: none → '2 per day' (capacity)",
            DECISIONS,
        ),
        (
            {"model": {"vetoes": VETO}},
            "model.vetoes.small: none → 'never act when load < 0.1: Too small.' (veto)",
            DECISIONS,
        ),
        ({"gate": {"margin": 60}}, "gate.margin: 50 → 60 (gate)", DECISIONS),
        ({"replay": {"retrain": "week"}}, "replay.retrain: 'month' → 'week' (replay)", MODELS),
        ({"model": {"params": {"max_iter": 6}}}, "model.params.max_iter: 5 → 6 (recipe)", MODELS),
        ({"lookback_partitions": 4}, "lookback_partitions: 3 → 4 (data)", ALL),
        (
            {"sources": {"calls": {"known_at": "call_hour - interval 3 hour"}}},
            "sources.calls.known_at: 'call_hour - interval 2 hour' → 'call_hour - interval 3 hour' (data)",
            ALL,
        ),
        (
            {"sources": {"calls": {"columns": {"load": "FLOAT"}}}},
            "sources.calls.columns.load: 'DOUBLE' → 'FLOAT' (data)",
            ALL | {"validated"},
        ),
    ],
)
def test_a_changed_field_is_named_with_what_it_makes_again(
    tmp_path: Path, edit: dict[str, Any], text: str, remade: set[str]
) -> None:
    changes = changes_of(tmp_path, **edit)
    assert [change.text for change in changes] == [text]
    assert remade_datasets(changes) == remade


def test_a_changed_review_threshold_is_named(tmp_path: Path) -> None:
    review = {"reviewers": {"expert": 5}, "abstain_below": 4, "minutes_per_review": 5, "fallback": "current_process"}
    (change,) = changes_of(tmp_path, people={"review": review})
    assert (change.text, change.remade) == ("people.review.abstain_below: none → 4 (review)", DECISIONS)


@pytest.mark.parametrize(
    ("stage", "kind", "remade"),
    [
        ("features", "SQL", FEATURES),
        ("current_process", "current process", FEATURES),
        ("outcomes", "SQL", {"outcomes", "models", "decisions"}),
    ],
)
def test_changed_sql_is_named_by_its_file(tmp_path: Path, stage: str, kind: str, remade: set[str]) -> None:
    use_case = make_use_case(tmp_path / "use_case")
    before = describe_declaration(use_case)
    (use_case.folder / f"{stage}.sql").write_text(f"select * from ({SQL[stage]})")
    (change,) = find_changes(before, describe_declaration(use_case))
    assert (change.text, change.remade) == (f"{stage}.sql: changed ({kind})", remade)


def test_a_column_that_sql_begins_to_use_is_no_change_of_its_source(tmp_path: Path) -> None:
    before = describe_declaration(make_use_case(tmp_path / "use_case"))
    after = json.loads(json.dumps(before))
    after["sources"]["calls"]["columns"]["team"] = "VARCHAR"
    assert find_changes(before, after) == []


def test_the_same_declaration_has_no_change(tmp_path: Path) -> None:
    assert changes_of(tmp_path) == []


def test_a_candidate_takes_no_decision() -> None:
    change = DeclaredChange("kpi.candidates.by_load", "rule", None, None)
    assert change.text == "kpi.candidates.by_load: has another value on past decisions (rule)"
    assert change.remade == set()
