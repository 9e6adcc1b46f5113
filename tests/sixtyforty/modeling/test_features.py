"""Features of a day are the same whether it is built alone or in a range, and read exactly their lookback."""

from __future__ import annotations

from datetime import date, timedelta

from sixtyforty.modeling.features import FeatureWindow, feature_names
from sixtyforty.workspace import Workspace
from tests.helpers import accept_partitions, land_days, publish_days

DAYS = [date(2013, 3, 9) + timedelta(days=i) for i in range(5)]  # daylight saving time begins on the second day


def test_a_day_built_alone_equals_the_day_built_in_a_range(workspace: Workspace) -> None:
    partitions = land_days(workspace, DAYS)
    accept_partitions(workspace, partitions)
    together = FeatureWindow(workspace.use_case, workspace.lake, partitions).build()
    for partition in partitions:
        alone = FeatureWindow(workspace.use_case, workspace.lake, [partition]).build()
        assert alone.tables[partition].equals(together.tables[partition])
        assert alone.inputs[partition] == together.inputs[partition]


def test_the_inputs_are_exactly_the_lookback(workspace: Workspace) -> None:
    partitions = land_days(workspace, DAYS)
    accept_partitions(workspace, partitions)
    built = FeatureWindow(workspace.use_case, workspace.lake, partitions).build()
    assert list(built.inputs["2013-03-13"]["validated/calls"]) == partitions[1:]  # a lookback of 3
    assert list(built.inputs["2013-03-09"]["validated/calls"]) == partitions[:1]


def test_a_day_without_extracts_has_no_features(workspace: Workspace) -> None:
    accept_partitions(workspace, land_days(workspace, DAYS[:1]))
    assert FeatureWindow(workspace.use_case, workspace.lake, ["2013-03-20"]).build().tables == {}


def test_a_source_without_extracts_is_an_empty_table(workspace: Workspace) -> None:
    partition = DAYS[0].isoformat()
    accept_partitions(workspace, land_days(workspace, DAYS[:1]))
    workspace.lake.drop("validated/visits", partition)
    table = FeatureWindow(workspace.use_case, workspace.lake, [partition]).build().tables[partition]
    assert table["late_before"].null_count == table.num_rows


def test_the_model_sees_neither_key_nor_hidden_columns(workspace: Workspace) -> None:
    publish_days(workspace, DAYS[:1])
    with workspace.lake.open_session("UTC") as db:
        rows = workspace.lake.select_rows(workspace.lake.entries("features").values())
        columns = [column[0] for column in db.execute(f"select * from {rows}").description]
    assert feature_names(workspace.use_case, [*columns, "_vendor"]) == ["site", "load", "late_before"]
