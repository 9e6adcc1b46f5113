"""The index holds what the manifests hold, whatever happened to the manifests and to its own files meanwhile."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sixtyforty.accounting import kpi_ledger, kpi_summary
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.storage import manifest_index
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.locks import exclusive_lock
from sixtyforty.storage.manifest_index import KEY_COLUMNS, ManifestIndex
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.object_store import ObjectPath
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace, publish_days
from tests.sixtyforty.value.test_segments import estimate

DATASET = "kpi/replay"
SCHEMA = pa.schema({"amount": pa.float64(), "parts": pa.list_(pa.int64())})
DAYS = ["2012-12-31", "2013-01-01", "2013-01-02", "2014-07-01"]
ACTIONS = st.one_of(
    st.tuples(
        st.sampled_from(["record", "write", "die while recording"]),
        st.dictionaries(st.sampled_from(DAYS), st.floats(-1e6, 1e6), min_size=1),
    ),
    st.tuples(st.just("drop"), st.sampled_from(DAYS)),
    st.tuples(st.sampled_from(["read", "delete the index", "delete a year"]), st.none()),
)


def to_row(entry: Entry) -> dict[str, Any]:
    return {"amount": entry.facts["amount"], "parts": [entry.rows]}


def open_index(folder: Path) -> ManifestIndex:
    return ManifestIndex(Lake(folder / "lake"), DATASET, folder / "cache", SCHEMA, to_row)


def write(lake: Lake, amounts: dict[str, float]) -> dict[str, Entry]:
    table = pa.table({"a": [1]})
    facts = {partition: {"amount": amount} for partition, amount in amounts.items()}
    return lake.write_all(DATASET, dict.fromkeys(amounts, table), facts=facts)


def read_manifests(index: ManifestIndex) -> list[dict[str, Any]]:
    return [{"_partition": p, **to_row(entry)} for p, entry in index.lake.entries(DATASET).items()]


def read_index(index: ManifestIndex) -> list[dict[str, Any]]:
    return index.table().drop_columns([KEY_COLUMNS[1]]).to_pylist()


@given(st.lists(ACTIONS, max_size=12))
@settings(max_examples=60, deadline=None)
def test_the_index_equals_the_manifests_after_any_sequence_of_changes(actions: list[tuple[str, Any]]) -> None:
    with TemporaryDirectory() as folder:
        index = open_index(Path(folder))
        for action, argument in actions:
            match action:
                case "record":
                    with open_index(Path(folder)).recording() as written:
                        written |= write(index.lake, argument)
                case "write":  # without updating the index
                    write(index.lake, argument)
                case "die while recording":
                    with pytest.raises(KeyboardInterrupt), index.recording() as written:
                        written |= write(index.lake, argument)
                        raise KeyboardInterrupt
                case "drop":
                    index.lake.drop(DATASET, argument)
                case "delete the index":
                    shutil.rmtree(index.folder, ignore_errors=True)
                case "delete a year":
                    for file in list(index.folder.glob("*.arrow"))[:1]:
                        file.unlink()
                case _:
                    assert read_index(index) == read_manifests(index)
        assert read_index(index) == read_manifests(index)


def test_a_recorded_partition_reads_no_other_manifest_and_writes_no_other_year(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = open_index(tmp_path)
    write(index.lake, dict.fromkeys(DAYS, 1.0))
    assert len(read_index(index)) == 4
    before = {f.name: f.stat().st_mtime_ns for f in index.folder.glob("*.arrow")}
    with index.recording() as written:
        written |= write(index.lake, {DAYS[3]: 5.0})
    monkeypatch.setattr(Lake, "entries", lambda *_: pytest.fail("a manifest was read"))
    manifest_index._read_years.cache_clear()
    assert [row["amount"] for row in read_index(index)] == [1.0, 1.0, 1.0, 5.0]
    after = {f.name: f.stat().st_mtime_ns for f in index.folder.glob("*.arrow")}
    assert {n for n in after if after[n] != before[n]} == {"2014.arrow"}


@pytest.mark.parametrize("is_outdated", [True, False])
def test_a_recording_does_not_wait_for_a_process_that_uses_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_outdated: bool
) -> None:
    """Due decisions must wait neither for the desk that reads a hundred years of manifests, nor for a halted one."""
    index = open_index(tmp_path)
    write(index.lake, {DAYS[0]: 1.0})
    if not is_outdated:
        assert read_index(index) == read_manifests(index)
    monkeypatch.setattr(manifest_index, "RECORDING_TIMEOUT", 3600 if is_outdated else 0.05)
    with exclusive_lock(index.folder / ".lock", "hold the index"), index.recording() as written:
        written |= write(index.lake, {DAYS[1]: 2.0})
    assert read_index(index) == read_manifests(index)
    assert len(read_index(index)) == 2


def test_partitions_that_another_machine_wrote_to_an_object_store_are_indexed(tmp_path: Path, bucket: str) -> None:
    this_lake, other_lake = (Lake(ObjectPath(f"s3://{bucket}/lake"), tmp_path / f"cache{i}") for i in (1, 2))
    index = ManifestIndex(this_lake, DATASET, tmp_path / "index", SCHEMA, to_row)
    assert read_index(index) == []
    with index.recording() as written:
        written |= write(this_lake, {DAYS[0]: 1.0, DAYS[1]: 2.0})
    assert read_index(index) == read_manifests(index)
    write(other_lake, {DAYS[1]: 3.0, DAYS[3]: 4.0})
    other_lake.drop(DATASET, DAYS[0])
    assert [row["amount"] for row in read_index(index)] == [3.0, 4.0]
    before = index._mark.stat().st_mtime_ns
    assert read_index(index) == read_manifests(index)
    assert index._mark.stat().st_mtime_ns == before


def test_a_dataset_that_was_never_written_has_no_index(tmp_path: Path) -> None:
    assert read_index(open_index(tmp_path)) == []
    assert not (tmp_path / "cache").exists()


def test_an_index_with_another_schema_is_built_again(tmp_path: Path) -> None:
    index = open_index(tmp_path)
    write(index.lake, {DAYS[0]: 1.0})
    read_index(index)
    other = ManifestIndex(
        index.lake, DATASET, tmp_path / "cache", pa.schema({"n": pa.int64()}), lambda entry: {"n": entry.rows}
    )
    assert read_index(other) == [{"_partition": DAYS[0], "n": 1}]
    assert read_index(index) == read_manifests(index)


def test_accounts_equal_the_manifests_after_a_restatement(tmp_path: Path) -> None:
    """A restated day replaces its earlier money, and the sums equal those of the manifests to the last bit."""
    ws, days = make_workspace(tmp_path, kpi={"segments": ["site"]}), [date(2013, 4, 1), date(2013, 4, 2)]
    publish_days(ws, days, count=20)
    partitions = [f"{d}" for d in days]
    take_decisions(ws, partitions, "replay", None)
    kpi_ledger.write_accounts(ws, partitions, "replay")
    assert kpi_ledger.read_daily_values(ws, "replay") == daily_values_of_manifests(ws)
    first, _ = kpi_ledger.read_daily_values(ws, "replay")

    outcomes = ws.lake.entry("outcomes", partitions[0])
    assert outcomes is not None
    rows = pq.read_table(ws.lake.local_file(outcomes))
    late = rows.set_column(rows.column_names.index("late"), "late", pa.array([1] * rows.num_rows, pa.int32()))
    ws.lake.write("outcomes", partitions[0], late, inputs=outcomes.inputs, code="test")
    kpi_ledger.write_accounts(ws, partitions[:1], "replay")
    restated = kpi_ledger.read_daily_values(ws, "replay")
    assert restated[0] != first
    assert restated == daily_values_of_manifests(ws)
    assert kpi_ledger.read_daily_values(ws, "replay", partitions[0]) == restated[:1]
    segments = [entry.facts["segments"] for entry in ws.lake.entries(DATASET).values()]
    assert kpi_summary.summarize_segments(ws, "replay") == estimate(segments)

    shutil.rmtree(ws.cache)
    assert kpi_ledger.read_daily_values(ws, "replay") == restated


def daily_values_of_manifests(ws: Workspace) -> list[DailyValue]:
    facts = [e.facts for e in ws.lake.entries(DATASET).values()]
    values = [DailyValue(**{k: v for k, v in f.items() if k in DailyValue.__dataclass_fields__}) for f in facts]
    return [day for day in values if day.decisions]
