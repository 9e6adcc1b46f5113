"""Runs of several machines share the reading of new extracts, and the ledger is that of a single scan."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from threading import Barrier

import pytest

from sixtyforty.ingest import shared_readings
from sixtyforty.ingest.arrivals import Arrival
from sixtyforty.ingest.extract_staging import ExtractStaging
from sixtyforty.ingest.landing_zone import LandingZone
from sixtyforty.ingest.raw import ingest
from sixtyforty.storage.object_store import ObjectPath
from sixtyforty.workspace import Workspace
from tests.helpers import make_use_case, read_lake
from tests.landed_calls import text

DAYS = [date(2013, 3, 10) + timedelta(days=number) for number in range(6)]
REFUSED = "calls_2013-03-16.csv"  # without a header


@pytest.fixture
def open_machine(tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Workspace]:
    """Return a function that opens the workspace of a machine, by its name and that of its lake. Two files a group."""
    monkeypatch.setattr(shared_readings, "GROUP_BYTES", len(text(DAYS[0])) + 1)
    location = ObjectPath(f"s3://{bucket}/landed")
    for day in DAYS:
        (location / f"calls_{day}.csv").write_bytes(text(day).encode())
    (location / REFUSED).write_bytes(b"1,2\n")
    use_case = make_use_case(tmp_path / "use_case", sources={"calls": {"location": str(location)}})
    return lambda name, lake: Workspace(use_case, tmp_path / name, "", ObjectPath(f"s3://{bucket}/{lake}"))


@pytest.fixture
def read_names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the extracts that are read, in this order."""
    names, read = list[str](), ExtractStaging.read

    def read_and_count(staging: ExtractStaging, path: Path, file: object, *details: object) -> object:
        names.append(file.name)  # type: ignore[attr-defined]
        return read(staging, path, file, *details)  # type: ignore[arg-type]

    monkeypatch.setattr(ExtractStaging, "read", read_and_count)
    return names


def untimed(arrivals: list[Arrival]) -> list[Arrival]:
    """Return arrivals without the times of the scans."""
    return [replace(arrival, seen_at="") for arrival in arrivals]


def test_two_runs_read_each_extract_once_and_write_the_bytes_of_one(
    open_machine: Callable[[str, str], Workspace], read_names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = open_machine("alone", "alone")
    partitions = [f"{day}" for day in DAYS]
    ingest(alone.use_case, "calls", alone.lake, alone.landing, partitions, "code")
    expected, meeting = alone.landing.known("calls"), Barrier(2)
    read_group = LandingZone._read_group

    def read_group_together(landing: LandingZone, source: str, group: shared_readings.Group) -> list[Arrival]:
        if len(read_names) < 2:  # both have claimed a group before either has read it
            meeting.wait(30)
        return list(read_group(landing, source, group))

    monkeypatch.setattr(LandingZone, "_read_group", read_group_together)
    read_names.clear()
    machines = [open_machine(name, "together") for name in ("first", "second")]

    def import_half(ws: Workspace, half: list[str]) -> None:
        ingest(ws.use_case, "calls", ws.lake, ws.landing, half, "code")

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(import_half, machines, (partitions[:3], partitions[3:])))
    assert untimed(machines[0].landing.known("calls")) == untimed(expected)
    assert [arrival.name for arrival in expected if arrival.problem] == [REFUSED]
    scanned = read_names[: len(expected)]  # later reads are of lines that the other machine has read
    assert sorted(scanned) == sorted(arrival.name for arrival in expected)
    lakes = [read_lake(ws.lake) for ws in (alone, machines[0])]
    raw, together = ({name: lake[name] for name in lake if name.startswith("raw/")} for lake in lakes)
    assert raw == together
    assert not [name for name in lakes[1] if ".readings/" in name], "the readings are deleted"


def test_a_reading_under_another_contract_isnt_used(
    open_machine: Callable[[str, str], Workspace], read_names: list[str]
) -> None:
    ws = open_machine("only", "lake")
    readings = ws.landing._readings("calls")
    assert readings
    groups = readings.groups(ws.landing.list_files("calls"))
    readings.read(groups, [], partial(ws.landing._read_group, "calls"))
    count = len(read_names)
    readings.read(groups, [], partial(ws.landing._read_group, "calls"))
    assert len(read_names) == count == len(readings.load())
    declared = {**ws.use_case.sources["calls"].model_dump(), "key": ["id", "site"]}
    later = make_use_case(ws.home / "later", sources={"calls": declared})
    assert not replace(readings, use_case=later).load()


def test_few_bytes_are_left_to_the_scan(
    open_machine: Callable[[str, str], Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = open_machine("only", "lake")
    monkeypatch.setattr(shared_readings, "GROUP_BYTES", 1 << 25)
    readings = ws.landing._readings("calls")
    assert readings and readings.groups(ws.landing.list_files("calls")) == []


def test_a_group_that_another_run_reads_too_long_is_left_to_the_scan(
    open_machine: Callable[[str, str], Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    ws, other = open_machine("only", "lake"), open_machine("other", "lake")
    monkeypatch.setattr(shared_readings, "LOCK_TIMEOUT", 0.01)
    readings, others = ws.landing._readings("calls"), other.landing._readings("calls")
    assert readings and others
    groups = readings.groups(ws.landing.list_files("calls"))
    arrivals: list[Arrival] = []

    def scan_meanwhile(group: shared_readings.Group) -> list[Arrival]:
        arrivals.extend(ws.landing.scan("calls"))
        return []

    others.read(groups[:1], [], scan_meanwhile)
    assert [arrival.seq for arrival in arrivals] == [1, 2, 3, 4, 5, 6, 7]


def test_a_group_isnt_read_again_after_another_scan_has_listed_it(
    open_machine: Callable[[str, str], Workspace], read_names: list[str]
) -> None:
    ws, other = open_machine("only", "lake"), open_machine("other", "lake")
    readings = ws.landing._readings("calls")
    assert readings
    groups = readings.groups(ws.landing.list_files("calls"))
    other.landing.scan("calls")  # it deletes the readings
    count = len(read_names)
    readings.read(groups, [], partial(ws.landing._read_group, "calls"))
    assert len(read_names) == count
    assert not readings.load()
