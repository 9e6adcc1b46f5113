"""The landing zone: what has been seen of it, in which order, whatever happens to the files meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from threading import Event

import pytest

from sixtyforty.ingest import arrivals
from sixtyforty.ingest import landing_zone as landing_module
from sixtyforty.ingest.arrivals import Arrival, arrivals_for
from sixtyforty.ingest.landing_zone import LandingZone
from sixtyforty.ingest.listing_memory import ListedFile
from sixtyforty.ingest.locations import Folder
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.workspace import Workspace
from tests.helpers import CALLS, SITES, calls_of, csv, land, make_workspace

DAY, NEXT = date(2013, 3, 10), date(2013, 3, 11)


@pytest.fixture
def landing(workspace: Workspace) -> LandingZone:
    return workspace.landing


def again(landing: LandingZone) -> LandingZone:
    """The same folder in another process, which remembers nothing."""
    return LandingZone(landing.folder, landing.lake, landing.use_case)


def day(of: date, count: int = 4) -> str:
    return csv(CALLS, calls_of(of, count))


def meanwhile(monkeypatch: pytest.MonkeyPatch, before: Callable[[ListedFile], object]) -> None:
    """Something happens between the listing of a file and its reading."""
    real = Folder.read

    def read(self: Folder, seen: ListedFile) -> bytes:
        before(seen)
        return real(self, seen)

    monkeypatch.setattr(Folder, "read", read)


def names(found: list[Arrival]) -> list[str]:
    return [e.name for e in found]


def test_an_empty_or_missing_folder_has_nothing(landing: LandingZone) -> None:
    assert landing.scan("calls") == landing.known("calls") == []


def test_a_new_file_is_known_with_its_rows_by_partition(landing: LandingZone) -> None:
    path = land(landing, "calls_a.csv", csv(CALLS, [*calls_of(DAY, 4), *calls_of(NEXT, 2)]))
    (found,) = landing.scan("calls")
    assert (found.name, found.seq, found.rows, found.problem) == ("calls_a.csv", 1, 6, None)
    assert found.partitions == {str(DAY): 4, str(NEXT): 2}
    assert (found.size, found.mtime_ns) == (path.stat().st_size, path.stat().st_mtime_ns)
    assert again(landing).known("calls") == [found]


def test_extracts_of_other_sources_are_theirs(landing: LandingZone) -> None:
    land(landing, "visits_a.csv", "x")
    land(landing, "readme.txt", "x")
    assert landing.scan("calls") == []
    assert names(landing.scan("visits")) == ["visits_a.csv"]


def test_order_is_that_of_landing_then_of_names(landing: LandingZone) -> None:
    early, late = datetime(2013, 3, 10), datetime(2013, 3, 11)
    for name, at in (("calls_c.csv", early), ("calls_a.csv", late), ("calls_b.csv", early)):
        land(landing, name, day(DAY), at)
    assert [(e.name, e.seq) for e in landing.scan("calls")] == [
        ("calls_b.csv", 1),
        ("calls_c.csv", 2),
        ("calls_a.csv", 3),
    ]


def test_what_is_found_later_comes_later_even_when_its_file_is_older(landing: LandingZone) -> None:
    land(landing, "calls_b.csv", day(DAY), datetime(2013, 3, 11))
    landing.scan("calls")
    land(landing, "calls_a.csv", day(NEXT), datetime(2013, 3, 10))
    assert [(e.name, e.seq) for e in landing.scan("calls")] == [("calls_b.csv", 1), ("calls_a.csv", 2)]


def test_a_scan_that_finds_nothing_new_reads_and_writes_nothing(
    landing: LandingZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(landing, "calls_a.csv", day(DAY))
    before = landing.scan("calls")

    def unexpected(*_: object) -> None:
        raise AssertionError("read or written again")

    for where, name in ((Folder, "read"), (arrivals, "write_atomic")):
        monkeypatch.setattr(where, name, unexpected)
    assert again(landing).scan("calls") == before


def test_a_touched_file_is_the_same_extract(landing: LandingZone, monkeypatch: pytest.MonkeyPatch) -> None:
    path = land(landing, "calls_a.csv", day(DAY))
    (before,) = landing.scan("calls")
    os.utime(path, (2_000_000_000, 2_000_000_000))
    monkeypatch.setattr(landing_module, "read_extract", None)  # not read again
    (found,) = again(landing).scan("calls")
    assert found == Arrival(**before.__dict__ | {"mtime_ns": path.stat().st_mtime_ns})


def test_a_replaced_file_is_a_new_arrival_under_its_name(landing: LandingZone) -> None:
    land(landing, "calls_a.csv", day(DAY))
    land(landing, "calls_b.csv", day(NEXT))
    before = landing.scan("calls")
    land(landing, "calls_a.csv", day(NEXT, 3))
    found = landing.scan("calls")
    assert [(e.name, e.seq) for e in found] == [("calls_b.csv", 2), ("calls_a.csv", 3)]
    assert found[1].partitions == {str(NEXT): 3}
    assert found[1].sha256 != before[0].sha256


def test_an_archived_file_stays_known(landing: LandingZone) -> None:
    path = land(landing, "calls_a.csv", day(DAY))
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
    written = land(landing, name, day(DAY))
    assert landing.scan("calls") == []
    written.rename(written.with_name("calls_a.csv"))
    assert names(landing.scan("calls")) == ["calls_a.csv"]


def test_a_file_that_is_gone_before_it_is_looked_at_stops_nothing(landing: LandingZone) -> None:
    land(landing, "calls_b.csv", day(DAY))
    (landing.folder / "calls_a.csv").symlink_to(landing.folder / "archive" / "calls_a.csv")
    (landing.folder / "calls_folder.csv").mkdir()
    assert names(landing.scan("calls")) == ["calls_b.csv"]


def test_a_file_archived_while_it_is_read_stops_nothing(landing: LandingZone, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, there = land(landing, "calls_a.csv", day(DAY)), land(landing, "calls_b.csv", day(NEXT))
    meanwhile(monkeypatch, before=lambda _: gone.unlink(missing_ok=True))
    assert [(e.name, e.seq) for e in landing.scan("calls")] == [(there.name, 1)]


def test_a_file_that_grows_while_it_is_read_is_left_for_the_next_scan(
    landing: LandingZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = land(landing, "calls_a.csv", day(DAY, 3)), land(landing, "calls_b.csv", day(NEXT))
    half = path.stat().st_size
    meanwhile(monkeypatch, before=lambda _: path.stat().st_size == half and path.write_text(day(DAY, 4)))
    assert names(landing.scan("calls")) == [other.name]
    assert [(e.name, e.rows) for e in landing.scan("calls")] == [(other.name, 4), (path.name, 4)]


def test_a_file_replaced_after_its_scan_is_not_taken_for_the_one_that_was_seen(landing: LandingZone) -> None:
    path = land(landing, "calls_a.csv", day(DAY, 3))
    (seen,) = landing.scan("calls")
    status = path.stat()
    path.write_text(day(NEXT, 3))  # the same size, and the time it had
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == seen.size
    with pytest.raises(FileNotFoundError, match=r"calls_a\.csv was replaced"):
        again(landing).lines("calls", seen)


def test_a_scan_waits_for_the_one_before_and_forgets_nothing_it_found(
    landing: LandingZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(landing, "calls_0.csv", day(DAY))
    landing.scan("calls")  # all that has to be imported is
    land(landing, "calls_a.csv", day(DAY))
    reading, go_on = Event(), Event()

    def slowly(_: ListedFile) -> None:
        if not reading.is_set():  # the first scan, midway
            reading.set()
            go_on.wait(20)

    meanwhile(monkeypatch, before=slowly)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(again(landing).scan, "calls")
        assert reading.wait(20)
        land(landing, "calls_b.csv", day(NEXT))
        second = pool.submit(again(landing).scan, "calls")
        wait([second], timeout=2)  # it would be done by now, did it not wait
        go_on.set()
    assert names(first.result()) == ["calls_0.csv", "calls_a.csv"]
    assert names(second.result()) == names(landing.known("calls")) == ["calls_0.csv", "calls_a.csv", "calls_b.csv"]


def test_an_unreadable_file_is_known_with_its_problem_on_the_days_it_speaks_of(landing: LandingZone) -> None:
    land(landing, "calls_2013-03-10_2013-03-11.csv", "id;site;call_hour;load\n1;a;b;c\n")
    (found,) = landing.scan("calls")
    assert found.problem == "the delimiter is ';', expected ','."
    assert found.partitions == {"2013-03-10": 0, "2013-03-11": 0}
    assert found.rows == 1


def test_an_unreadable_file_put_right_is_readable(landing: LandingZone) -> None:
    land(landing, "calls_2013-03-10.csv", "")
    landing.scan("calls")
    land(landing, "calls_2013-03-10.csv", day(DAY))
    (found,) = landing.scan("calls")
    assert (found.problem, found.partitions) == (None, {"2013-03-10": 4})


def test_a_day_the_name_speaks_of_without_rows_is_told(landing: LandingZone) -> None:
    land(landing, "calls_2013-03-10_2013-03-11.csv", day(DAY))
    assert landing.scan("calls")[0].partitions == {"2013-03-10": 4, "2013-03-11": 0}


def test_a_snapshot_is_one_partition_broken_lines_included(tmp_path: Path) -> None:
    landing = make_workspace(tmp_path, sources={"sites": SITES}).landing
    land(landing, "sites.csv", csv(SITES, [("north", 3), ("south",)]))
    assert landing.scan("sites")[0].partitions == {SNAPSHOT: 2}


def test_lines_are_those_of_the_file_as_it_is_now(tmp_path: Path) -> None:
    landing = make_workspace(tmp_path, sources={"sites": SITES}).landing
    for source, name, texts, partition in (
        ("calls", "calls_a.csv", [day(DAY, 3), day(DAY, 4)], str(DAY)),
        ("sites", "sites.csv", [csv(SITES, [("a", 1)] * n) for n in (3, 4)], SNAPSHOT),
    ):
        for count, text in zip((3, 4), texts, strict=True):
            land(landing, name, text)
            (found,) = landing.scan(source)
            assert landing.lines(source, found)[partition].num_rows == count


def test_extracts_in_folders_below_are_apart_and_can_be_read_later(tmp_path: Path) -> None:
    landing = make_workspace(tmp_path, sources={"calls": {"files": "**/calls_*.csv"}}).landing
    for folder, count in (("north", 3), ("south", 4)):
        (landing.folder / folder).mkdir(parents=True)
        (landing.folder / folder / "calls_a.csv").write_text(day(DAY, count))
    found = landing.scan("calls")
    assert sorted(names(found)) == ["north/calls_a.csv", "south/calls_a.csv"]
    rows = {e.name: again(landing).lines("calls", e)[str(DAY)].num_rows for e in found}
    assert rows == {"north/calls_a.csv": 3, "south/calls_a.csv": 4}


def test_it_is_the_files_name_that_speaks_of_days_and_not_its_folders(tmp_path: Path) -> None:
    landing = make_workspace(tmp_path, sources={"calls": {"files": "*/calls_*.csv"}}).landing
    (landing.folder / "2013-03-05").mkdir(parents=True)
    (landing.folder / "2013-03-05" / "calls_2013-03-10.csv").write_text(csv(CALLS, [("broken",)]))
    assert landing.scan("calls")[0].partitions == {"2013-03-10": 1}


def test_no_more_than_a_few_extracts_are_remembered(landing: LandingZone, monkeypatch: pytest.MonkeyPatch) -> None:
    land(landing, "calls_0.csv", day(DAY, 1))
    (first,) = landing.scan("calls")
    monkeypatch.setattr(landing._recent_lines, "limit", 2 * landing.lines("calls", first)[str(DAY)].nbytes)
    for i in range(1, 4):
        land(landing, f"calls_{i}.csv", day(DAY, 1))
    landing.scan("calls")
    assert [name for _, name, _ in landing._recent_lines._entries] == ["calls_2.csv", "calls_3.csv"]
    assert landing.lines("calls", first)[str(DAY)].num_rows == 1


def test_files_looked_at_together_arrive_in_their_order_and_each_with_its_own(landing, monkeypatch) -> None:
    monkeypatch.setattr(landing_module, "LINES_PER_BATCH", 4)
    texts = {f"calls_{i}.csv": day(DAY, 1 + i % 3) for i in range(7)} | {
        "calls_3b.csv": "",
        "calls_9.csv": "a;b\n1;2\n",
    }
    for name, text in texts.items():
        land(landing, name, text)
    found = landing.scan("calls")
    assert [e.seq for e in found] == list(range(1, 10))
    assert {e.name: e.rows for e in found if not e.problem} == {f"calls_{i}.csv": 1 + i % 3 for i in range(7)}
    assert {e.name for e in found if e.problem} == {"calls_3b.csv", "calls_9.csv"}
    rows = {e.name: again(landing).lines("calls", e)[str(DAY)] for e in found if not e.problem}
    assert all(landing.lines("calls", e)[str(DAY)] == rows[e.name] for e in found if not e.problem)


def test_touching_finds_the_extracts_of_a_partition() -> None:
    one, two = (Arrival(n, "", 0, 0, 1, 1, {p: 1}) for n, p in (("a", "2013-03-10"), ("b", "2013-03-11")))
    assert arrivals_for([one, two], ["2013-03-11", "2013-03-12"]) == [two]
    assert arrivals_for([one, two], []) == []
