"""Decisions are delivered once, only if governance accepted their features, and again only when more are taken."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.delivery import DeliveryError, deliver_decisions, escape_formulas, find_undelivered
from sixtyforty.workspace import Workspace
from tests.sixtyforty.decisions.conftest import KEY


def test_decisions_on_refused_features_are_not_delivered(ready: Workspace) -> None:
    entries = {KEY: take_decisions(ready, [KEY], "replay", None)[KEY].entry}
    features = ready.lake.entry("features", KEY)
    assert features
    rows = pq.read_table(ready.lake.local_file(features))
    refused = {**features.facts, "verdict": {**features.facts["verdict"], "accepted": False}}
    (ready.lake.root / "features" / f"{KEY}.json").unlink()
    with pytest.raises(DeliveryError, match="which governance refused"):
        deliver_decisions(ready, entries, "replay")
    ready.lake.write("features", KEY, rows, inputs=features.inputs, code="test", facts=refused)
    with pytest.raises(DeliveryError, match=KEY):
        deliver_decisions(ready, entries, "replay")
    assert find_undelivered(ready, "replay", entries) == {KEY}


def test_a_partition_counts_as_delivered_until_more_is_decided(ready: Workspace) -> None:
    half = {KEY: take_decisions(ready, [KEY], "replay", datetime(2013, 3, 13, 12))[KEY].entry}
    assert find_undelivered(ready, "replay", half) == {KEY}
    deliver_decisions(ready, half, "replay")
    assert find_undelivered(ready, "replay", half) == set()
    complete = {KEY: take_decisions(ready, [KEY], "replay", None)[KEY].entry}
    assert find_undelivered(ready, "replay", complete) == {KEY}


def test_the_files_hold_every_decision_and_stay_unchanged(ready: Workspace) -> None:
    entries = {KEY: take_decisions(ready, [KEY], "replay", None)[KEY].entry}
    delivered = deliver_decisions(ready, entries, "replay")[KEY]
    assert delivered.files == [f"replay/{KEY}.csv", f"replay/{KEY}.parquet"]
    csv_file, parquet_file = (ready.deliveries / name for name in delivered.files)
    assert len(csv_file.read_bytes().splitlines()) == 21
    assert "policy" not in csv_file.read_bytes().decode().splitlines()[0]
    assert pq.read_table(str(parquet_file)).num_rows == 20
    before = csv_file.read_bytes()
    deliver_decisions(ready, entries, "replay")
    assert csv_file.read_bytes() == before


def test_formulas_are_escaped_for_spreadsheets() -> None:
    rows = pa.table({"reason": ["=1+1", "-2", "+3", "@x", "\ty", "plain", None], "number": list(range(7))})
    assert escape_formulas(rows)["reason"].to_pylist() == ["'=1+1", "'-2", "'+3", "'@x", "'\ty", "plain", None]
