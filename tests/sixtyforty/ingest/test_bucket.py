"""Objects of a bucket are taken like files, and a big bucket is listed in parts without a miss."""

from __future__ import annotations

import gzip
import io
import itertools
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pytest

from sixtyforty.ingest import bucket, bucket_listing
from sixtyforty.ingest.bucket import Bucket
from sixtyforty.ingest.bucket_listing import BucketListing
from sixtyforty.ingest.landing_zone import LandingZone
from sixtyforty.ingest.locations import UnreachableSourceError
from sixtyforty.ingest.raw import ingest
from tests.helpers import pending_extracts
from tests.landed_calls import DAY, NEXT, names, text, workspace_at
from tests.staged import lines_of


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


def test_names_that_nearly_match_are_reported_without_another_listing(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the keys that start like the glob. Others are not listed."""
    shop = Shop(f"s3://{bucket}/out")
    ws = workspace_at(tmp_path, shop.url, files="calls_*.csv")
    for name in ("calls_a.csv", "calls_b.CSV", "calls_c.csv.gz", "calls_d.xlsx", "CALLS_e.csv"):
        shop.put(name, text(DAY))
    refreshes: list[bool] = []
    real = BucketListing.refresh
    monkeypatch.setattr(
        BucketListing,
        "refresh",
        lambda listing, pages, is_partial: refreshes.append(is_partial) or real(listing, pages, is_partial),
    )
    assert names(ws.landing) == ["calls_a.csv"]
    assert list(ws.landing.unread["calls"]) == ["calls_b.CSV", "calls_c.csv.gz"]
    assert refreshes == [False]
    shop.remove("calls_b.CSV")
    names(ws.landing)
    assert list(ws.landing.unread["calls"]) == ["calls_c.csv.gz"]


def test_objects_are_taken_like_files(tmp_path: Path, shop: Shop) -> None:
    ws = workspace_at(tmp_path, shop.url)
    shop.put("calls_a.csv", text(DAY))
    shop.put("visits_a.csv", "x")
    shop.put("calls_b.csv.part", text(NEXT))
    (arrival,) = ws.landing.scan("calls")
    assert (arrival.name, arrival.rows, arrival.partitions) == ("calls_a.csv", 2, {str(DAY): 2})
    assert arrival.mtime_ns or arrival.tag
    entry = ingest(ws.use_case, "calls", ws.lake, workspace_at(tmp_path, shop.url).landing, [str(DAY)], "code")[
        str(DAY)
    ]
    assert entry.rows == 2


def test_objects_are_of_any_format(tmp_path: Path, shop: Shop) -> None:
    rows = pd.read_csv(io.StringIO(text(DAY)))
    contents = {
        "a.csv": text(DAY).encode(),
        "b.parquet": rows.to_parquet(),
        "c.jsonl.gz": gzip.compress(rows.to_json(orient="records", lines=True).encode()),
    }
    landing = workspace_at(tmp_path, shop.url, files="calls_*").landing
    read = []
    for ending, content in contents.items():
        shop.files.pipe_file(f"{shop.root}/calls_{ending}", content)
        arrival = landing.scan("calls")[-1]
        assert (arrival.name, arrival.problem) == (f"calls_{ending}", None)
        read.append(
            lines_of(landing.lines("calls", [arrival])[arrival.seq], str(DAY)).drop_columns(["_row"]).to_pydict()
        )
    assert read == read[:1] * 3


def test_known_objects_are_not_read_again(tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.put("calls_a.csv", text(DAY))
    before = workspace_at(tmp_path, shop.url).landing.scan("calls")
    read: list[str] = []
    real = Bucket.open_file
    monkeypatch.setattr(
        Bucket, "open_file", lambda self, file, scratch: read.append(file.name) or real(self, file, scratch)
    )
    landing = workspace_at(tmp_path, shop.url).landing
    assert landing.scan("calls") == before
    assert read == []
    shop.put("calls_b.csv", text(NEXT))
    assert names(landing) == ["calls_a.csv", "calls_b.csv"]
    assert read == ["calls_b.csv"]


def test_only_an_object_with_other_content_is_a_new_arrival(tmp_path: Path, shop: Shop) -> None:
    landing = workspace_at(tmp_path, shop.url).landing
    shop.put("calls_a.csv", text(DAY))
    (first,) = landing.scan("calls")
    shop.put("calls_a.csv", text(DAY))
    (again,) = landing.scan("calls")
    assert (again.sha256, again.seq) == (first.sha256, 1)
    shop.put("calls_a.csv", text(NEXT))
    (corrected,) = landing.scan("calls")
    assert (corrected.partitions, corrected.seq) == ({str(NEXT): 2}, 2)


def test_an_archived_object_is_a_problem_once_and_not_pending_again(tmp_path: Path, shop: Shop) -> None:
    ws = workspace_at(tmp_path, shop.url)
    shop.put("readme", "x")
    shop.put("calls_a.csv", text(DAY))
    ws.landing.scan("calls")
    shop.remove("calls_a.csv")
    fresh = workspace_at(tmp_path, shop.url).landing
    assert list(pending_extracts(fresh, "calls")) == [str(DAY)]
    entry = ingest(ws.use_case, "calls", ws.lake, fresh, [str(DAY)], "code")[str(DAY)]
    assert "Put the extract back" in entry.facts["extracts"][0]["problem"]
    assert pending_extracts(fresh, "calls") == {}
    shop.put("calls_a.csv", text(DAY))
    assert list(pending_extracts(fresh, "calls")) == [str(DAY)]


def test_an_empty_location_is_empty_and_a_missing_one_is_an_error(tmp_path: Path, shop: Shop) -> None:
    shop.put("readme", "x")
    assert names(workspace_at(tmp_path, shop.url).landing) == []
    protocol = shop.url.split("://")[0]
    with pytest.raises(
        UnreachableSourceError,
        match=f"^calls: the location {protocol}://nowhere-at-all/out can't be read .*Check that it exists",
    ):
        workspace_at(tmp_path, f"{protocol}://nowhere-at-all/out").landing.scan("calls")


def test_a_flat_listing_is_one_request(tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    if shop.url.startswith("memory"):
        pytest.skip("no requests")
    for i in range(5):
        shop.put(f"calls_{i}.csv", text(DAY + timedelta(days=i)))
    landing = workspace_at(tmp_path, shop.url).landing
    landing.scan("calls")
    requests_made = requests(landing, monkeypatch)
    landing.scan("calls")
    assert requests_made == ["list_objects_v2"]


def requests(landing: LandingZone, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What its bucket is requests_made for from now on."""
    files, requests_made = landing._locations["calls"].files, list[str]()  # type: ignore[attr-defined]
    real = files.call_s3

    def call(method: str, *args: Any, **more: Any) -> Any:
        requests_made.append(method)
        return real(method, *args, **more)

    monkeypatch.setattr(files, "call_s3", call)
    return requests_made


def test_a_sensor_lists_a_big_bucket_in_parts_and_misses_nothing(
    tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shop.url.startswith("memory"):
        pytest.skip("no requests")
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "5")  # a page
    days = [DAY + timedelta(days=i) for i in range(40)]
    for day in days[:35]:
        if day != days[7]:
            shop.put(f"calls_{day}.csv", text(day))
    ws = workspace_at(tmp_path, shop.url)
    landing = ws.landing
    assert len(landing.scan("calls", patient=True)) == 34  # the first look sees everything
    requests_made = requests(landing, monkeypatch)

    def scans_until(until: str) -> int:
        for number in itertools.count(1):
            requests_made.clear()
            landing.scan("calls", patient=True)
            assert requests_made.count("list_objects_v2") <= bucket_listing.PAGES_PER_SCAN + 1
            if until in {e.name + str(e.rows) for e in landing.known("calls")}:
                return number
        raise AssertionError

    shop.put(f"calls_{days[35]}.csv", text(days[35]))
    assert scans_until(f"calls_{days[35]}.csv2") == 1  # after the last name known: workspace_at once
    scans_per_pass = -(-36 // (5 * bucket_listing.PAGES_PER_SCAN))
    for day in (days[2], days[20], days[34]):
        shop.put(f"calls_{day}.csv", text(day, count=3))  # a correction
        assert scans_until(f"calls_{day}.csv3") <= scans_per_pass
    shop.put(f"calls_{days[7]}.csv", text(days[7]))  # late
    assert scans_until(f"calls_{days[7]}.csv2") <= scans_per_pass
    shop.remove(f"calls_{days[30]}.csv")
    for _ in range(scans_per_pass):
        landing.scan("calls", patient=True)
    assert f"calls_{days[30]}.csv" not in {e.name for e in landing.known("calls") if e.is_present}
    fresh = workspace_at(tmp_path, shop.url).landing  # a run's look is whole
    shop.put(f"calls_{days[3]}.csv", text(days[3], count=3))
    assert f"calls_{days[3]}.csv3" in {e.name + str(e.rows) for e in fresh.scan("calls")}


@pytest.mark.parametrize("done", [False, True])
def test_another_process_continues_the_pass_through_a_big_bucket(
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
    ws = workspace_at(tmp_path, shop.url, requires_done_file=done)
    ingest(ws.use_case, "calls", ws.lake, ws.landing, [*map(str, days)], "code")
    shop.remove(f"calls_{days[7]}.csv")
    ws.landing.scan("calls")
    put(days[3], count=3)
    put(days[35])
    landing = workspace_at(tmp_path, shop.url, requires_done_file=done).landing
    landing.location("calls")
    requests_made = requests(landing, monkeypatch)
    before = len(landing.known("calls"))
    assert str(days[35]) in pending_extracts(landing, "calls")  # the last name, in its first look
    assert requests_made.count("list_objects_v2") == 1 + done
    assert len(landing.known("calls")) == before + 1
    for _ in range(36 * 2 // (5 * bucket_listing.PAGES_PER_SCAN) + 1):
        due = pending_extracts(landing, "calls")
    assert sorted(due) == [str(days[3]), str(days[35])]  # what was archived is nobody's business any more
    assert [e.name for e in landing.known("calls") if not e.is_present] == [f"calls_{days[7]}.csv"]


def test_times_are_texts_or_numbers_or_missing() -> None:
    assert bucket._nanoseconds(None) == 0
    assert bucket._nanoseconds("1970-01-01T00:00:02Z") == bucket._nanoseconds(2.0) == 2 * 10**9
