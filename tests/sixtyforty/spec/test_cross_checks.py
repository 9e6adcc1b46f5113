"""The parts of a declaration are compared with each other; a conflict names its field and what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sixtyforty.spec.cross_checks import RESPONSE_COLUMNS, find_conflicts
from sixtyforty.spec.errors import ConflictingFields
from sixtyforty.spec.use_case import UseCase
from tests.helpers import DECLARED, RESPONSES, make_use_case, merge

REVIEW = {"reviewers": {"lead": 3}, "minutes_per_review": 5, "abstain_below": 1}
VETO = {"when": "load > 1", "never": "act", "why": "it can't be"}
HOLDOUT = {"share": 0.1, "value_per_outcome": -10}
RANDOMIZED = {"measurement": "randomized", "holdout": HOLDOUT}
NUMBER = {"outcome_type": "number"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"decision": {"key": ["id", "nr"]}},
            r"decision\.key: 'nr' is not a column of the units \(allowed: call_hour, id,",
        ),
        (
            {"sources": {"visits": {"key": ["nr"]}}},
            r"sources\.visits\.key: 'nr' is not a column of the source 'visits'",
        ),
        (
            {
                "partitions": {"every": "hour"},
                "kpi": {"actions": {"act": {"limit": {"count": 9, "per": "day"}}}},
            },
            r"kpi\.actions\.act\.limit\.per: a limit per day needs partitions of a day, but partitions\.every is hour",
        ),
        ({"sources": {"calls": {"personal": ["phone"]}}}, r"sources\.calls\.personal: .*'phone'"),
        (
            {"sources": {"calls": {"columns": {"_row": "INTEGER"}}}},
            r"sources\.calls\.columns\._row: this column name is reserved",
        ),
        (
            {"sources": {"calls": {"columns": {"_line": "INTEGER"}}}},
            r"sources\.calls\.columns\._line: this column name is reserved",
        ),
        (
            {"sources": {"calls": {"columns": {"Known_At": "INTEGER"}}}},
            r"sources\.calls\.columns\.Known_At: this column name is reserved",
        ),
        (
            {"sources": {"calls": {"columns": {"Action": "INTEGER"}}}, "decision": {"key": ["id", "Action"]}},
            r"decision\.key: 'Action' is also a column of the tables with decisions",
        ),
        (
            {"sources": {"calls": {"known_at": None}}},
            r"sources\.calls: a source with `partition` also needs `known_at`",
        ),
        ({"sources": {"calls": {"optional_columns": ["crew"]}}}, r"sources\.calls\.optional_columns: .*'crew'"),
        ({"sources": {"calls": {"optional_columns": ["id"]}}}, r"optional_columns: 'id' is part of the key; remove it"),
        ({"sources": {"calls": {"other_names": {"crew": ["team"]}}}}, r"sources\.calls\.other_names: .*'crew'"),
        (
            {"sources": {"calls": {"other_names": {"load": ["site"]}}}},
            r"sources\.calls\.other_names: 'site' is a column of the source itself",
        ),
        (
            {"sources": {"calls": {"other_names": {"load": ["weight"], "site": ["weight"]}}}},
            r"sources\.calls\.other_names: 'weight' is another name of several columns",
        ),
        ({"decision": {"unit_source": "orders"}}, r"there is no source 'orders' \(allowed: calls, visits\)"),
        (
            {"decision": {"unit_source": None, "key": ["nr"]}},
            r"without unit_source, each key column must have the same name and type",
        ),
        ({"people": {"responses": "answers"}}, r"people\.responses: there is no source 'answers'"),
        ({"people": {"responses": "visits"}}, r"people\.unanswered: it is missing.*write `done`.*or `not_done`"),
        ({"people": {"unanswered": "done"}}, r"people\.unanswered: it has no effect without `responses`"),
        (
            {"people": {"responses": "visits"}},
            r"sources\.visits: the source of people's responses lacks the columns action",
        ),
        ({"people": {"review": REVIEW | {"rule": "gut"}}}, r"people\.review\.rule: there is no candidate 'gut'"),
        ({"people": {"review": REVIEW}, "kpi": NUMBER}, r"people\.review: .* only be computed for a binary outcome"),
        ({"model": {"vetoes": {"v": VETO | {"never": "run"}}}}, r"model\.vetoes\.v\.never: there is no action 'run'"),
        ({"model": {"vetoes": {"v": VETO, "w": VETO | {"never": "wait"}}}}, r"the vetoes forbid every action"),
        ({"kpi": RANDOMIZED | {"holdout": HOLDOUT | {"cluster_by": ["nr"]}}}, r"kpi\.holdout\.cluster_by: .*'nr'"),
        (
            {"automation": {"rollout": {"holdout_share": 0.5, "cluster_by": ["nr"]}}},
            r"automation\.rollout\.cluster_by: .*'nr'",
        ),
        (
            {"kpi": RANDOMIZED, "automation": {"rollout": {"holdout_share": 0.5, "cluster_by": ["site"]}}},
            r"the rollout uses kpi\.holdout\.cluster_by; remove automation\.rollout\.cluster_by",
        ),
        (
            {"kpi": RANDOMIZED | {"holdout": HOLDOUT | {"cluster_by": ["site"], "bounds": {"low": 0, "high": 9}}}},
            r"kpi\.holdout\.bounds: bounds need units that are drawn one by one",
        ),
        ({"kpi": RANDOMIZED, "automation": {"rollout": {"holdout_share": 0.05}}}, r"is below kpi\.holdout\.share"),
    ],
)
def test_conflicting_parts_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConflictingFields, match=message):
        make_use_case(tmp_path, **changes)


@pytest.mark.parametrize("name", ["units", "decision_partitions", "features"])
def test_a_source_can_not_have_the_name_of_a_table_of_the_pipeline(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConflictingFields, match=rf"sources\.{name}: this name is reserved for a table"):
        make_use_case(tmp_path, sources={name: DECLARED["sources"]["visits"]})


def test_vendors_of_the_sourcing_are_candidates(tmp_path: Path) -> None:
    sourcing = {"capability": "inside", "strategic": False, "why": "x", "remaining_build_cost": 0}
    with pytest.raises(ConflictingFields, match=r"sourcing\.vendors: 'acme' is not a candidate with `vendor: true`"):
        make_use_case(tmp_path, sourcing=sourcing | {"vendors": {"acme": {"per_month": 1}}})


def test_the_source_of_responses_needs_a_partition(tmp_path: Path) -> None:
    source = merge(RESPONSES, {"partition": None, "known_at": None, "cursor_column": None})
    assert source["columns"].keys() >= RESPONSE_COLUMNS
    with pytest.raises(ConflictingFields, match=r"sources\.responses: .*needs `partition`"):
        make_use_case(tmp_path, sources={"responses": source}, people={"responses": "responses", "unanswered": "done"})


def test_only_checks_whose_parts_exist_run(tmp_path: Path, tiny_use_case: UseCase) -> None:
    broken = tiny_use_case.model_copy(
        update={"decision": tiny_use_case.decision.model_copy(update={"unit_source": "orders"})}
    )
    assert find_conflicts(broken, ["sources", "kpi"]) == []
    assert [e.field for e in find_conflicts(broken, ["sources", "decision", "people"])] == ["decision.unit_source"]
