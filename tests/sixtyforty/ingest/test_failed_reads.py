"""A file that changes while a scan reads it, or that can't be read, stops no other file, and no line is lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pyarrow as pa
import pytest

from sixtyforty.ingest import extract as extract_module
from sixtyforty.ingest import extract_staging, staged_lines
from sixtyforty.ingest.extract import Chunk, OpenedExtract, RefusedExtractError
from sixtyforty.ingest.landing_zone import MORE_MEMORY, LandingZone
from sixtyforty.ingest.listing_memory import ListedFile
from sixtyforty.ingest.locations import Folder
from sixtyforty.spec.sources import Source
from sixtyforty.storage.files import FREE_SPACE, FileAccessError
from sixtyforty.workspace import Workspace
from tests.helpers import land_extract
from tests.landed_calls import DAY, NEXT
from tests.scans import day, names, reopen, run_before_reading
from tests.staged import fail_on_full_disk


def test_a_file_archived_while_it_is_read_does_not_stop_the_others(
    landing: LandingZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, present = land_extract(landing, "calls_a.csv", day(DAY)), land_extract(landing, "calls_b.csv", day(NEXT))
    run_before_reading(monkeypatch, before=lambda _: gone.unlink(missing_ok=True))
    assert [(e.name, e.seq) for e in landing.scan("calls")] == [(present.name, 1)]


def test_a_file_that_grows_while_it_is_read_is_left_for_the_next_scan(
    landing: LandingZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = land_extract(landing, "calls_a.csv", day(DAY, 3)), land_extract(landing, "calls_b.csv", day(NEXT))
    half = path.stat().st_size
    run_before_reading(monkeypatch, before=lambda _: path.stat().st_size == half and path.write_text(day(DAY, 4)))
    assert names(landing.scan("calls")) == [other.name]
    assert [(e.name, e.rows) for e in landing.scan("calls")] == [(other.name, 4), (path.name, 4)]


def test_a_file_that_changes_while_its_chunks_are_read_is_left_for_the_next_scan(
    landing: LandingZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if its size and its modification time are what they were."""
    path, other = land_extract(landing, "calls_a.csv", day(DAY, 3)), land_extract(landing, "calls_b.csv", day(NEXT))
    real, status = extract_staging.read_extract, path.stat()

    def change_then_read(file: Path, source: Source) -> OpenedExtract:
        if file == path and path.read_text() == day(DAY, 3):
            path.write_text(day(NEXT, 3))
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        return real(file, source)

    monkeypatch.setattr(extract_staging, "read_extract", change_then_read)
    monkeypatch.setattr(extract_staging, "ROWS_PER_BATCH", 1)
    assert names(landing.scan("calls")) == [other.name]
    assert landing.unread["calls"] == {}
    assert [(e.name, e.partitions) for e in landing.scan("calls")] == [
        (other.name, {str(NEXT): 4}),
        (path.name, {str(NEXT): 3}),
    ]


def test_a_file_replaced_after_its_scan_is_not_read_as_the_scanned_one(landing: LandingZone) -> None:
    path = land_extract(landing, "calls_a.csv", day(DAY, 3))
    (file,) = landing.scan("calls")
    status = path.stat()
    path.write_text(day(NEXT, 3))  # the same size, and the time it had
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == file.size
    assert reopen(landing).lines("calls", [file]) == {}


