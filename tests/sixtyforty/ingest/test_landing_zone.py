"""The landing zone: which extracts a scan knows, in which order, whatever happens to their files afterwards."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from threading import Event

import pytest

from sixtyforty.ingest import arrivals as arrivals_module
from sixtyforty.ingest import extract_staging
from sixtyforty.ingest.arrivals import Arrival
from sixtyforty.ingest.landing_zone import LandingZone
from sixtyforty.ingest.listing_memory import ListedFile
from sixtyforty.ingest.locations import Folder
from sixtyforty.spec.partitions import SNAPSHOT
from tests.helpers import CALLS, SITES, calls_on, csv_text, land_extract, make_workspace
from tests.landed_calls import DAY, NEXT
from tests.scans import day, names, reopen, run_before_reading
from tests.staged import lines_by_partition


def test_an_empty_or_missing_folder_has_nothing(landing: LandingZone) -> None:
    assert landing.scan("calls") == landing.known("calls") == []


def test_a_new_file_arrives_with_its_rows_by_partition(landing: LandingZone) -> None:
    path = land_extract(landing, "calls_a.csv", csv_text(CALLS, [*calls_on(DAY, 4), *calls_on(NEXT, 2)]))
    (arrivals,) = landing.scan("calls")
    assert (arrivals.name, arrivals.seq, arrivals.rows, arrivals.problem) == ("calls_a.csv", 1, 6, None)
    assert arrivals.partitions == {str(DAY): 4, str(NEXT): 2}
    assert (arrivals.size, arrivals.mtime_ns) == (path.stat().st_size, path.stat().st_mtime_ns)
    assert reopen(landing).known("calls") == [arrivals]


def test_a_source_takes_only_the_files_of_its_glob(landing: LandingZone) -> None:
    land_extract(landing, "visits_a.csv", "x")
    land_extract(landing, "readme.txt", "x")
    assert landing.scan("calls") == []
    assert names(landing.scan("visits")) == ["visits_a.csv"]


def test_files_arrive_in_the_order_of_landing_then_of_names(landing: LandingZone) -> None:
    early, late = datetime(2013, 3, 10), datetime(2013, 3, 11)
    for name, at in (("calls_c.csv", early), ("calls_a.csv", late), ("calls_b.csv", early)):
        land_extract(landing, name, day(DAY), at)
    assert [(e.name, e.seq) for e in landing.scan("calls")] == [
        ("calls_b.csv", 1),
        ("calls_c.csv", 2),
        ("calls_a.csv", 3),
    ]


def test_a_file_found_later_arrives_later_even_if_it_is_older(landing: LandingZone) -> None:
    land_extract(landing, "calls_b.csv", day(DAY), datetime(2013, 3, 11))
    landing.scan("calls")
    land_extract(landing, "calls_a.csv", day(NEXT), datetime(2013, 3, 10))
    assert [(e.name, e.seq) for e in landing.scan("calls")] == [("calls_b.csv", 1), ("calls_a.csv", 2)]


def test_a_scan_without_changes_reads_and_writes_nothing(landing: LandingZone, monkeypatch: pytest.MonkeyPatch) -> None:
    land_extract(landing, "calls_a.csv", day(DAY))
    before = landing.scan("calls")

    def unexpected(*_: object) -> None:
        raise AssertionError("read or written reopen")

    for where, name in ((Folder, "open_file"), (arrivals_module, "write_atomic")):
        monkeypatch.setattr(where, name, unexpected)
    assert reopen(landing).scan("calls") == before


def test_a_touched_file_is_the_same_extract(landing: LandingZone, monkeypatch: pytest.MonkeyPatch) -> None:
    path = land_extract(landing, "calls_a.csv", day(DAY))
    (before,) = landing.scan("calls")
    os.utime(path, (2_000_000_000, 2_000_000_000))
    monkeypatch.setattr(extract_staging, "read_extract", None)  # not read again
    (arrivals,) = reopen(landing).scan("calls")
    assert arrivals == Arrival(**before.__dict__ | {"mtime_ns": path.stat().st_mtime_ns})


def test_a_replaced_file_is_a_new_arrival_under_its_name(landing: LandingZone) -> None:
    land_extract(landing, "calls_a.csv", day(DAY))
    land_extract(landing, "calls_b.csv", day(NEXT))
    before = landing.scan("calls")
    land_extract(landing, "calls_a.csv", day(NEXT, 3))
    arrivals = landing.scan("calls")
    assert [(e.name, e.seq) for e in arrivals] == [("calls_b.csv", 2), ("calls_a.csv", 3)]
    assert arrivals[1].partitions == {str(NEXT): 3}
    assert arrivals[1].sha256 != before[0].sha256


def test_an_archived_file_stays_known(landing: LandingZone) -> None:
    path = land_extract(landing, "calls_a.csv", day(DAY))
    (before,) = landing.scan("calls")
    data = path.read_bytes()
    path.unlink()
    assert landing.scan("calls") == [replace(before, is_present=False)]
    path.write_bytes(data)
    os.utime(path, ns=(before.mtime_ns, before.mtime_ns))
    assert landing.scan("calls") == [before]


@pytest.mark.parametrize("name", [".calls_a.csv", "calls_a.csv.part", "calls_a.csv.tmp", ".calls_a.csv.swp"])
def test_a_file_still_being_written_is_left_alone(tmp_path: Path, name: str) -> None:
    landing = make_workspace(tmp_path, sources={"calls": {"files": "*"}}).landing
    written = land_extract(landing, name, day(DAY))
    assert landing.scan("calls") == []
    written.rename(written.with_name("calls_a.csv"))
    assert names(landing.scan("calls")) == ["calls_a.csv"]


def test_a_missing_file_does_not_stop_the_others(landing: LandingZone) -> None:
    land_extract(landing, "calls_b.csv", day(DAY))
    (landing.folder / "calls_a.csv").symlink_to(landing.folder / "archive" / "calls_a.csv")
    (landing.folder / "calls_folder.csv").mkdir()
    assert names(landing.scan("calls")) == ["calls_b.csv"]


def test_a_scan_waits_for_the_scan_before_and_keeps_its_arrivals(
    landing: LandingZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    land_extract(landing, "calls_0.csv", day(DAY))
    landing.scan("calls")  # all that has to be imported is
    land_extract(landing, "calls_a.csv", day(DAY))
    reading, may_continue = Event(), Event()

    def pause_first_scan(_: ListedFile) -> None:
        if not reading.is_set():  # the first scan, midway
            reading.set()
            may_continue.wait(20)

    run_before_reading(monkeypatch, before=pause_first_scan)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(reopen(landing).scan, "calls")
        assert reading.wait(20)
        land_extract(landing, "calls_b.csv", day(NEXT))
        second = pool.submit(reopen(landing).scan, "calls")
        wait([second], timeout=2)  # it would be done by now, did it not wait
        may_continue.set()
    assert names(first.result()) == ["calls_0.csv", "calls_a.csv"]
    assert names(second.result()) == names(landing.known("calls")) == ["calls_0.csv", "calls_a.csv", "calls_b.csv"]


def test_a_refused_file_belongs_to_the_partitions_in_its_name(landing: LandingZone) -> None:
    land_extract(landing, "calls_2013-03-10_2013-03-11.csv", "id^site^call_hour^load\n1^a^b^c\n")
    (arrivals,) = landing.scan("calls")
    assert str(arrivals.problem).startswith("columns missing from the header: 'id', 'site', 'call_hour', 'load'.")
    assert arrivals.partitions == {"2013-03-10": 0, "2013-03-11": 0}
    assert arrivals.rows == 1


def test_a_corrected_file_is_read(landing: LandingZone) -> None:
    land_extract(landing, "calls_2013-03-10.csv", "")
    landing.scan("calls")
    land_extract(landing, "calls_2013-03-10.csv", day(DAY))
    (arrivals,) = landing.scan("calls")
    assert (arrivals.problem, arrivals.partitions) == (None, {"2013-03-10": 4})


def test_a_promised_partition_without_rows_is_listed(landing: LandingZone) -> None:
    land_extract(landing, "calls_2013-03-10_2013-03-11.csv", day(DAY))
    assert landing.scan("calls")[0].partitions == {"2013-03-10": 4, "2013-03-11": 0}


def test_a_snapshot_is_one_partition_with_its_broken_lines(tmp_path: Path) -> None:
    landing = make_workspace(tmp_path, sources={"sites": SITES}).landing
    land_extract(landing, "sites.csv", csv_text(SITES, [("north", 3), ("south",)]))
    assert landing.scan("sites")[0].partitions == {SNAPSHOT: 2}


def test_lines_are_those_of_the_current_file(tmp_path: Path) -> None:
    landing = make_workspace(tmp_path, sources={"sites": SITES}).landing
    for source, name, texts, partition in (
        ("calls", "calls_a.csv", [day(DAY, 3), day(DAY, 4)], str(DAY)),
        ("sites", "sites.csv", [csv_text(SITES, [("a", 1)] * n) for n in (3, 4)], SNAPSHOT),
    ):
        for count, text in zip((3, 4), texts, strict=True):
            land_extract(landing, name, text)
            (arrivals,) = landing.scan(source)
            assert landing.lines(source, [arrivals])[arrivals.seq].counts == {partition: count}


def test_files_of_equal_names_in_subfolders_are_different_extracts(tmp_path: Path) -> None:
    landing = make_workspace(tmp_path, sources={"calls": {"files": "**/calls_*.csv"}}).landing
    for folder, count in (("north", 3), ("south", 4)):
        (landing.folder / folder).mkdir(parents=True)
        (landing.folder / folder / "calls_a.csv").write_text(day(DAY, count))
    arrivals = landing.scan("calls")
    assert sorted(names(arrivals)) == ["north/calls_a.csv", "south/calls_a.csv"]
    rows = {e.name: reopen(landing).lines("calls", [e])[e.seq].counts[str(DAY)] for e in arrivals}
    assert rows == {"north/calls_a.csv": 3, "south/calls_a.csv": 4}


def test_only_the_file_name_promises_partitions(tmp_path: Path) -> None:
    landing = make_workspace(tmp_path, sources={"calls": {"files": "*/calls_*.csv"}}).landing
    (landing.folder / "2013-03-05").mkdir(parents=True)
    (landing.folder / "2013-03-05" / "calls_2013-03-10.csv").write_text(csv_text(CALLS, [("broken",)]))
    assert landing.scan("calls")[0].partitions == {"2013-03-10": 1}


def test_the_staged_lines_are_bounded(landing: LandingZone, monkeypatch: pytest.MonkeyPatch) -> None:
    land_extract(landing, "calls_0.csv", day(DAY, 1))
    (first,) = landing.scan("calls")
    monkeypatch.setattr(landing._staged, "limit", 2 * landing.lines("calls", [first])[1].byte_count)
    for i in range(1, 4):
        land_extract(landing, f"calls_{i}.csv", day(DAY, 1))
    landing.scan("calls")
    assert [name for _, name, _ in landing._staged._entries] == ["calls_2.csv", "calls_3.csv"]
    assert landing.lines("calls", [first])[1].counts == {str(DAY): 1}


def test_files_partitioned_in_batches_keep_their_order_and_lines(landing, monkeypatch) -> None:
    monkeypatch.setattr(extract_staging, "ROWS_PER_BATCH", 4)
    texts = {f"calls_{i}.csv": day(DAY, 1 + i % 3) for i in range(7)} | {
        "calls_3b.csv": "",
        "calls_9.csv": "a;b\n1;2\n",
    }
    for name, text in texts.items():
        land_extract(landing, name, text)
    arrivals = landing.scan("calls")
    assert [e.seq for e in arrivals] == list(range(1, 10))
    assert {e.name: e.rows for e in arrivals if not e.problem} == {f"calls_{i}.csv": 1 + i % 3 for i in range(7)}
    assert {e.name for e in arrivals if e.problem} == {"calls_3b.csv", "calls_9.csv"}
    staged, again = (zone.lines("calls", arrivals) for zone in (landing, reopen(landing)))
    assert list(staged) == list(again) == list(range(1, 10))
    for seq, lines in staged.items():
        assert lines_by_partition(lines) == lines_by_partition(again[seq])


def test_a_file_whose_name_is_not_utf_8_is_named_and_not_read(landing: LandingZone) -> None:
    for name in ("calls_a.csv", "calls_\udcff.csv", "Calls_\udcff.csv"):
        land_extract(landing, name, csv_text(CALLS, calls_on(DAY)))
    assert [arrival.name for arrival in landing.scan("calls")] == ["calls_a.csv"]
    assert landing.unread["calls"].keys() == {r"calls_\udcff.csv", r"Calls_\udcff.csv"}
    assert landing.unread["calls"][r"calls_\udcff.csv"] == "a scan skips names that are not UTF-8. Rename the file."


def test_a_sensor_counts_lines_and_keeps_none(landing: LandingZone) -> None:
    land_extract(landing, "calls_a.csv", day(DAY, 3))
    (arrival,) = landing.scan("calls", patient=True)
    assert arrival.partitions == {str(DAY): 3}
    assert len(landing._staged) == 0
    assert landing.lines("calls", [arrival])[1].counts == {str(DAY): 3}
