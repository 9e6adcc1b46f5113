"""Features of a day are the same whether it is built alone or in a range, and read exactly their lookback."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sixtyforty.modeling.features import FeatureWindow, feature_names
from sixtyforty.workspace import Workspace
from tests.helpers import accept_partitions, land_days, make_workspace, publish_days

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


UNBOUNDED = {
    "a window function over all rows": """
        select u.id, u.site, u.load, n from units u
        join (select id, count(*) over (order by call_hour, id) as n from calls) c using (id)""",
    "a window function over later rows": """
        select u.id, u.site, u.load, n from units u
        join (select id, lead(load) over (order by call_hour, id) as n from calls) c using (id)""",
    "a join without a date filter": """
        select u.id, u.site, u.load, count(c.id) as n from units u left join calls c on c.site = u.site group by all""",
    "an aggregate of the whole table": """
        select id, site, load, (select sum(load)::decimal(9, 2) from calls) as n from units""",
    "a bounded aggregate": """
        select u.id, u.site, u.load, count(c.id) as n from units u
        left join calls c on c.site = u.site and c.known_at <= u.decided_at
            and c._partition::date >= u._partition::date - 3 group by all""",
}


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sql=st.sampled_from(sorted(UNBOUNDED)),
    calls=st.lists(st.integers(1, 6), min_size=5, max_size=6),
)
def test_features_are_those_of_a_day_built_alone_whatever_the_sql_reads(
    tmp_path: Path, sql: str, calls: list[int]
) -> None:
    ws = make_workspace(tmp_path / uuid4().hex)
    (ws.use_case.folder / "features.sql").write_text(UNBOUNDED[sql])
    days = [DAYS[0] + timedelta(days=i) for i in range(len(calls))]
    partitions = [land_days(ws, [day], count)[0] for day, count in zip(days, calls, strict=True)]
    accept_partitions(ws, partitions)
    with FeatureWindow(ws.use_case, ws.lake, partitions) as window:
        together = window.build()
    for partition in partitions:
        with FeatureWindow(ws.use_case, ws.lake, [partition]) as window:
            assert window.build().tables[partition].equals(together.tables[partition]), partition
    assert together.beyond_lookback == (() if sql == "a bounded aggregate" else ("n",))


def test_sql_that_keeps_to_its_lookback_is_built_at_once(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    (workspace.use_case.folder / "features.sql").write_text(UNBOUNDED["a bounded aggregate"])
    partitions = land_days(workspace, [DAYS[0] + timedelta(days=i) for i in range(10)])
    accept_partitions(workspace, partitions)
    window, built_alone = FeatureWindow(workspace.use_case, workspace.lake, partitions), []
    build_alone = window._build_alone

    def count(partition: str) -> pa.Table:
        built_alone.append(partition)
        return build_alone(partition)

    monkeypatch.setattr(window, "_build_alone", count)
    assert sorted(window.build().tables) == partitions
    assert len(built_alone) == 3