def test_one_unreadable_file_does_not_stop_the_others(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    land_extract(workspace.landing, "calls_a.csv", day(DAY))
    land_extract(workspace.landing, "calls_b.csv", day(NEXT))
    real = Folder.open_file

    def open_file(self: Folder, file: ListedFile, scratch: Path) -> AbstractContextManager[Path]:
        if file.name == "calls_a.csv":
            raise PermissionError(13, "Permission denied")
        return real(self, file, scratch)

    with monkeypatch.context() as closed:
        closed.setattr(Folder, "open_file", open_file)
        assert names(workspace.landing.scan("calls")) == ["calls_b.csv"]
        assert workspace.landing.unread["calls"].keys() == {"calls_a.csv"}
        assert "Permission denied" in workspace.landing.unread["calls"]["calls_a.csv"]
    assert names(workspace.landing.scan("calls")) == ["calls_b.csv", "calls_a.csv"]
    assert workspace.landing.unread["calls"] == {}


def test_a_file_for_which_memory_lacks_is_read_by_the_next_scan(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    land_extract(workspace.landing, "calls_a.csv", day(DAY))
    land_extract(workspace.landing, "calls_b.csv", day(NEXT))

    def run_out(file: ListedFile) -> None:
        if file.name == "calls_a.csv":
            raise MemoryError("malloc of size 8 failed")

    with monkeypatch.context() as patch:
        run_before_reading(patch, run_out)
        assert names(workspace.landing.scan("calls")) == ["calls_b.csv"]
        assert workspace.landing.unread["calls"] == {
            "calls_a.csv": f"MemoryError: malloc of size 8 failed. {MORE_MEMORY}"
        }
    assert names(workspace.landing.scan("calls")) == ["calls_b.csv", "calls_a.csv"]


def test_a_refused_extract_is_read_again_by_another_version_of_the_readers(
    landing: LandingZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    land_extract(landing, "calls_a.csv", day(DAY))
    with monkeypatch.context() as older:
        older.setattr(extract_module, "reader_version", lambda: "older")

        def refuse(*_args: object) -> OpenedExtract:
            raise RefusedExtractError("not supported yet", 4)

        older.setattr(extract_staging, "read_extract", refuse)
        assert landing.scan("calls")[0].problem == "not supported yet"
    assert [(a.problem, a.seq) for a in reopen(landing).scan("calls")] == [(None, 1)]


@pytest.mark.parametrize("place", ["copy", "staging"])
def test_a_full_disk_stops_the_scan_and_doubles_no_line(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    for name, of in (("calls_a.csv", DAY), ("calls_b.csv", NEXT)):
        land_extract(workspace.landing, name, day(of))

    def fail_to_copy(file: ListedFile) -> None:
        if file.name == "calls_b.csv":
            fail_on_full_disk()

    with monkeypatch.context() as full:
        if place == "copy":
            run_before_reading(full, fail_to_copy)
        else:
            full.setattr(staged_lines, "staging_limit", lambda: 100)
            full.setattr(extract_staging, "ROWS_PER_BATCH", 6)
            full.setattr(pa.ipc, "new_file", fail_on_full_disk)
        with pytest.raises(FileAccessError, match=FREE_SPACE):
            workspace.landing.scan("calls")
    arrivals = workspace.landing.scan("calls")
    assert [(a.name, a.partitions) for a in arrivals] == [
        ("calls_a.csv", {str(DAY): 4}),
        ("calls_b.csv", {str(NEXT): 4}),
    ]
    staged = workspace.landing.lines("calls", arrivals)
    assert [lines.counts for lines in staged.values()] == [a.partitions for a in arrivals]


def test_an_extract_that_is_refused_midway_has_no_lines(landing: LandingZone, monkeypatch: pytest.MonkeyPatch) -> None:
    land_extract(landing, "calls_a.csv", day(DAY, 3))
    land_extract(landing, "calls_b.csv", day(NEXT))
    real = extract_staging.read_extract

    def refuse_midway(file: Path, source: Source) -> OpenedExtract:
        opened = real(file, source)

        def chunks() -> Iterator[Chunk]:
            yield from opened.chunks
            if file.name == "calls_a.csv":
                raise RefusedExtractError("the rest of the file is damaged.")

        return OpenedExtract(opened.undeclared, chunks())

    monkeypatch.setattr(extract_staging, "read_extract", refuse_midway)
    refused, sound = landing.scan("calls")
    assert (refused.problem, refused.rows, refused.partitions) == (
        "the rest of the file is damaged.",
        3,
        {str(landing.use_case.partitions.start): 0},
    )
    assert (sound.problem, sound.partitions) == (None, {str(NEXT): 4})
    assert landing.lines("calls", [refused])[refused.seq].counts == {}
