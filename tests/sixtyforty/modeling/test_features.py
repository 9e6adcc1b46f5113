"""Features know what was known then, one row a unit; the same whether a day is built alone or in a range."""

from datetime import date, timedelta

import pytest

from sixtyforty.modeling import features
from sixtyforty.modeling.features import FeatureError
from sixtyforty.storage.duckdb_session import connect
from tests.helpers import SQL, accept, land_days, looked_back, make_workspace, publish

DAYS = [date(2013, 3, 9) + timedelta(days=i) for i in range(5)]  # summer time begins on the second


def test_what_was_computed_then_is_what_is_computed_now(workspace):
    partitions = publish(workspace, DAYS, count=6)
    assert looked_back(workspace, partitions, sample=5) == []


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
    ids=["the unit's own outcome", "an average without a date", "a count of all rows", "a vendor who knows it all"],
)
def test_a_planted_leak_is_found(tmp_path, leak, column):
    ws = make_workspace(tmp_path)
    (ws.use_case.folder / "features.sql").write_text(leak)
    partitions = publish(ws, DAYS, count=6)
    found = looked_back(ws, partitions, sample=5)
    assert found
    assert all(line.startswith(column) for line in found)


def test_a_leak_in_the_current_process_is_found(tmp_path):
    ws = make_workspace(tmp_path)
    (ws.use_case.folder / "current_process.sql").write_text(
        "select u.id, case when late = 1 then 'act' else 'wait' end as action from units u left join visits using (id)"
    )
    partitions = publish(ws, DAYS, count=6)
    found = looked_back(ws, partitions, sample=5)
    assert found
    assert all(line.startswith("current_action") for line in found)


@pytest.mark.parametrize("where", ["where load > 0.5", "cross join (values (1), (2))"], ids=["dropped", "doubled"])
def test_sql_that_drops_or_doubles_units_is_refused(tmp_path, where):
    ws = make_workspace(tmp_path)
    (ws.use_case.folder / "features.sql").write_text(f"select id, site, load from units {where}")
    with pytest.raises(FeatureError, match=r"features\.sql gives"):
        publish(ws, DAYS[:1])


def test_a_day_alone_gives_the_bytes_of_the_day_in_a_range(workspace):
    partitions = land_days(workspace, DAYS)
    accept(workspace, partitions)
    together = features.FeatureWindow(workspace.use_case, workspace.lake, partitions).build()
    for p in partitions:
        alone = features.FeatureWindow(workspace.use_case, workspace.lake, [p]).build()
        assert alone.tables[p].equals(together.tables[p])
        assert alone.inputs[p] == together.inputs[p]


def test_lineage_names_the_lookback_and_nothing_else(workspace):
    partitions = land_days(workspace, DAYS)
    accept(workspace, partitions)
    built = features.FeatureWindow(workspace.use_case, workspace.lake, partitions).build()
    assert list(built.inputs["2013-03-13"]["validated/calls"]) == partitions[1:]  # lookback 3
    assert list(built.inputs["2013-03-09"]["validated/calls"]) == partitions[:1]


def test_a_day_nothing_landed_for_has_no_features(workspace):
    accept(workspace, land_days(workspace, DAYS[:1]))
    assert features.FeatureWindow(workspace.use_case, workspace.lake, ["2013-03-20"]).build().tables == {}


def test_an_outcome_without_a_message_is_unknown(workspace):
    partitions = land_days(workspace, DAYS[:2])
    accept(workspace, partitions)
    workspace.lake.drop("validated/visits", partitions[0])
    table = features.build_outcomes(workspace.use_case, workspace.lake, partitions).tables[partitions[0]]
    assert table["late"].null_count == table.num_rows == 4


def test_a_source_that_never_came_is_an_empty_view(workspace):
    accept(workspace, land_days(workspace, DAYS[:1]))
    workspace.lake.drop("validated/visits", DAYS[0].isoformat())
    table = (
        features.FeatureWindow(workspace.use_case, workspace.lake, [DAYS[0].isoformat()])
        .build()
        .tables[DAYS[0].isoformat()]
    )
    assert table["late_before"].null_count == table.num_rows


def test_model_sees_neither_key_nor_marks(workspace):
    publish(workspace, DAYS[:1])
    with connect("UTC") as db:
        rows = workspace.lake.rows(workspace.lake.entries("features").values())
        columns = [d[0] for d in db.execute(f"select * from {rows}").description]
    assert features.feature_names(workspace.use_case, columns) == ["site", "load", "late_before"]
    assert set(SQL) == {"features", "outcomes", "current_process"}
