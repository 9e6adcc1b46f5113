"""The use case's SQL must give each unit exactly once, and a declared action."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from sixtyforty.modeling.feature_sql import FeatureError, unit_columns
from tests.helpers import make_use_case, make_workspace, publish_days

DAYS = [date(2013, 3, 9) + timedelta(days=i) for i in range(2)]


@pytest.mark.parametrize("change", ["where load > 0.5", "cross join (values (1), (2))"], ids=["missing", "doubled"])
def test_missing_and_doubled_units_are_rejected(tmp_path: Path, change: str) -> None:
    ws = make_workspace(tmp_path)
    (ws.use_case.folder / "features.sql").write_text(f"select id, site, load from units {change}")
    with pytest.raises(FeatureError, match=r"features\.sql returns .* Each query must return every unit exactly once"):
        publish_days(ws, DAYS[:1])


@pytest.mark.parametrize(
    ("action", "text"),
    [
        ("'run'", r"current_process\.sql returns the action 'run', expected one of wait, act for each unit\."),
        (
            "case when load > 2 then 'act' end",
            r"the action null, expected .* End the case expression in current_process.sql with an else",
        ),
    ],
)
def test_an_action_that_is_not_declared_is_rejected(tmp_path: Path, action: str, text: str) -> None:
    ws = make_workspace(tmp_path)
    (ws.use_case.folder / "current_process.sql").write_text(f"select id, {action} as action from units")
    with pytest.raises(FeatureError, match=text):
        publish_days(ws, DAYS[:1])


def test_the_rows_of_a_source_are_named_by_their_key_and_repeated_units_by_their_partition_too(tmp_path: Path) -> None:
    assert unit_columns(make_use_case(tmp_path)) == '"id"'
    repeated = make_use_case(tmp_path, decision={"unit_source": None, "key": ["site"], "decided_at": "starts_at"})
    assert unit_columns(repeated) == '_partition, "site"'
