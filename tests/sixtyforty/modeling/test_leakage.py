"""Leakage is found: features and actions that use values from after the decision time."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from sixtyforty.modeling.features import FeatureWindow
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace, publish_days

DAYS = [date(2013, 3, 9) + timedelta(days=i) for i in range(5)]  # daylight saving time begins on the second day


def find_leakage(ws: Workspace, partitions: list[str]) -> list[str]:
    with FeatureWindow(ws.use_case, ws.lake, partitions) as window:
        return window.find_leakage(window.build().tables, sample=5)


def test_sound_features_are_identical_when_recomputed(workspace: Workspace) -> None:
    assert find_leakage(workspace, publish_days(workspace, DAYS, count=6)) == []


@pytest.mark.parametrize(
    ("leak", "column"),
    [
        ("select u.id, u.site, u.load, v.late as late_now from units u left join visits v using (id)", "late_now"),
        (
            """select u.id, u.site, u.load, avg(v.late) as late_before from units u left join
            (select c.site, v.late from visits v join calls c using (id)) v on v.site = u.site group by all""",
            "late_before",
        ),
        ("select u.id, u.site, u.load, (select count(*) from calls) as calls_ever from units u", "calls_ever"),
        ("select u.id, u.site, u.load, v.late as _vendor from units u left join visits v using (id)", "_vendor"),
    ],
    ids=["the unit's own outcome", "an average without a date", "a count of all rows", "a vendor's perfect score"],
)
def test_a_leak_in_features_is_found(tmp_path: Path, leak: str, column: str) -> None:
    ws = make_workspace(tmp_path)
    (ws.use_case.folder / "features.sql").write_text(leak)
    differences = find_leakage(ws, publish_days(ws, DAYS, count=6))
    assert differences
    assert all(line.startswith(column) for line in differences)
    assert all(line.endswith("use values from after that time") for line in differences)


def test_a_leak_in_the_current_process_is_found(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    (ws.use_case.folder / "current_process.sql").write_text(
        "select u.id, case when late = 1 then 'act' else 'wait' end as action from units u left join visits using (id)"
    )
    differences = find_leakage(ws, publish_days(ws, DAYS, count=6))
    assert differences
    assert all(line.startswith("current_action") for line in differences)


def test_the_check_repeats_its_sample(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    (ws.use_case.folder / "features.sql").write_text(
        "select u.id, u.site, u.load, v.late as late_now from units u left join visits v using (id)"
    )
    partitions = publish_days(ws, DAYS, count=6)
    assert find_leakage(ws, partitions) == find_leakage(ws, partitions)


def test_without_features_there_is_nothing_to_check(workspace: Workspace) -> None:
    with FeatureWindow(workspace.use_case, workspace.lake, ["2013-03-20"]) as window:
        assert window.find_leakage({}, sample=3) == []
