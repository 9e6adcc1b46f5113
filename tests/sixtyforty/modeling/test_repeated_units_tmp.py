"""Units asked about anew in each partition: by SQL or from a snapshot, decided about in some, learned from in more."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.due_decisions import count_due
from sixtyforty.modeling import feature_sql, features, training_plan
from sixtyforty.modeling.backtest import score_block
from sixtyforty.reports import current_state
from sixtyforty.workspace import Workspace
from tests.helpers import (
    SITES,
    accept_partitions,
    csv_text,
    find_leakage,
    land_days,
    land_extract,
    make_use_case,
    make_workspace,
    publish_days,
    put_champion_in_force,
)

DAYS = [date(2013, 3, 1) + timedelta(days=i) for i in range(14)]
TWICE_A_WEEK = {
    "unit_source": None,
    "key": ["site"],
    "decided_at": "starts_at + interval 6 hour",
    "every": 4,
    "on": "2013-03-08",
    "learn_every_partitions": 2,
}
SQL = {
    "units": "select distinct m._partition, c.site from decision_partitions m join calls c on c.call_hour < m.starts_at",
    "features": """
        select u._partition, u.site, avg(c.load) as load, count(*) as calls from units u
        join calls c on c.site = u.site and c.known_at <= u.decided_at
            and c.call_hour between u.decided_at - interval 2 day and u.decided_at group by all""",
    "current_process": "select _partition, site, if(site = 'north', 'act', 'wait') as action from units",
    "outcomes": """
        select u._partition, u.site, max(v.late) as late, max(v.known_at) as known_at from units u
        join calls c on c.site = u.site and c._partition = u._partition join visits v using (id) group by all""",
}


def sites(folder: Path, **decision: Any) -> Workspace:
    """Each site is asked about anew: learned from every second day, decided about every fourth."""
    ws = make_workspace(folder, decision=TWICE_A_WEEK | decision)
    for stage, text in SQL.items():
        (ws.use_case.folder / f"{stage}.sql").write_text(text)
    return ws


def test_a_unit_comes_again_and_each_time_it_is_another(tmp_path: Path) -> None:
    ws = sites(tmp_path)
    partitions = publish_days(ws, DAYS)
    have = ws.lake.entries("features")
    assert list(have) == ["2013-03-04", "2013-03-06", "2013-03-08", "2013-03-10", "2013-03-12", "2013-03-14"]
    assert {e.rows for e in have.values()} == {2}
    assert find_leakage(ws, partitions, sample=6) == []
    together = features.FeatureWindow(ws.use_case, ws.lake, partitions).build()
    for p in have:
        assert features.FeatureWindow(ws.use_case, ws.lake, [p]).build().tables[p].equals(together.tables[p])


def test_days_are_told_as_decisions(tmp_path: Path) -> None:
    assert sites(tmp_path / "days").use_case.decision_count(28) == 7
    assert make_use_case(tmp_path / "hours", partitions={"every": "hour"}).decision_count(2) == 48
    yearly = {"every": 12, "on": "2013-03-01"}
    assert make_use_case(tmp_path / "years", partitions={"every": "month"}, decision=yearly).decision_count(28) == 1


def test_an_outcome_may_be_measured_against_what_was_before(tmp_path: Path) -> None:
    ws = sites(tmp_path)
    (ws.use_case.folder / "outcomes.sql").write_text(
        """select u._partition, u.site, (max(c.load) < 1)::int as late, max(c.known_at) as known_at from units u
        join calls c on c.site = u.site and c._partition between (u._partition::date - 3)::varchar and u._partition
        group by all having count(distinct c._partition) = 4"""
    )
    publish_days(ws, DAYS)
    made = ws.lake.entries("outcomes")
    assert {e.rows for e in made.values()} == {2}
    assert list(made["2013-03-06"].inputs["validated/calls"]) == [f"2013-03-0{n}" for n in range(3, 8)]


def test_nothing_is_asked_before_a_whole_lookback_has_gone_by(tmp_path: Path) -> None:
    assert sites(tmp_path).use_case.partitions_with_units(["2013-03-02", "2013-03-04"]) == ["2013-03-04"]  # lookback 3
    assert make_use_case(tmp_path).partitions_with_units(["2013-03-01"]) == ["2013-03-01"]  # rows that came are there


def test_a_snapshot_is_asked_about_as_a_whole(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, sources={"sites": SITES}, decision=TWICE_A_WEEK | {"unit_source": "sites"})
    for stage, text in SQL.items():
        (ws.use_case.folder / f"{stage}.sql").write_text(text)
    land_extract(ws.landing, "sites.csv", csv_text(SITES, [("north", 3), ("south", 5)]))
    publish_days(ws, DAYS)
    assert [e.rows for e in ws.lake.entries("features").values()] == [2] * 6


def test_it_is_decided_about_in_fewer_partitions_than_it_is_learned_from(tmp_path: Path) -> None:
    ws = sites(tmp_path)
    partitions = publish_days(ws, DAYS)
    case, today = ws.use_case, date(2013, 3, 12)
    assert list(training_plan.plan_training(case, ws.lake, today).features) == [
        "2013-03-04",
        "2013-03-06",
        "2013-03-08",
        "2013-03-10",
    ]
    version = put_champion_in_force(ws, today)
    moment = case.closes_at("2013-03-14")
    assert count_due(ws, partitions, "replay", moment) == {"2013-03-04": 2, "2013-03-08": 2, "2013-03-12": 2}
    assert list(take_decisions(ws, partitions, "replay", None)) == ["2013-03-04", "2013-03-08", "2013-03-12"]
    present = current_state.present(ws)
    assert present and (present["from"], present["to"], present["decisions"]) == ("2013-03-04", "2013-03-12", 6)
    valued = score_block(case, ws.lake, ws.models, version, today, date(2013, 3, 15))
    assert [d.partition for d in valued] == ["2013-03-12"]


@pytest.mark.parametrize(
    "wrong", [{"learn_every_partitions": 3}, {"learn_every_partitions": 2, "every": 1, "on": None}]
)
def test_what_is_learned_from_holds_what_is_decided(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="is a multiple of it"):
        sites(tmp_path, **wrong)


def test_sql_that_leaves_a_moment_out_is_refused(tmp_path: Path) -> None:
    ws = sites(tmp_path)
    (ws.use_case.folder / "features.sql").write_text(SQL["features"] + " having u._partition <> '2013-03-06'")
    partitions = land_days(ws, DAYS)
    accept_partitions(ws, partitions)
    with pytest.raises(feature_sql.FeatureError, match="must give every unit exactly once"):
        features.FeatureWindow(ws.use_case, ws.lake, partitions).build()
