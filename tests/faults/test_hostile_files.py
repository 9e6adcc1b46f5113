"""Files that nobody should send: each is reported or imported, and none stops, floods or deceives the chain."""

from __future__ import annotations

import csv as reader
import gzip
import json
import os
import resource
import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.delivery import deliver_decisions
from sixtyforty.ingest import extract_staging, landing_zone, reader_process
from sixtyforty.ingest.extract import RefusedExtractError
from sixtyforty.ingest.extract_reader import is_bounded
from sixtyforty.ingest.raw import ingest
from sixtyforty.ingest.reader_process import open_in_reader
from sixtyforty.modeling import features
from sixtyforty.spec.sources import Source
from sixtyforty.storage.files import file_sha256
from sixtyforty.storage.lake import Lake
from sixtyforty.workspace import Workspace
from tests.faults.worker import start_process, wait_for_exit
from tests.helpers import CALLS, UNJUDGED, accept_partitions, calls_on, csv_text, land_extract, make_workspace

DAY = date(2013, 3, 12)
P = DAY.isoformat()
NEXT = f"{DAY + timedelta(days=1)}"
BIG = 200 * 1024 * 1024
DISK_FULL = 7
GOOD = csv_text(CALLS, calls_on(DAY))


def ingest_calls(ws: Workspace) -> dict[str, int]:
    """Ingest the landing folder, and return the number of rows of the day, by partition."""
    entries = ingest(ws.use_case, "calls", ws.lake, ws.landing, [P], "test")
    return {partition: entry.rows for partition, entry in entries.items()}


def list_problems(ws: Workspace) -> dict[str, str | None]:
    """Return the problem of each landed file, by name."""
    return {extract.name: extract.problem for extract in ws.landing.known("calls")}


@pytest.mark.parametrize("content", [b"", csv_text(CALLS, []).encode()], ids=["empty", "only a header"])
def test_a_file_without_rows_removes_nothing_from_the_others(workspace: Workspace, content: bytes) -> None:
    land_extract(workspace.landing, "calls_2013-03-12a.csv", GOOD)
    land_extract(workspace.landing, "calls_2013-03-12b.csv", content)
    assert ingest_calls(workspace) == {P: 4}
    problem = list_problems(workspace)["calls_2013-03-12b.csv"]
    assert (problem is None) == bool(content)
    assert content or "the file is empty" in str(problem)


