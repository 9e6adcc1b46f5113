"""Extracts are taken from any location, whole ones only; what can't be read is told and stops nothing else."""

from __future__ import annotations

import gzip
import io
import itertools
import os
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sixtyforty.ingest import bucket, bucket_listing
from sixtyforty.ingest.bucket import Bucket
from sixtyforty.ingest.landed_files import list_finished_files
from sixtyforty.ingest.landing_zone import LandingZone
from sixtyforty.ingest.listing_memory import ListedFile
from sixtyforty.ingest.locations import Folder, UnreachableSourceError
from sixtyforty.ingest.raw import ingest
from sixtyforty.workspace import Workspace
from tests.helpers import CALLS, calls_of, csv, land, make_use_case, make_workspace, pending

DAY, NEXT = date(2013, 3, 10), date(2013, 3, 11)


def text(*days: date, count: int = 2) -> str:
    return csv(CALLS, [row for d in days for row in calls_of(d, count)])


def at(tmp_path: Path, location: str, **declared: Any) -> Workspace:
    """A home whose calls land elsewhere."""
    return make_workspace(tmp_path, sources={"calls": {"location": location, **declared}})


def names(landing: LandingZone) -> list[str]:
    return [e.name for e in landing.scan("calls")]


# Which files are finished


def test_with_done_a_file_waits_for_its_mark(tmp_path: Path) -> None:
    landing = make_workspace(tmp_path, sources={"calls": {"files": "calls_*", "requires_done_file": True}}).landing
    land(landing, "calls_a.csv", text(DAY))
    land(landing, "calls_b.csv", text(NEXT))
    assert names(landing) == []
    land(landing, "calls_b.csv.done", "")
    assert names(landing) == ["calls_b.csv"]


def test_a_file_changed_a_moment_ago_has_not_settled(tmp_path: Path) -> None:
    use_case = make_use_case(tmp_path, sources={"calls": {"settle_seconds": 30}})
    files = [ListedFile("calls_a.csv", 1, 100 * 10**9), ListedFile("calls_b.csv", 1, 50 * 10**9)]

    class Listed(Folder):
        def list_files(self, pattern: str, recall: object = None) -> list[ListedFile]:
            return files

    source, here = use_case.sources["calls"], Listed(tmp_path)
    assert [f.name for f in list_finished_files(source, here, "*", now=81)] == ["calls_b.csv"]
    assert [f.name for f in list_finished_files(source, here, "*", now=130)] == ["calls_b.csv", "calls_a.csv"]


def test_by_default_a_file_renamed_this_moment_is_taken(workspace: Workspace) -> None:
    path = land(workspace.landing, "calls_a.csv", text(DAY))
    os.utime(path)
    assert names(workspace.landing) == ["calls_a.csv"]


def test_one_file_that_may_not_be_read_stops_nothing(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    land(workspace.landing, "calls_a.csv", text(DAY))
    land(workspace.landing, "calls_b.csv", text(NEXT))
    real = Folder.read

    def read(self: Folder, seen: ListedFile) -> bytes:
        if seen.name == "calls_a.csv":
            raise PermissionError(13, "Permission denied")
        return real(self, seen)

    with monkeypatch.context() as closed:
        closed.setattr(Folder, "read", read)
        assert names(workspace.landing) == ["calls_b.csv"]
        assert workspace.landing.unread["calls"].keys() == {"calls_a.csv"}
        assert "Permission denied" in workspace.landing.unread["calls"]["calls_a.csv"]
    assert names(workspace.landing) == ["calls_b.csv", "calls_a.csv"]
    assert workspace.landing.unread["calls"] == {}


# Locations


def test_a_declared_folder_must_be_there(tmp_path: Path) -> None:
    landing = at(tmp_path, str(tmp_path / "dropbox")).landing
    with pytest.raises(
        UnreachableSourceError, match=rf"^calls: {tmp_path}/dropbox can't be read .*no such folder.*Check"
    ):
        landing.scan("calls")
    (tmp_path / "dropbox").mkdir()
    (tmp_path / "dropbox" / "calls_a.csv").write_text(text(DAY))
    assert names(landing) == ["calls_a.csv"]
    assert landing.scan("visits") == []  # still from the landing folder


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"location": "dropbox"}, "neither a full path nor a URL"),
        ({"location": "sftp://me:geheim@host/out"}, "set them in the environment"),
        ({"files": None}, "exactly one of `files`"),
        ({"query": "select 1"}, "exactly one of `files`"),
        ({"files": None, "query": "select 1"}, "needs a cursor_column"),
        ({"files": None, "query": "select 1", "cursor_column": "id", "partition": None}, "read whole each time"),
        ({"files": None, "query": "select 1", "database": "postgresql://u:p@h/d", "cursor_column": "id"}, "database"),
        ({"cursor_column": "id"}, "are for a query"),
    ],
)
def test_a_location_that_makes_no_sense_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said) as refused:
        make_use_case(tmp_path, sources={"calls": changes})
    assert "geheim" not in refused.value.errors()[0]["msg"]


