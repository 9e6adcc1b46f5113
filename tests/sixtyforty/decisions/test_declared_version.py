"""A replay is outdated as soon as the declaration that decisions depend on changes, and only then."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.decisions.declared_version import declared_parts as parts_of_decisions
from sixtyforty.decisions.declared_version import declared_version, describe_outdated, find_outdated_replay
from sixtyforty.lifecycle.withdrawal import withdraw_model
from sixtyforty.modeling.built_by import FACT, declared_parts
from sixtyforty.workspace import Workspace
from tests.helpers import CALLS, SQL, make_use_case, make_workspace, merge, publish_days, put_champion_in_force

DAYS = [date(2013, 4, 1) + timedelta(days=i) for i in range(3)]
KEYS = [day.isoformat() for day in DAYS]
VETO = {"small": {"when": "load < 0.1", "never": "act", "why": "Too small."}}


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    """A home with three days of replayed decisions."""
    ws = make_workspace(tmp_path)
    publish_days(ws, DAYS)
    take_decisions(ws, KEYS, "replay", None)
    return ws


def declare(ws: Workspace, **changes: Any) -> Workspace:
    return replace(ws, use_case=make_use_case(ws.use_case.folder, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"kpi": {"actions": {"act": {"cost": 4}}}},
        {"model": {"vetoes": VETO}},
        {"model": {"params": {"max_iter": 6}}},
        {"gate": {"margin": 60}},
        {"replay": {"retrain": "week"}},
        {"sources": {"calls": {"known_at": "call_hour - interval 3 hour"}}},
        {"sources": {"calls": {"columns": {**CALLS["columns"], "load": "FLOAT"}}}},
    ],
)
def test_a_change_that_decisions_depend_on_outdates_the_replay(ws: Workspace, changes: dict[str, Any]) -> None:
    assert describe_outdated(ws, "replay") is None
    changed = declare(ws, **changes)
    assert describe_outdated(changed, "replay") == (
        "The replay is outdated: 3 of 3 days were decided by an earlier declaration."
        " Run `sixtyforty run calls_in_time --from 2013-04-01 --to 2013-04-03 --rebuild-replay`."
    )
    assert describe_outdated(changed, "live") is None


@pytest.mark.parametrize("stage", ["features", "outcomes", "current_process"])
def test_changed_sql_outdates_the_replay(ws: Workspace, stage: str) -> None:
    (ws.use_case.folder / f"{stage}.sql").write_text(f"{SQL[stage]} -- mended")
    assert find_outdated_replay(ws) is not None


@pytest.mark.parametrize("stage", ["features", "current_process"])
def test_the_command_of_an_outdated_replay_builds_all_features_of_an_earlier_sql_again(
    ws: Workspace, stage: str
) -> None:
    publish_days(ws, [DAYS[0] - timedelta(days=1)])
    facts = {FACT: declared_parts(ws.use_case, "features")}
    for partition, entry in ws.lake.entries("features").items():
        ws.lake.write("features", partition, pq.read_table(ws.lake.local_file(entry)), facts=facts)
    (ws.use_case.folder / f"{stage}.sql").write_text(f"{SQL[stage]} -- corrected")
    outdated = find_outdated_replay(ws)
    assert outdated is not None
    assert (outdated.outdated, outdated.first, outdated.last) == (3, "2013-03-31", "2013-04-03")


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "Another title"},
        {"kpi": {"target": 200}},
        {"replay": {"first_day": "2013-03-20"}},
        {"people": {"headcount": 9}},
        {"sources": {"calls": {"description": "From the new call centre.", "files": "new_*.csv"}}},
        {"sources": {"calls": {"columns": {**CALLS["columns"], "caller": "VARCHAR"}}}},
    ],
)
def test_a_change_that_no_decision_depends_on_outdates_nothing(ws: Workspace, changes: dict[str, Any]) -> None:
    assert find_outdated_replay(declare(ws, **changes)) is None


def test_a_field_that_a_later_release_added_counts_only_with_another_value_than_its_default(tmp_path: Path) -> None:
    blocks = {"kpi": {"block_days": 14}}  # the default; the tests' use case declares another length
    default = make_use_case(tmp_path, **blocks)
    parts = parts_of_decisions(default)
    later = {"min_training_rows", "min_units", "min_blocks", "block_days"}
    assert not later & parts["gate"].keys() and "confidence" in parts["gate"]
    assert all("forms" not in source for source in parts["sources"].values())
    stated: dict[str, Any] = {
        "gate": {"min_training_rows": 20, "min_units": 20, "min_blocks": 8},
        "kpi": {"block_days": 14},
        "sources": {"calls": {"decimal": "."}},
    }
    assert declared_version(make_use_case(tmp_path, **stated)) == declared_version(default)
    for changes in (
        {"gate": {"min_training_rows": 30}},
        {"gate": {"min_units": 30}},
        {"gate": {"min_blocks": 9}},
        {"kpi": {"block_days": 7}},
        {"sources": {"calls": {"decimal": ","}}},
        {"sources": {"calls": {"date_format": "%d.%m.%Y"}}},
    ):
        changed = make_use_case(tmp_path, **merge(blocks, changes))
        assert declared_version(changed) != declared_version(default)


def test_a_new_column_counts_where_sql_takes_all_columns(tmp_path: Path) -> None:
    def version(**changes: Any) -> str:
        use_case = make_use_case(tmp_path, **changes)
        (tmp_path / "features.sql").write_text("select u.*, 1 as one from units u")
        return declared_version(use_case)

    assert version() != version(sources={"calls": {"columns": {**CALLS["columns"], "caller": "VARCHAR"}}})


def test_decisions_made_anew_are_up_to_date_and_others_stay_outdated(ws: Workspace) -> None:
    changed = declare(ws, kpi={"actions": {"act": {"cost": 4}}})
    take_decisions(changed, KEYS[:1], "replay", None)
    assert find_outdated_replay(changed).outdated == 3, "taken decisions stay without anew"  # type: ignore[union-attr]
    take_decisions(changed, KEYS[:1], "replay", None, anew=True)
    outdated = find_outdated_replay(changed)
    assert outdated is not None
    assert (outdated.outdated, outdated.partitions, outdated.first) == (2, 3, KEYS[1])
    assert find_outdated_replay(changed, until=KEYS[0]) is None
    take_decisions(changed, KEYS, "replay", None, anew=True)
    assert find_outdated_replay(changed) is None


def test_the_version_of_every_declaration_in_a_partition_counts(ws: Workspace) -> None:
    day = DAYS[-1] + timedelta(days=1)
    (key,) = publish_days(ws, [day])
    noon = ws.use_case.opens_at(key) + timedelta(hours=8)
    take_decisions(ws, [key], "replay", noon)
    some = len(read_decisions(ws, key, "replay"))
    changed = declare(ws, kpi={"actions": {"act": {"cost": 4}}})
    take_decisions(changed, [key], "replay", None)
    assert 0 < some < len(read_decisions(changed, key, "replay"))
    assert find_outdated_replay(changed).outdated == 4  # type: ignore[union-attr]


def test_decisions_without_a_recorded_version_are_outdated(ws: Workspace) -> None:
    entry = ws.lake.entry("decisions/replay", KEYS[0])
    assert entry is not None
    facts = {name: fact for name, fact in entry.facts.items() if name != "declared_versions"}
    ws.lake.write("decisions/replay", KEYS[0], pq.read_table(ws.lake.local_file(entry)), facts=facts)
    assert find_outdated_replay(ws).outdated == 1  # type: ignore[union-attr]


def test_decisions_of_a_withdrawn_champion_are_outdated(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    publish_days(ws, [date(2013, 3, 20) + timedelta(days=i) for i in range(15)], count=20)
    version = put_champion_in_force(ws, date(2013, 4, 2))
    take_decisions(ws, KEYS, "replay", None)
    withdraw_model(ws, version, by="Ada", why="a leak", now=ws.use_case.day_start(DAYS[-1]))
    assert describe_outdated(ws, "replay") == (
        "The replay is outdated: 2 of 3 days were decided by a champion that was withdrawn."
        " Run `sixtyforty run calls_in_time --from 2013-04-02 --to 2013-04-03 --rebuild-replay`."
    )
    take_decisions(ws, KEYS[1:], "replay", None, anew=True)
    assert describe_outdated(ws, "replay") is None


def test_live_decisions_are_never_taken_anew(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    publish_days(ws, [date(2013, 3, 20) + timedelta(days=i) for i in range(15)], count=20)
    put_champion_in_force(ws, date(2013, 4, 1), "live")
    take_decisions(ws, KEYS, "live", None)
    before = ws.lake.entries("decisions/live")
    changed = declare(ws, kpi={"actions": {"act": {"cost": 9}}})
    take_decisions(changed, KEYS, "live", None, anew=True)
    assert ws.lake.entries("decisions/live") == before
