"""Lineage: which validated versions features were built from, and which partitions should have features."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

from sixtyforty.modeling.lineage import expected_partitions, feature_window, find_outdated, input_versions, read_inputs
from sixtyforty.workspace import Workspace
from tests.helpers import (
    CALLS,
    SITES,
    accept_partitions,
    calls_on,
    csv_text,
    land_extract,
    make_workspace,
    publish_days,
)

DAYS = [date(2013, 3, 9) + timedelta(days=i) for i in range(5)]


def test_a_late_row_makes_the_features_of_its_lookback_outdated(workspace: Workspace) -> None:
    partitions = publish_days(workspace, DAYS)
    assert find_outdated(workspace.use_case, workspace.lake, partitions) == {}
    land_extract(workspace.landing, f"calls_{DAYS[1]}.csv", csv_text(CALLS, calls_on(DAYS[1], 3)))
    accept_partitions(workspace, [partitions[1]])
    outdated = find_outdated(workspace.use_case, workspace.lake, partitions)
    assert outdated == {key: [f"validated/calls {partitions[1]}"] for key in partitions[1:]}  # a lookback of 3


def test_partitions_without_features_are_not_outdated(workspace: Workspace) -> None:
    assert find_outdated(workspace.use_case, workspace.lake, ["2013-03-09"]) == {}


def test_snapshots_are_inputs_of_every_partition(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, sources={"sites": SITES})
    land_extract(ws.landing, "sites.csv", csv_text(SITES, [("north", 3), ("south", 5)]))
    partitions = publish_days(ws, DAYS[:2])
    window = feature_window(ws.use_case, partitions[1:])
    versions = input_versions(ws.use_case, read_inputs(ws.use_case, ws.lake, window), window)
    assert list(versions["validated/calls"]) == partitions
    assert len(versions["validated/sites"]) == 1


def test_features_are_expected_where_units_were_validated(workspace: Workspace) -> None:
    partitions = publish_days(workspace, DAYS[:2])
    days = [day.isoformat() for day in DAYS]
    assert expected_partitions(workspace.use_case, workspace.lake, days, datetime(2013, 4, 1)) == partitions
