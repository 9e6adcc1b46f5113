"""Decisions are stored with their columns, counted in the manifest, and read in order."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa

from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import (
    TakenDecisions,
    decision_schema,
    decisions_dataset,
    read_decisions,
)
from sixtyforty.workspace import Workspace
from tests.sixtyforty.decisions.conftest import KEY


def test_the_manifest_counts_who_decided(ready: Workspace) -> None:
    half = take_decisions(ready, [KEY], "replay", datetime(2013, 3, 13, 12))[KEY]
    all_taken = take_decisions(ready, [KEY], "replay", None)[KEY]
    assert (half.new, half.by_model, all_taken.new, all_taken.by_model) == (10, 10, 10, 20)
    entry = ready.lake.entry(decisions_dataset("replay"), KEY)
    assert entry
    assert entry.facts | {"model": 20, "current_process": 0, "fallback": 0} == entry.facts
    assert TakenDecisions.from_entry(entry, 0) == TakenDecisions(entry, 0, 20, 0, 0)


def test_decisions_are_read_in_order_of_their_time_with_every_column(ready: Workspace) -> None:
    take_decisions(ready, [KEY], "replay", None)
    decisions = read_decisions(ready, KEY, "replay")
    order = [(d.decided_at, d.decision_id) for d in decisions]
    assert order == sorted(order)
    assert list(decisions[0].to_dict()) == decision_schema(ready, pa.schema([("id", pa.int32())])).names
    assert list(decisions[0].unit) == ready.use_case.decision.key
    assert read_decisions(ready, KEY, "live") == []


def test_only_the_decisions_with_some_ids_are_read(ready: Workspace) -> None:
    take_decisions(ready, [KEY], "replay", None)
    decisions = read_decisions(ready, KEY, "replay")
    ids = [decisions[3].decision_id, "unknown", decisions[1].decision_id]
    assert read_decisions(ready, KEY, "replay", ids) == [decisions[1], decisions[3]]
    assert read_decisions(ready, KEY, "replay", []) == []
