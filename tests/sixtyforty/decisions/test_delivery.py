"""Decisions are delivered once, only if governance accepted their features, and again only when more are taken."""

from __future__ import annotations

import io
from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.delivery import (
    DeliveryError,
    deliver_decisions,
    escape_formulas,
    find_undelivered,
    write_files,
)
from sixtyforty.decisions.delivery_table import read_deliveries
from sixtyforty.storage.object_store import ObjectPath
from sixtyforty.workspace import Workspace
from tests.sixtyforty.decisions.conftest import KEY, mark_first_unit_suspect
from tests.small_portions import use_small_portions


@pytest.fixture(autouse=True, params=[False, True], ids=["undivided", "in portions"])
def portions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, ready: Workspace) -> None:
    """Run each test twice: with partitions in memory, and with portions of a few decisions."""
    if request.param:
        use_small_portions(monkeypatch)


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


def test_full_width_formulas_and_headers_are_escaped_too() -> None:
    rows = escape_formulas(pa.table({"=cmd()": ["＝1+1", "＠x"], "qty": [-1, 2]}))
    assert rows.to_pydict() == {"'=cmd()": ["'＝1+1", "'＠x"], "qty": [-1, 2]}


def test_large_partitions_are_delivered_in_portions_with_the_same_rows(
    ready: Workspace,
) -> None:
    """The second delivery adds decisions, and the third one replaces a decision that was taken again."""
    folder = ready.deliveries / "replay"
    delivered = []
    for time in (datetime(2013, 3, 13, 12), None):
        entries = {KEY: take_decisions(ready, [KEY], "replay", time)[KEY].entry}
        delivered.append(deliver_decisions(ready, entries, "replay")[KEY])
    stored = pq.read_table(ready.lake.local_file(entries[KEY]))
    assert [(part.rows, part.new) for part in delivered] == [(10, 10), (20, 10)]
    assert pq.read_table(folder / f"{KEY}.parquet") == stored
    assert (folder / f"{KEY}.csv").read_text().count("\n") == 21
    assert len(read_deliveries(ready, "replay")) == 20
    mark_first_unit_suspect(ready, KEY)
    again = take_decisions(ready, [KEY], "replay", None, anew=True)[KEY].entry
    assert deliver_decisions(ready, {KEY: again}, "replay")[KEY].new == 1
    reasons = [decision.reason for decision in read_deliveries(ready, "replay")]
    assert (len(reasons), reasons.count("a share above 1")) == (20, 1)


def test_files_in_an_object_store_are_written_once(
    ready: Workspace, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = {KEY: take_decisions(ready, [KEY], "replay", None)[KEY].entry}
    rows, folder = pq.read_table(ready.lake.local_file(entries[KEY])), ObjectPath(f"s3://{bucket}/deliveries")
    uploaded, upload = list[str](), ObjectPath.upload
    monkeypatch.setattr(ObjectPath, "upload", lambda path, file: (uploaded.append(path.name), upload(path, file)))
    for expected, count in ((rows, 2), (rows, 2), (rows.slice(0, 3), 4)):
        write_files(folder, "replay", KEY, expected, {}, ready.lake.scratch)
        assert len(uploaded) == count
        assert pq.read_table(io.BytesIO((folder / "replay" / f"{KEY}.parquet").read_bytes())) == expected
