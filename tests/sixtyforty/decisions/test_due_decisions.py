"""Due decisions are counted until they are taken; the live track starts with its first champion."""

from __future__ import annotations

from datetime import datetime

import pytest

from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.due_decisions import count_due, live_since, partitions_to_decide, scope_condition
from sixtyforty.storage.lake import Lake
from sixtyforty.workspace import Workspace
from tests.sixtyforty.decisions.conftest import KEY, adopt_at, mark_first_unit_suspect


def test_nothing_is_due_live_before_a_champion_is_adopted(ready: Workspace) -> None:
    assert live_since(ready, "live") is None
    assert live_since(ready, "replay") == datetime.min
    assert take_decisions(ready, [KEY], "live", datetime(2013, 3, 14)) == {}
    assert count_due(ready, [KEY], "live", datetime(2013, 3, 14)) == {}


def test_a_replay_decides_from_its_first_day(ready: Workspace) -> None:
    partitions = ["2013-03-31", "2013-04-01"]
    assert partitions_to_decide(ready, "replay", partitions) == partitions[1:]
    assert partitions_to_decide(ready, "live", partitions) == partitions


def test_due_decisions_are_counted_until_they_are_taken(ready: Workspace) -> None:
    adopt_at(ready, datetime(2013, 3, 13, 11))
    noon, later = datetime(2013, 3, 13, 12), datetime(2013, 3, 13, 14)
    assert live_since(ready, "live") == datetime(2013, 3, 13, 11)
    assert count_due(ready, [KEY], "live", noon) == {KEY: 10}
    take_decisions(ready, [KEY], "live", noon)
    assert count_due(ready, [KEY], "live", noon) == {}
    assert count_due(ready, [KEY], "live", later) == {KEY: 10}


def test_restated_features_make_no_taken_decision_due_again(ready: Workspace) -> None:
    take_decisions(ready, [KEY], "replay", None)
    mark_first_unit_suspect(ready, KEY)
    assert count_due(ready, [KEY], "replay", datetime(2013, 3, 14)) == {}


def test_the_replay_covers_every_unit(ready: Workspace) -> None:
    assert scope_condition(ready, "replay") == scope_condition(ready, "live") == "true"


def test_the_rows_of_decided_partitions_are_read_once(ready: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    take_decisions(ready, [KEY], "replay", None)
    mark_first_unit_suspect(ready, KEY)
    now = datetime(2013, 3, 14)
    assert count_due(ready, [KEY], "replay", now) == {}
    with monkeypatch.context() as patch:
        patch.setattr(Lake, "select_rows", lambda *_: pytest.fail("rows were read again"))
        assert count_due(ready, [KEY], "replay", now) == {}
    ready.lake.drop("decisions/replay", KEY)
    assert count_due(ready, [KEY], "replay", now) == {KEY: 20}


def test_a_partition_with_a_unit_of_later_is_looked_at_again(ready: Workspace) -> None:
    adopt_at(ready, datetime(2013, 3, 13, 11))
    take_decisions(ready, [KEY], "live", datetime(2013, 3, 13, 12))
    mark_first_unit_suspect(ready, KEY)
    assert count_due(ready, [KEY], "live", datetime(2013, 3, 13, 12)) == {}
    assert count_due(ready, [KEY], "live", datetime(2013, 3, 13, 14)) == {KEY: 10}