def write_zeros(path: Path, head: bytes) -> None:
    """Write 200 MB: some bytes, then zeros that take no room on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head)
    os.truncate(path, BIG)


def _measure_memory(folder: Path, output: Path) -> None:
    """Ingest in a process of its own, and write by how many bytes its memory grew at most."""
    ws = make_workspace(folder)
    land_extract(ws.landing, "calls_2013-03-11.csv", csv_text(CALLS, calls_on(DAY - timedelta(days=1))))
    ingest_calls(ws)  # so that all libraries are loaded
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, head in (("calls_2013-03-12a.csv", b""), ("calls_2013-03-12b.csv", GOOD.encode())):
        assert isinstance(ws.landing.folder, Path)
        write_zeros(ws.landing.folder / name, head)
    ingest_calls(ws)
    assert {problem for problem in list_problems(ws).values() if problem} == {
        "the file is not a text file: byte 0 is zero. Ask the sender for a text file.",
        f"the file is not a text file: byte {len(GOOD)} is zero. Ask the sender for a text file.",
    }
    output.write_text(str(1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)))


def test_two_hundred_megabytes_of_zeros_are_refused_within_the_memory_of_one_file(tmp_path: Path) -> None:
    assert wait_for_exit(start_process(_measure_memory, tmp_path, tmp_path / "growth")) == 0
    assert int((tmp_path / "growth").read_text()) < 1.2 * BIG


@pytest.mark.parametrize(
    "name",
    [
        "calls_of the day.csv",
        "calls_...csv",
        "calls_a\nb.csv",
        "calls_=cmd|' -C calc'!A0.csv",
        "calls_'; drop table calls; --.csv",
        "calls_ä*?[1].csv",
    ],
)
def test_a_file_name_is_never_interpreted(workspace: Workspace, name: str) -> None:
    land_extract(workspace.landing, name, GOOD)
    assert ingest_calls(workspace) == {P: 4}
    assert list_problems(workspace) == {name: None}
    accept_partitions(workspace, [P])
    assert features.FeatureWindow(workspace.use_case, workspace.lake, [P]).build().tables[P].num_rows == 4


def test_a_link_out_of_the_landing_folder_is_not_followed(workspace: Workspace, tmp_path: Path) -> None:
    land_extract(workspace.landing, "calls_2013-03-12.csv", GOOD)
    secret = tmp_path / "elsewhere.csv"
    secret.write_text(csv_text(CALLS, [(7, "secret", f"{P} 12:00:00", 0.1)]))
    Path(f"{workspace.landing.folder}/calls_2013-03-12_link.csv").symlink_to(secret)
    assert ingest_calls(workspace) == {P: 4}
    unread = workspace.landing.unread["calls"]
    assert "links to a file outside the folder" in unread["calls_2013-03-12_link.csv"]


def test_a_link_within_the_landing_folder_is_read(workspace: Workspace) -> None:
    file = land_extract(workspace.landing, "arrived", GOOD)
    Path(f"{workspace.landing.folder}/calls_2013-03-12.csv").symlink_to(file)
    assert ingest_calls(workspace) == {P: 4}


@pytest.mark.parametrize(
    ("module", "step"),
    [(landing_zone, "file_sha256"), (extract_staging, "read_extract"), (extract_staging, "add_chunks")],
)
def test_a_file_replaced_while_it_is_read_is_imported_at_the_next_scan(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, module: ModuleType, step: str
) -> None:
    """The rows of one content never get the hash of the other."""
    monkeypatch.setattr(extract_staging, "ROWS_PER_BATCH", 1)
    old, new = GOOD, csv_text(CALLS, calls_on(DAY, count=8))
    path = land_extract(workspace.landing, "calls_2013-03-12.csv", old)
    original, fresh = getattr(module, step), path.with_name(".fresh")

    def read_then_replace(*arguments: Any) -> Any:
        output = original(*arguments)
        if not fresh.exists():
            fresh.write_text(new)
            os.utime(fresh, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
            shutil.copy2(fresh, path.with_name(".again")).replace(path)
        return output

    monkeypatch.setattr(module, step, read_then_replace)
    assert ingest_calls(workspace) == {}
    assert ingest_calls(workspace) == {P: 8}
    (known,) = workspace.landing.known("calls")
    assert known.sha256 == file_sha256(path)


def test_a_file_replaced_after_the_scan_is_not_read_as_the_scanned_one(workspace: Workspace) -> None:
    path = land_extract(workspace.landing, "calls_2013-03-12.csv", GOOD)
    scanned = workspace.landing.scan("calls")
    workspace.landing._staged.clear()
    path.write_text(csv_text(CALLS, calls_on(DAY, count=8)))
    assert workspace.landing.lines("calls", scanned) == {}
    assert ingest_calls(workspace) == {P: 8}


FORMULAS = ["=cmd|' /C calc'!A0", "+1+1", "-1-1", "@SUM(A1)", "\t=1+1"]


def test_a_formula_is_text_in_the_csv_for_people_and_unchanged_in_the_parquet_for_programs(tmp_path: Path) -> None:
    columns = {"id": "VARCHAR"}
    ws = make_workspace(tmp_path, sources={"calls": {"columns": columns}, "visits": {"columns": columns}})
    rows = [(n, "north", f"{P} 1{i}:00:00", 0.5) for i, n in enumerate([*FORMULAS, "an equation 1=1"])]
    land_extract(ws.landing, "calls_2013-03-12.csv", csv_text(CALLS, rows))
    accept_partitions(ws, [P])
    made = features.FeatureWindow(ws.use_case, ws.lake, [P]).build()
    built = made.tables[P].append_column("suspect", pa.nulls(made.tables[P].num_rows, pa.string()))
    ws.lake.write("features", P, built, inputs=made.inputs[P], code="test", facts=UNJUDGED)
    decided = take_decisions(ws, [P], "replay", None)
    deliver_decisions(ws, {P: decided[P].entry}, "replay")
    with Path(f"{ws.deliveries}/replay/{P}.csv").open(newline="") as file:
        shown = {row["id"] for row in reader.DictReader(file)}
    assert shown == {"'" + f for f in FORMULAS} | {"an equation 1=1"}
    delivered = pq.read_table(ws.deliveries / "replay" / f"{P}.parquet")["id"].to_pylist()
    assert set(delivered) == {*FORMULAS, "an equation 1=1"}


def _write_on_a_small_disk(root: Path, limit: int) -> None:
    """Write a partition where no file may exceed a size; exit with DISK_FULL if it does."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        Lake(root).write("things", "2013-03-12", pa.table({"n": list(range(100_000))}))
    except OSError:
        os._exit(DISK_FULL)


def test_a_full_disk_leaves_the_old_version_in_force_and_no_other_file(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    old = lake.write("things", "2013-03-12", pa.table({"n": [1, 2, 3]}))
    files = sorted(path.name for path in (tmp_path / "things").iterdir())
    assert wait_for_exit(start_process(_write_on_a_small_disk, tmp_path, 20_000)) == DISK_FULL
    assert sorted(path.name for path in (tmp_path / "things").iterdir()) == files
    assert lake.entry("things", "2013-03-12") == old
    assert lake.local_file(old).exists()
    assert wait_for_exit(start_process(_write_on_a_small_disk, tmp_path, 2_000_000)) == 0
    entry = lake.entry("things", "2013-03-12")
    assert entry is not None
    assert entry.rows == 100_000


def write_line_of_quotes(path: Path) -> None:
    path.write_bytes(b"id,site,call_hour,load\n1," + b'"' * (50 << 20) + b"\n")


def write_open_quote(path: Path) -> None:
    path.write_bytes(b'id,site,call_hour,load\n1,"north\n' + b"1,a,b,c\n" * (3 << 20))


def write_one_line(path: Path) -> None:
    with gzip.open(path, "wb", 1) as file:
        file.write(b"id,site,call_hour,load\n")
        for _ in range(16):
            file.write(b"a" * (1 << 24))


def write_many_keys(path: Path) -> None:
    path.write_text(json.dumps({"id": 1, "site": 2} | {f"k{number}": number for number in range(10**6)}))


def write_repeated_text(path: Path) -> None:
    columns = {"id": pa.array(range(10_000)), "load": pa.nulls(10_000)}
    for column, kind in (("site", pa.string()), ("call_hour", pa.large_string())):
        texts = pa.array(["x" * 100_000], kind)
        columns[column] = pa.DictionaryArray.from_arrays(pa.array([0] * 10_000, pa.int32()), texts)
    pq.write_table(pa.table(columns), path)


def write_lists_of_repeated_text(path: Path) -> None:
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 100_000, pa.int32()), pa.array(["x" * 100_000]))
    lists = pa.ListArray.from_arrays(pa.array([0, 100_000]), texts)
    nulls = pa.nulls(1)
    pq.write_table(pa.table({"id": [1], "site": lists, "call_hour": nulls, "load": nulls}), path)


