"""A change of the declaration names the partitions that it makes outdated, and no others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sixtyforty.modeling.built_by import FACT, FEATURES_SQL, changed_parts, declared_parts, select_outdated
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.manifests import Entry
from tests.helpers import SITES, SQL, VISITS, make_use_case, merge

MANIFEST = Entry("features", "2013-03-10", "x.parquet", 1, "a")


def built_by(use_case: UseCase, dataset: Any = "features") -> Entry:
    return replace(MANIFEST, facts={FACT: declared_parts(use_case, dataset)})


@pytest.mark.parametrize(
    ("changes", "features", "outcomes"),
    [
        ({}, [], []),
        ({"title": "another", "model": {"seed": 3}}, [], []),
        ({"lookback_partitions": 4}, ["lookback_partitions"], []),
        ({"outcome_horizon_partitions": 2}, [], ["outcome_horizon_partitions"]),
        ({"decision": {"decided_at": "call_hour"}}, ["decision.decided_at"], ["decision.decided_at"]),
        ({"kpi": {"actions": {"act": {"gain": "10 + load"}}}}, ["kpi.actions"], []),
        (
            {"sources": {"visits": {"known_at": "seen_at + interval 1 hour"}}},
            ["sources.visits.known_at"],
            ["sources.visits.known_at"],
        ),
        ({"sources": {"sites": SITES, "more": merge(VISITS, {"files": "more_*.csv"})}}, [], []),
    ],
)
def test_a_changed_declaration_names_what_it_changed(
    tmp_path: Path, changes: dict[str, Any], features: list[str], outcomes: list[str]
) -> None:
    before, after = make_use_case(tmp_path / "a"), make_use_case(tmp_path / "b", **changes)
    assert changed_parts(built_by(before), declared_parts(after, "features")) == features
    assert changed_parts(built_by(before, "outcomes"), declared_parts(after, "outcomes")) == outcomes


def test_only_another_features_sql_keeps_features_from_the_training(tmp_path: Path) -> None:
    use_case = make_use_case(tmp_path)
    entries = {"2013-03-10": built_by(use_case), "2013-03-11": MANIFEST}
    assert select_outdated(use_case, entries) == []
    (tmp_path / "current_process.sql").write_text("select id, 'act' as action from units")
    assert select_outdated(use_case, entries) == []
    assert changed_parts(entries["2013-03-10"], declared_parts(use_case, "features")) == ["current_process.sql"]
    (tmp_path / "features.sql").write_text(SQL["features"].replace("u.load", "u.load, 1 as one"))
    assert select_outdated(use_case, entries) == ["2013-03-10"], "a manifest without the fact counts as current"
    assert FEATURES_SQL in changed_parts(entries["2013-03-10"], declared_parts(use_case, "features"))


def test_a_partition_that_does_not_exist_has_no_changed_parts(tmp_path: Path) -> None:
    assert changed_parts(None, declared_parts(make_use_case(tmp_path), "features")) == []
