"""What was gathered from manifests is what they say, whatever became of them and of the gathered files meanwhile."""

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
from sixtyforty.storage.manifest_index import KEY_COLUMNS, ManifestIndex
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.object_store import ObjectPath
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace, publish
from tests.sixtyforty.value.test_segments import over

DATASET = "kpi/replay"
SCHEMA = pa.schema({"worth": pa.float64(), "parts": pa.list_(pa.int64())})
DAYS = ["2012-12-31", "2013-01-01", "2013-01-02", "2014-07-01"]
DEEDS = st.one_of(
    st.tuples(
        st.sampled_from(["follow", "write", "killed"]),
        st.dictionaries(st.sampled_from(DAYS), st.floats(-1e6, 1e6), min_size=1),
    ),
    st.tuples(st.just("drop"), st.sampled_from(DAYS)),
    st.tuples(st.sampled_from(["read", "forget", "lose a year"]), st.none()),
)


def row(entry: Entry) -> dict[str, Any]:
    return {"worth": entry.facts["worth"], "parts": [entry.rows]}


def opened(folder: Path) -> ManifestIndex:
    return ManifestIndex(Lake(folder / "lake"), DATASET, folder / "cache", SCHEMA, row)


def write(lake: Lake, worth: dict[str, float]) -> dict[str, Entry]:
    nothing = pa.table({"a": [1]})
    return lake.write_all(DATASET, dict.fromkeys(worth, nothing), facts={p: {"worth": w} for p, w in worth.items()})


def recounted(one: ManifestIndex) -> list[dict[str, Any]]:
    return [{"_partition": p, **row(e)} for p, e in one.lake.entries(DATASET).items()]


def found(one: ManifestIndex) -> list[dict[str, Any]]:
    return one.table().drop_columns([KEY_COLUMNS[1]]).to_pylist()


@given(st.lists(DEEDS, max_size=12))
@settings(max_examples=60, deadline=None)
def test_what_is_gathered_is_what_a_full_recount_finds(deeds: list[tuple[str, Any]]) -> None:
    with TemporaryDirectory() as folder:
        one = opened(Path(folder))
        for deed, given_ in deeds:
            match deed:
                case "follow":
                    with opened(Path(folder)).recording() as made:
                        made |= write(one.lake, given_)
                case "write":  # by someone who doesn't know of it
                    write(one.lake, given_)
                case "killed":
                    with pytest.raises(KeyboardInterrupt), one.recording() as made:
                        made |= write(one.lake, given_)
                        raise KeyboardInterrupt
                case "drop":
                    one.lake.drop(DATASET, given_)
                case "forget":
                    shutil.rmtree(one.folder, ignore_errors=True)
                case "lose a year":
                    for file in list(one.folder.glob("*.arrow"))[:1]:
                        file.unlink()
                case _:
                    assert found(one) == recounted(one)
        assert found(one) == recounted(one)


def test_one_more_partition_reads_no_other_manifest_and_writes_no_other_year(tmp_path, monkeypatch):
    one = opened(tmp_path)
    write(one.lake, dict.fromkeys(DAYS, 1.0))
    assert len(found(one)) == 4
    before = {f.name: f.stat().st_mtime_ns for f in one.folder.glob("*.arrow")}
    with one.recording() as made:
        made |= write(one.lake, {DAYS[3]: 5.0})
    monkeypatch.setattr(Lake, "entries", lambda *_: pytest.fail("a manifest was read"))
    manifest_index._read_years.cache_clear()
    assert [r["worth"] for r in found(one)] == [1.0, 1.0, 1.0, 5.0]
    after = {f.name: f.stat().st_mtime_ns for f in one.folder.glob("*.arrow")}
    assert {n for n in after if after[n] != before[n]} == {"2014.arrow"}


def test_of_an_object_store_too_what_another_machine_wrote_is_found(tmp_path, bucket):
    here, there = (Lake(ObjectPath(f"s3://{bucket}/lake"), tmp_path / f"cache{i}") for i in (1, 2))
    one = ManifestIndex(here, DATASET, tmp_path / "gathered", SCHEMA, row)
    assert found(one) == []
    with one.recording() as made:
        made |= write(here, {DAYS[0]: 1.0, DAYS[1]: 2.0})
    assert found(one) == recounted(one)
    write(there, {DAYS[1]: 3.0, DAYS[3]: 4.0})
    there.drop(DATASET, DAYS[0])
    assert [r["worth"] for r in found(one)] == [3.0, 4.0]
    before = one._mark.stat().st_mtime_ns
    assert found(one) == recounted(one)
    assert one._mark.stat().st_mtime_ns == before


def test_where_nothing_was_written_nothing_is_gathered(tmp_path):
    assert found(opened(tmp_path)) == []
    assert not (tmp_path / "cache").exists()


def test_another_shape_is_gathered_anew(tmp_path):
    one = opened(tmp_path)
    write(one.lake, {DAYS[0]: 1.0})
    found(one)
    other = ManifestIndex(one.lake, DATASET, tmp_path / "cache", pa.schema({"n": pa.int64()}), lambda e: {"n": e.rows})
    assert found(other) == [{"_partition": DAYS[0], "n": 1}]
    assert found(one) == recounted(one)


def test_money_is_that_of_the_manifests_after_a_restatement(tmp_path):
    """A restated day's money replaces what it was; what is summed up is what each manifest says, to the last bit."""
    ws, days = make_workspace(tmp_path, kpi={"segments": ["site"]}), [date(2013, 4, 1), date(2013, 4, 2)]
    publish(ws, days, count=20)
    partitions = [f"{d}" for d in days]
    take_decisions(ws, partitions, "replay", None)
    kpi_ledger.write_accounts(ws, partitions, "replay")
    assert kpi_ledger.read_daily_values(ws, "replay") == by_manifest(ws)
    first, _ = kpi_ledger.read_daily_values(ws, "replay")

    outcomes = ws.lake.entry("outcomes", partitions[0])
    assert outcomes is not None
    rows = pq.read_table(ws.lake.local_file(outcomes))
    late = rows.set_column(rows.column_names.index("late"), "late", pa.array([1] * rows.num_rows, pa.int32()))
    ws.lake.write("outcomes", partitions[0], late, inputs=outcomes.inputs, code="test")
    kpi_ledger.write_accounts(ws, partitions[:1], "replay")
    restated = kpi_ledger.read_daily_values(ws, "replay")
    assert restated[0] != first
    assert restated == by_manifest(ws)
    assert kpi_ledger.read_daily_values(ws, "replay", partitions[0]) == restated[:1]
    said = [e.facts["segments"] for e in ws.lake.entries(DATASET).values()]
    assert kpi_summary.summarise_segments(ws, "replay") == over(said)

    shutil.rmtree(ws.cache)
    assert kpi_ledger.read_daily_values(ws, "replay") == restated


def by_manifest(ws: Workspace) -> list[DailyValue]:
    facts = [e.facts for e in ws.lake.entries(DATASET).values()]
    found = [DailyValue(**{k: v for k, v in f.items() if k in DailyValue.__dataclass_fields__}) for f in facts]
    return [day for day in found if day.decisions]
