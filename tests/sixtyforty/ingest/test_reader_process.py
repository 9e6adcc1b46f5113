"""Extracts are read in a process of its own, whose end is noticed, and which ends with its run."""

from __future__ import annotations

import gzip
import os
import re
import signal
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sixtyforty.ingest import reader_process
from sixtyforty.ingest.extract import Chunk, RefusedExtractError
from sixtyforty.ingest.extract_reader import read_extract
from sixtyforty.ingest.raw import ingest
from sixtyforty.ingest.reader_process import BrokenReaderError, open_in_reader, stop_reader
from sixtyforty.spec.sources import Source
from sixtyforty.workspace import Workspace
from tests.breaking_reader import use_breaking_reader
from tests.dagster_runs import wait_for
from tests.faults.worker import KILLED, start_process, wait_for_exit
from tests.helpers import CALLS, calls_on, csv_text, land_extract

SOURCE = Source(description="Parcels.", files="parcels_*", columns={"parcel": "INTEGER"}, key=["parcel"])
TEXT = b"parcel,weight\n1,2\n2,3\nbroken\n3,4\n"
LIMIT = (512 + 500) * 10**6


@pytest.fixture(autouse=True)
def new_reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test starts without a reader process, and leaves none."""
    monkeypatch.setenv("SIXTYFORTY_MEMORY", "512MB")
    stop_reader()
    yield
    stop_reader()


def read(file: Path) -> tuple[list[Chunk], list[str]]:
    """Return the chunks that the reader process sends, and the undeclared columns."""
    with open_in_reader(file, SOURCE, file.parent) as opened:
        chunks = list(opened.chunks)
    return chunks, opened.undeclared


def reader_pid() -> int:
    assert reader_process._reader is not None
    return reader_process._reader.process.pid


def write(folder: Path, kind: str) -> Path:
    file = folder / f"parcels_1.{kind}"
    if kind == "parquet":
        pq.write_table(pa.table({"parcel": [1, 2], "weight": [3, 4]}), file)
    elif kind == "json":
        file.write_bytes(b'{"parcel": 1, "weight": 2}\nbroken\n')
    else:
        file.write_bytes(gzip.compress(TEXT) if kind == "csv.gz" else TEXT)
    return file


def test_the_process_sends_what_the_reader_reads_and_reads_the_next_extract_too(tmp_path: Path) -> None:
    pids = set()
    for kind in ("csv", "csv.gz", "parquet", "json"):
        file = write(tmp_path, kind)
        expected = read_extract(file, SOURCE)
        assert read(file) == (list(expected.chunks), expected.undeclared)
        assert expected.undeclared == ["weight"]
        pids.add(reader_pid())
    assert len(pids) == 1


def test_refusals_and_missing_files_are_raised_and_the_process_lives_on(tmp_path: Path) -> None:
    file = tmp_path / "parcels_1.csv"
    file.write_bytes(b"letter\n1\n2\n")
    with pytest.raises(RefusedExtractError, match="columns missing from the header: 'parcel'") as error:
        read(file)
    assert error.value.lines == 2
    pid = reader_pid()
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "parcels_2.csv")
    assert read(write(tmp_path, "csv"))[0]
    assert reader_pid() == pid


def test_an_extract_that_is_not_read_to_its_end_does_not_mix_with_the_next(tmp_path: Path) -> None:
    file = write(tmp_path, "csv")
    with open_in_reader(file, SOURCE, tmp_path) as opened:
        next(opened.chunks)
    assert read(file)[0][0].rows["parcel"].to_pylist() == ["1", "2", "3"]


def test_the_process_has_the_limit_of_the_setting_and_another_setting_starts_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path, "csv")
    read(file)
    first = reader_pid()
    limits = Path(f"/proc/{first}/limits").read_text()
    assert re.search(r"Max data size +(\d+) +(\d+)", limits).groups() == (str(LIMIT), str(LIMIT))  # type: ignore[union-attr]
    monkeypatch.setenv("SIXTYFORTY_MEMORY", "600MB")
    read(file)
    assert reader_pid() != first
    assert not psutil.pid_exists(first)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("parcels_needs_memory.csv", "needs more than 1,012 MB of memory. Raise SIXTYFORTY_MEMORY, or ask the sender"),
        ("parcels_is_killed.csv", r"ended at this file \(SIGKILL\)"),
        ("parcels_crashes.csv", r"ended at this file \(SIGSEGV\)"),
    ],
)
def test_an_extract_that_ends_the_process_is_named_with_the_reason_and_the_next_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, reason: str
) -> None:
    use_breaking_reader(monkeypatch)
    (tmp_path / name).write_bytes(TEXT)
    with pytest.raises(BrokenReaderError, match=reason):
        read(tmp_path / name)
    assert read(write(tmp_path, "csv"))[0]


def test_a_process_that_ended_between_two_extracts_is_replaced(tmp_path: Path) -> None:
    file = write(tmp_path, "csv")
    read(file)
    os.kill(reader_pid(), signal.SIGKILL)
    psutil.Process(reader_pid()).wait(10)
    assert read(file)[0]


def _read_and_wait(file: Path, pid_file: Path) -> None:
    with open_in_reader(file, SOURCE, file.parent) as opened:
        next(opened.chunks)
        pid_file.with_suffix(".part").write_text(str(reader_pid()))
        pid_file.with_suffix(".part").rename(pid_file)
        time.sleep(300)


def test_the_process_ends_when_its_run_is_killed(tmp_path: Path) -> None:
    run = start_process(_read_and_wait, write(tmp_path, "csv"), tmp_path / "pid")
    wait_for((tmp_path / "pid").exists)
    pid = int((tmp_path / "pid").read_text())
    assert psutil.pid_exists(pid)
    run.kill()
    assert wait_for_exit(run) == KILLED
    wait_for(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_the_process_says_how_the_header_differs_from_the_contract(tmp_path: Path, kind: str) -> None:
    file = write(tmp_path, kind)
    if kind == "csv":
        file.write_bytes(TEXT.decode().replace(",", ";").encode("utf-16"))
    source = Source(
        **SOURCE.model_dump() | {"columns": {"parcel": "INTEGER", "sent": "DATE"}, "optional_columns": ["sent"]}
    )
    with open_in_reader(file, source, tmp_path) as opened:
        list(opened.chunks)
    detected = {"delimiter": ";", "encoding": "utf-16-le"} if kind == "csv" else {}
    assert (opened.undeclared, opened.absent, opened.detected) == (["weight"], ["sent"], detected)
    if detected:
        assert read_extract(file, source.model_copy(update=detected)).detected == {}


def test_a_run_with_small_text_files_starts_no_process(workspace: Workspace) -> None:
    for day in (date(2013, 3, 10), date(2013, 3, 11)):
        land_extract(workspace.landing, f"calls_{day}.csv", csv_text(CALLS, calls_on(day)))
    entries = ingest(workspace.use_case, "calls", workspace.lake, workspace.landing, ["2013-03-10", "2013-03-11"], "x")
    assert sum(entry.rows for entry in entries.values()) == 8
    assert reader_process._reader is None
    packed = gzip.compress(csv_text(CALLS, calls_on(date(2013, 3, 12))).encode())
    land_extract(workspace.landing, "calls_2013-03-12.csv", packed)
    workspace.landing.scan("calls")
    assert reader_process._reader is not None