def write_repeated_blocks(path: Path) -> None:
    """Write a column of 10,000 blocks of 100,000 bytes, which the file stores once. Arrow holds each of them."""
    numbers, nulls = pa.array(range(500)), pa.nulls(500)
    blocks = pa.DictionaryArray.from_arrays(pa.array([0] * 500, pa.int32()), pa.array([b"x" * 10**5], pa.binary(10**5)))
    table = pa.table({"id": numbers, "site": blocks, "call_hour": nulls, "load": nulls})
    with pq.ParquetWriter(path, table.schema) as writer:
        for _ in range(20):
            writer.write_table(table)


def write_sparse_file(path: Path) -> None:
    path.write_bytes(GOOD.encode())
    os.truncate(path, 5 << 30)


HOSTILE_WRITERS = (
    write_line_of_quotes,
    write_open_quote,
    write_one_line,
    write_many_keys,
    write_repeated_text,
    write_lists_of_repeated_text,
    write_repeated_blocks,
    write_sparse_file,
)
READER_MEMORY = 450 << 20  # what the reader process needs, whatever the file; its limit is 1,012 MB at this setting


def _measure_reading(path: Path, output: Path) -> None:
    """Read a file to its end in the reader process, and write how many bytes of memory that process held at most."""
    os.environ["SIXTYFORTY_MEMORY"] = "512MB"
    source = Source(**CALLS | {"files": "*"})
    assert not is_bounded(path, source)
    with suppress(RefusedExtractError), open_in_reader(path, source, path.parent) as opened:
        for _ in opened.chunks:
            pass
    assert reader_process._reader is not None
    status = Path(f"/proc/{reader_process._reader.process.pid}/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    output.write_text(str(1024 * int(peak.split()[1])))


@pytest.mark.parametrize("write", HOSTILE_WRITERS)
def test_a_hostile_file_is_read_within_the_memory_of_the_reader(tmp_path: Path, write: Callable[[Path], None]) -> None:
    write(tmp_path / "file")
    assert wait_for_exit(start_process(_measure_reading, tmp_path / "file", tmp_path / "peak")) == 0
    assert int((tmp_path / "peak").read_text()) < READER_MEMORY


def write_page_of_a_wrong_size(path: Path) -> None:
    """Write a Parquet file of 5 KB with a page whose header says that it unpacks to 2 GB."""
    size, levels = 1 << 27, 6  # a text of this size, with its length and its levels
    columns = {"id": [1], "site": ["x" * size], "call_hour": pa.nulls(1), "load": pa.nulls(1)}
    pq.write_table(
        pa.table(columns),
        path,
        use_dictionary=False,
        compression="zstd",
        write_statistics=False,
        data_page_version="2.0",
    )
    content, stated, wrong = path.read_bytes(), _thrift_number(size + levels), _thrift_number((1 << 31) - 16)
    assert content.count(stated) == 1
    path.write_bytes(content.replace(stated, wrong))


def _thrift_number(number: int) -> bytes:
    """Return a positive number as Parquet's headers hold it."""
    rest, digits = 2 * number, bytearray()
    while rest >= 1 << 7:
        digits.append(rest % (1 << 7) + (1 << 7))
        rest >>= 7
    return bytes([*digits, rest])


def test_a_file_beyond_the_limit_is_refused_with_the_setting_to_raise_and_the_feed_goes_on(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIXTYFORTY_MEMORY", "512MB")
    land_extract(workspace.landing, "calls_2013-03-12a.csv", GOOD)
    write_page_of_a_wrong_size(land_extract(workspace.landing, "calls_2013-03-12b.csv", b""))
    assert ingest_calls(workspace) == {P: 4}
    assert [extract.rows for extract in workspace.landing.known("calls")] == [4, 1]
    assert list_problems(workspace) == {
        "calls_2013-03-12a.csv": None,
        "calls_2013-03-12b.csv": "reading the file needs more than 1,012 MB of memory. Raise SIXTYFORTY_MEMORY, or ask"
        " the sender to split the file.",
    }
