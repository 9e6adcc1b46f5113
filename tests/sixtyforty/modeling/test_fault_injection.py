"""Faults change the rebuilt features one at a time, and a failure to rebuild is reported."""

from __future__ import annotations

from datetime import date, timedelta

from sixtyforty.modeling.fault_injection import rebuild_with_faults
from sixtyforty.workspace import Workspace
from tests.helpers import publish_days

DAYS = [date(2013, 3, 9) + timedelta(days=i) for i in range(3)]


def test_each_fault_is_applied_to_the_undamaged_tables(workspace: Workspace) -> None:
    day = publish_days(workspace, DAYS)[-1]
    faults = {
        "none": [],
        "no visits": ["delete from visits"],
        "doubled load": ["update calls set load = load * 2", "update units set load = load * 2"],
        "again none": [],
        "no match": ["delete from visits where id < 0"],
    }
    tables = dict(rebuild_with_faults(workspace.use_case, workspace.lake, day, faults))
    assert tables["none"].equals(tables["again none"])
    assert tables["none"].equals(tables["no match"])
    assert tables["no visits"]["late_before"].null_count == tables["none"].num_rows
    loads = tables["none"]["load"].to_pylist()
    assert tables["doubled load"]["load"].to_pylist() == [2 * load for load in loads]
    assert tables["doubled load"]["current_action"].equals(tables["none"]["current_action"])


def test_features_that_can_no_longer_be_built_give_none(workspace: Workspace) -> None:
    day = publish_days(workspace, DAYS)[-1]
    faults = {"doubled units": ["insert into units select * from units"], "none": []}
    tables = dict(rebuild_with_faults(workspace.use_case, workspace.lake, day, faults))
    assert tables["doubled units"] is None
    assert tables["none"] is not None