class Shop:
    """A bucket, or what stands for one."""

    def __init__(self, url: str) -> None:
        self.url, (self.files, self.root) = url, fsspec.core.url_to_fs(url)

    def put(self, name: str, content: str) -> None:
        self.files.pipe_file(f"{self.root}/{name}", content.encode())

    def remove(self, name: str) -> None:
        self.files.rm_file(f"{self.root}/{name}")


@pytest.fixture(params=["memory", "s3"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Shop:
    """An empty location, each test its own."""
    if request.param == "memory":
        return Shop(f"memory://{tmp_path.name}/out")
    return Shop(f"s3://{request.getfixturevalue('bucket')}/out")


def test_objects_are_taken_like_files(tmp_path: Path, shop: Shop) -> None:
    ws = at(tmp_path, shop.url)
    shop.put("calls_a.csv", text(DAY))
    shop.put("visits_a.csv", "x")
    shop.put("calls_b.csv.part", text(NEXT))
    (found,) = ws.landing.scan("calls")
    assert (found.name, found.rows, found.partitions) == ("calls_a.csv", 2, {str(DAY): 2})
    assert found.mtime_ns or found.tag
    entry = ingest(ws.use_case, "calls", ws.lake, at(tmp_path, shop.url).landing, [str(DAY)], "code")[str(DAY)]
    assert entry.rows == 2


def test_objects_are_of_any_format(tmp_path: Path, shop: Shop) -> None:
    rows = pd.read_csv(io.StringIO(text(DAY)))
    contents = {
        "a.csv": text(DAY).encode(),
        "b.parquet": rows.to_parquet(),
        "c.jsonl.gz": gzip.compress(rows.to_json(orient="records", lines=True).encode()),
    }
    landing = at(tmp_path, shop.url, files="calls_*").landing
    read = []
    for ending, content in contents.items():
        shop.files.pipe_file(f"{shop.root}/calls_{ending}", content)
        found = landing.scan("calls")[-1]
        assert (found.name, found.problem) == (f"calls_{ending}", None)
        read.append(landing.lines("calls", found)[str(DAY)].drop_columns(["_row"]).to_pydict())
    assert read == read[:1] * 3


def test_objects_already_seen_are_not_read_again(tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.put("calls_a.csv", text(DAY))
    before = at(tmp_path, shop.url).landing.scan("calls")
    read: list[str] = []
    real = Bucket.read
    monkeypatch.setattr(Bucket, "read", lambda self, seen: read.append(seen.name) or real(self, seen))
    landing = at(tmp_path, shop.url).landing
    assert landing.scan("calls") == before
    assert read == []
    shop.put("calls_b.csv", text(NEXT))
    assert names(landing) == ["calls_a.csv", "calls_b.csv"]
    assert read == ["calls_b.csv"]


def test_an_object_put_anew_is_a_new_arrival_and_one_put_again_is_not(tmp_path: Path, shop: Shop) -> None:
    landing = at(tmp_path, shop.url).landing
    shop.put("calls_a.csv", text(DAY))
    (first,) = landing.scan("calls")
    shop.put("calls_a.csv", text(DAY))
    (again,) = landing.scan("calls")
    assert (again.sha256, again.seq) == (first.sha256, 1)
    shop.put("calls_a.csv", text(NEXT))
    (corrected,) = landing.scan("calls")
    assert (corrected.partitions, corrected.seq) == ({str(NEXT): 2}, 2)


def test_an_object_archived_meanwhile_is_told_once_and_pending_no_more(tmp_path: Path, shop: Shop) -> None:
    ws = at(tmp_path, shop.url)
    shop.put("readme", "x")
    shop.put("calls_a.csv", text(DAY))
    ws.landing.scan("calls")
    shop.remove("calls_a.csv")
    fresh = at(tmp_path, shop.url).landing
    assert list(pending(fresh, "calls")) == [str(DAY)]
    entry = ingest(ws.use_case, "calls", ws.lake, fresh, [str(DAY)], "code")[str(DAY)]
    assert "Put it back" in entry.facts["extracts"][0]["problem"]
    assert pending(fresh, "calls") == {}
    shop.put("calls_a.csv", text(DAY))
    assert list(pending(fresh, "calls")) == [str(DAY)]


def test_a_location_with_nothing_in_it_yet_is_empty_and_one_that_is_not_there_is_told(
    tmp_path: Path, shop: Shop
) -> None:
    shop.put("readme", "x")
    assert names(at(tmp_path, shop.url).landing) == []
    there = shop.url.split("://")[0]
    with pytest.raises(
        UnreachableSourceError, match=f"^calls: {there}://nowhere-at-all/out can't be read .*Check that it exists"
    ):
        at(tmp_path, f"{there}://nowhere-at-all/out").landing.scan("calls")


def test_a_flat_listing_is_one_request(tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    if shop.url.startswith("memory"):
        pytest.skip("no requests")
    for i in range(5):
        shop.put(f"calls_{i}.csv", text(DAY + timedelta(days=i)))
    landing = at(tmp_path, shop.url).landing
    landing.scan("calls")
    asked = requests(landing, monkeypatch)
    landing.scan("calls")
    assert asked == ["list_objects_v2"]


def requests(landing: LandingZone, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What its bucket is asked for from now on."""
    files, asked = landing._locations["calls"].files, list[str]()  # type: ignore[attr-defined]
    real = files.call_s3

    def call(method: str, *args: Any, **more: Any) -> Any:
        asked.append(method)
        return real(method, *args, **more)

    monkeypatch.setattr(files, "call_s3", call)
    return asked


def test_a_sensor_goes_round_a_big_bucket_and_misses_nothing(
    tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shop.url.startswith("memory"):
        pytest.skip("no requests")
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "5")  # a page
    days = [DAY + timedelta(days=i) for i in range(40)]
    for day in days[:35]:
        if day != days[7]:
            shop.put(f"calls_{day}.csv", text(day))
    ws = at(tmp_path, shop.url)
    landing = ws.landing
    assert len(landing.scan("calls", patient=True)) == 34  # the first look sees everything
    asked = requests(landing, monkeypatch)

    def looks(until: str) -> int:
        for number in itertools.count(1):
            asked.clear()
            landing.scan("calls", patient=True)
            assert asked.count("list_objects_v2") <= bucket_listing.PAGES_PER_SCAN + 1
            if until in {e.name + str(e.rows) for e in landing.known("calls")}:
                return number
        raise AssertionError

    shop.put(f"calls_{days[35]}.csv", text(days[35]))
    assert looks(f"calls_{days[35]}.csv2") == 1  # after the last name known: at once
    turn = -(-36 // (5 * bucket_listing.PAGES_PER_SCAN))
    for day in (days[2], days[20], days[34]):
        shop.put(f"calls_{day}.csv", text(day, count=3))  # a correction
        assert looks(f"calls_{day}.csv3") <= turn
    shop.put(f"calls_{days[7]}.csv", text(days[7]))  # late
    assert looks(f"calls_{days[7]}.csv2") <= turn
    shop.remove(f"calls_{days[30]}.csv")
    for _ in range(turn):
        landing.scan("calls", patient=True)
    assert f"calls_{days[30]}.csv" not in {e.name for e in landing.known("calls") if e.is_present}
    fresh = at(tmp_path, shop.url).landing  # a run's look is whole
    shop.put(f"calls_{days[3]}.csv", text(days[3], count=3))
    assert f"calls_{days[3]}.csv3" in {e.name + str(e.rows) for e in fresh.scan("calls")}


@pytest.mark.parametrize("done", [False, True])
def test_a_process_goes_on_round_a_big_bucket_from_what_is_known(
    tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch, done: bool
) -> None:
    if shop.url.startswith("memory"):
        pytest.skip("no requests")
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "5")

    def put(day: date, count: int = 2) -> None:
        shop.put(f"calls_{day}.csv", text(day, count=count))
        if done:
            shop.put(f"calls_{day}.csv.done", "")

    days = [DAY + timedelta(days=i) for i in range(40)]
    for day in days[:35]:
        put(day)
    ws = at(tmp_path, shop.url, requires_done_file=done)
    ingest(ws.use_case, "calls", ws.lake, ws.landing, [*map(str, days)], "code")
    shop.remove(f"calls_{days[7]}.csv")
    ws.landing.scan("calls")
    put(days[3], count=3)
    put(days[35])
    landing = at(tmp_path, shop.url, requires_done_file=done).landing
    landing._location("calls")
    asked = requests(landing, monkeypatch)
    before = len(landing.known("calls"))
    assert str(days[35]) in pending(landing, "calls")  # the last name, in its first look
    assert asked.count("list_objects_v2") == 1 + done
    assert len(landing.known("calls")) == before + 1
    for _ in range(36 * 2 // (5 * bucket_listing.PAGES_PER_SCAN) + 1):
        due = pending(landing, "calls")
    assert sorted(due) == [str(days[3]), str(days[35])]  # what was archived is nobody's business any more
    assert [e.name for e in landing.known("calls") if not e.is_present] == [f"calls_{days[7]}.csv"]


@given(
    seen=st.builds(
        ListedFile, st.just("a"), st.integers(0, 2**50), st.integers(0, 2**52 // 1000).map(lambda n: n * 1000)
    )
)
def test_what_is_known_is_told_as_it_was_listed(seen: ListedFile) -> None:
    assert Bucket("memory://out")._listed_file("/out/a", bucket._describe(seen)) == seen


# What is pending


def test_pending_is_what_raw_does_not_hold(workspace: Workspace, tmp_path: Path) -> None:
    landing, use_case = workspace.landing, workspace.use_case
    assert pending(landing, "calls") == {}
    land(landing, "calls_a.csv", text(DAY, NEXT))
    (first,) = landing.scan("calls")
    assert pending(landing, "calls") == {str(DAY): [first.id], str(NEXT): [first.id]}
    ingest(use_case, "calls", workspace.lake, landing, [str(DAY)], "code")
    assert pending(landing, "calls") == {str(NEXT): [first.id]}
    ingest(use_case, "calls", workspace.lake, landing, [str(NEXT)], "code")
    assert pending(landing, "calls") == {}
    land(landing, "calls_a.csv", text(DAY, count=3))  # corrected: NEXT has nothing any more
    assert list(pending(landing, "calls")) == [str(DAY), str(NEXT)]
    ingest(use_case, "calls", workspace.lake, landing, [str(DAY), str(NEXT)], "code")
    assert pending(landing, "calls") == {}


def test_a_refused_extract_is_pending_once(workspace: Workspace) -> None:
    land(workspace.landing, "calls_2013-03-10.csv", "not,the,contract\n1,2,3\n")
    assert list(pending(workspace.landing, "calls")) == [str(DAY)]
    ingest(workspace.use_case, "calls", workspace.lake, workspace.landing, [str(DAY)], "code")
    assert pending(workspace.landing, "calls") == {}


def test_days_that_are_not_the_use_cases_are_never_pending(workspace: Workspace) -> None:
    land(workspace.landing, "calls_1999-01-01.csv", csv(CALLS, []))
    assert pending(workspace.landing, "calls") == {}
    land(workspace.landing, "calls_1999-01-02.csv", "")  # but what is refused is told: on the first day that is
    assert list(pending(workspace.landing, "calls")) == [str(workspace.use_case.partitions.start)]


def test_times_come_as_text_or_numbers_or_not_at_all() -> None:
    assert bucket._nanoseconds(None) == 0
    assert bucket._nanoseconds("1970-01-01T00:00:02Z") == bucket._nanoseconds(2.0) == 2 * 10**9
