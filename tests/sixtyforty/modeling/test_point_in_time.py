"""Units and their point in time: rows of a source, or units that return in each partition."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.due_decisions import count_due
from sixtyforty.modeling.backtest import score_days
from sixtyforty.modeling.feature_sql import FeatureError
from sixtyforty.modeling.features import FeatureWindow
from sixtyforty.modeling.lineage import feature_window, read_inputs
from sixtyforty.modeling.point_in_time import as_known_at, open_inputs, sql_list
from sixtyforty.modeling.training_plan import plan_training
from sixtyforty.workspace import Workspace
from tests.helpers import (
    SITES,
    accept_partitions,
    csv_text,
    land_days,
    land_extract,
    make_use_case,
    make_workspace,
    publish_days,
    put_champion_in_force,
)

DAYS = [date(2013, 3, 1) + timedelta(days=i) for i in range(14)]
EVERY_FOUR_DAYS = {
    "unit_source": None,
    "key": ["site"],
    "decided_at": "starts_at + interval 6 hour",
    "every_partitions": 4,
    "anchor_day": "2013-03-08",
    "learn_every_partitions": 2,
}
SQL = {
    "units": """
        select distinct p._partition, c.site from decision_partitions p join calls c on c.call_hour < p.starts_at""",
    "features": """
        select u._partition, u.site, avg(c.load) as load, count(*) as calls from units u
        join calls c on c.site = u.site and c.known_at <= u.decided_at
            and c.call_hour between u.decided_at - interval 2 day and u.decided_at group by all""",
    "current_process": "select _partition, site, if(site = 'north', 'act', 'wait') as action from units",
    "outcomes": """
        select u._partition, u.site, max(v.late) as late, max(v.known_at) as known_at from units u
        join calls c on c.site = u.site and c._partition = u._partition join visits v using (id) group by all""",
}


def make_repeated_units(folder: Path, **decision: Any) -> Workspace:
    """Return a use case about two sites: it learns from every second day and decides every fourth."""
    ws = make_workspace(folder, decision=EVERY_FOUR_DAYS | decision)
    for stage, text in SQL.items():
        (ws.use_case.folder / f"{stage}.sql").write_text(text)
    return ws


def test_a_unit_returns_in_each_partition_with_features_of_its_own(tmp_path: Path) -> None:
    ws = make_repeated_units(tmp_path)
    partitions = publish_days(ws, DAYS)
    features = ws.lake.entries("features")
    assert list(features) == ["2013-03-04", "2013-03-06", "2013-03-08", "2013-03-10", "2013-03-12", "2013-03-14"]
    assert {entry.rows for entry in features.values()} == {2}
    with FeatureWindow(ws.use_case, ws.lake, partitions) as window:
        together = window.build()
        assert window.find_leakage(together.tables) == []
    for partition in features:
        alone = FeatureWindow(ws.use_case, ws.lake, [partition]).build()
        assert alone.tables[partition].equals(together.tables[partition])


def test_the_tables_hold_only_what_was_known_at_the_decision_time(workspace: Workspace) -> None:
    partitions = publish_days(workspace, DAYS[:5])
    window = feature_window(workspace.use_case, partitions[-1:])
    entries = read_inputs(workspace.use_case, workspace.lake, window)
    noon = datetime(2013, 3, 5, 12)
    with open_inputs(workspace.use_case, workspace.lake, entries, partitions[-1:]) as db:
        before = db.execute("select count(*) from visits").fetchall()
        with as_known_at(db, workspace.use_case, partitions[-1], noon):
            assert db.execute("select max(known_at) <= ? from visits", [noon]).fetchall() == [(True,)]
            assert db.execute("select distinct decided_at from units").fetchall() == [(noon,)]
        assert db.execute("select count(*) from visits").fetchall() == before


def test_a_number_of_days_is_counted_in_decisions(tmp_path: Path) -> None:
    assert make_repeated_units(tmp_path / "days").use_case.decision_count(28) == 7
    assert make_use_case(tmp_path / "hours", partitions={"every": "hour"}).decision_count(2) == 48
    yearly = {"every_partitions": 12, "anchor_day": "2013-03-01"}
    assert make_use_case(tmp_path / "years", partitions={"every": "month"}, decision=yearly).decision_count(28) == 1


def test_an_outcome_may_compare_with_the_lookback(tmp_path: Path) -> None:
    ws = make_repeated_units(tmp_path)
    (ws.use_case.folder / "outcomes.sql").write_text(
        """select u._partition, u.site, (max(c.load) < 1)::int as late, max(c.known_at) as known_at from units u
        join calls c on c.site = u.site and c._partition between (u._partition::date - 3)::varchar and u._partition
        group by all having count(distinct c._partition) = 4"""
    )
    publish_days(ws, DAYS)
    outcomes = ws.lake.entries("outcomes")
    assert {entry.rows for entry in outcomes.values()} == {2}
    assert list(outcomes["2013-03-06"].inputs["validated/calls"]) == [f"2013-03-0{day}" for day in range(3, 8)]


def test_repeated_units_need_a_complete_lookback_and_rows_of_a_source_do_not(tmp_path: Path) -> None:
    repeated = make_repeated_units(tmp_path).use_case
    assert repeated.partitions_with_units(["2013-03-02", "2013-03-04"]) == ["2013-03-04"]  # a lookback of 3
    assert make_use_case(tmp_path).partitions_with_units(["2013-03-01"]) == ["2013-03-01"]


def test_every_row_of_a_snapshot_is_a_unit(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, sources={"sites": SITES}, decision=EVERY_FOUR_DAYS | {"unit_source": "sites"})
    for stage, text in SQL.items():
        (ws.use_case.folder / f"{stage}.sql").write_text(text)
    land_extract(ws.landing, "sites.csv", csv_text(SITES, [("north", 3), ("south", 5)]))
    publish_days(ws, DAYS)
    assert [entry.rows for entry in ws.lake.entries("features").values()] == [2] * 6


def test_decisions_are_taken_in_fewer_partitions_than_are_learned_from(tmp_path: Path) -> None:
    ws = make_repeated_units(tmp_path)
    partitions = publish_days(ws, DAYS)
    today, decision_partitions = date(2013, 3, 12), ["2013-03-04", "2013-03-08", "2013-03-12"]
    learned = plan_training(ws.use_case, ws.lake, today).features
    assert list(learned) == ["2013-03-04", "2013-03-06", "2013-03-08", "2013-03-10"]
    version = put_champion_in_force(ws, today)
    end = ws.use_case.closes_at("2013-03-14")
    assert count_due(ws, partitions, "replay", end) == dict.fromkeys(decision_partitions, 2)
    assert list(take_decisions(ws, partitions, "replay", None)) == decision_partitions
    days = score_days(ws.use_case, ws.lake, ws.models, version, today, date(2013, 3, 15))
    assert [day.partition for day in days] == ["2013-03-12"]


def test_sql_that_leaves_a_partition_out_is_rejected(tmp_path: Path) -> None:
    ws = make_repeated_units(tmp_path)
    (ws.use_case.folder / "features.sql").write_text(SQL["features"] + " having u._partition <> '2013-03-06'")
    partitions = land_days(ws, DAYS)
    accept_partitions(ws, partitions)
    with pytest.raises(FeatureError, match="must return every unit exactly once"):
        FeatureWindow(ws.use_case, ws.lake, partitions).build()


def test_texts_are_quoted_in_a_sql_list() -> None:
    assert sql_list(["wait", "don't wait"]) == "'wait', 'don''t wait'"
    assert sql_list([]) == "null"
