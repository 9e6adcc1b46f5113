"""Object paths behave as folder paths do, and a use case in an object store gives the same bytes as one in folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sixtyforty.accounting import kpi_ledger
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.delivery import deliver_decisions, find_undelivered
from sixtyforty.lifecycle.stale_partitions import find_stale_partitions
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage import object_store
from sixtyforty.storage.bounded_cache import BoundedCache
from sixtyforty.storage.object_store import ObjectPath, ObjectStoreError, parse_storage_path
from sixtyforty.workspace import Workspace
from tests.helpers import land_days, make_workspace, publish_landed_days, put_champion_in_force, read_files

FIRST = date(2013, 3, 10)
DAYS = [FIRST + timedelta(days=n) for n in range(14)]
NOW = datetime(2013, 4, 20)


@pytest.fixture
def root(bucket: str) -> ObjectPath:
    return ObjectPath(f"s3://{bucket}/root")


def test_a_text_is_a_url_or_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_storage_path("s3://bucket/lake/", "locks") == ObjectPath("s3://bucket/lake", "locks")
    assert parse_storage_path("lake") == tmp_path / "lake"


def test_paths_are_joined_and_taken_apart_as_those_of_folders() -> None:
    path = ObjectPath("s3://bucket/lake", "locks") / "raw" / "a.json"
    assert (str(path), path.name, str(path.parent)) == ("s3://bucket/lake/raw/a.json", "a.json", "s3://bucket/lake/raw")
    assert path.with_suffix(".lock").name == "a.lock"
    assert path.with_name("b").lock_database_url == "locks"
    assert path.relative_to(ObjectPath("s3://bucket/lake")).as_posix() == "raw/a.json"
    with pytest.raises(ValueError, match="other"):
        path.relative_to(ObjectPath("s3://bucket/other"))


def test_a_path_does_not_show_the_password_of_its_lock_database() -> None:
    assert "secret" not in repr(ObjectPath("s3://bucket/lake", "postgresql://ada:secret@host/db"))


def test_objects_are_written_read_listed_and_deleted(root: ObjectPath) -> None:
    for name in ("a.json", "ab.json", "b.txt", "deeper/a.json"):
        (root / name).write_bytes(name.encode())
    assert (root / "a.json").read_bytes() == b"a.json"
    assert root.exists()
    assert list(root.list_objects()) == ["a.json", "ab.json", "b.txt"]
    assert list(root.list_objects("a")) == ["a.json", "ab.json"]
    assert list(root.list_objects(recursive=True)) == ["a.json", "ab.json", "b.txt", "deeper/a.json"]
    assert [path.name for path in root.glob("*.json")] == ["a.json", "ab.json"]
    assert [str(path.parent.name) for path in root.glob("*/a.json")] == ["deeper"]
    assert root.read_many(["a.json", "absent", "b.txt"]) == {"a.json": b"a.json", "b.txt": b"b.txt"}
    (root / "a.json").unlink()
    assert not (root / "a.json").exists()
    with pytest.raises(FileNotFoundError):
        (root / "a.json").read_bytes()
    with pytest.raises(FileNotFoundError):
        (root / "a.json").stat()


def test_the_stat_changes_with_the_content(root: ObjectPath) -> None:
    (root / "a").write_bytes(b"1")
    first = (root / "a").stat()
    (root / "a").write_bytes(b"22")
    second = (root / "a").stat()
    assert (first.st_size, second.st_size) == (1, 2)
    assert first.tag != second.tag


def test_listed_objects_are_read_again_only_if_they_changed(root: ObjectPath, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "_READ_CACHE", BoundedCache(100, weigh=len))
    reads: list[str] = []
    read_many = ObjectPath.read_many

    def count_reads(path: ObjectPath, names: list[str]) -> dict[str, bytes]:
        reads.extend(names)
        return read_many(path, names)

    monkeypatch.setattr(ObjectPath, "read_many", count_reads)
    for name, content in (("a.json", b"a"), ("b.json", b""), ("c.txt", b"c")):
        (root / name).write_bytes(content)
    assert root.read_listed(".json") == {"a.json": b"a", "b.json": b""}
    assert root.read_listed(".json", ["b.json", "absent.json"]) == {"b.json": b""}
    assert reads == ["a.json", "b.json"]
    (root / "a.json").write_bytes(b"changed")
    (root / "b.json").unlink()
    assert root.read_listed(".json") == {"a.json": b"changed"}
    assert reads == ["a.json", "b.json", "a.json"]


def test_objects_larger_than_the_cache_are_still_read(root: ObjectPath, monkeypatch: pytest.MonkeyPatch) -> None:
    cache: BoundedCache[Any, bytes] = BoundedCache(10, weigh=len)
    monkeypatch.setattr(object_store, "_READ_CACHE", cache)
    contents = {f"{n}.json": bytes([65 + n]) * 6 for n in range(4)}
    for name, content in contents.items():
        (root / name).write_bytes(content)
    for _ in range(2):
        assert root.read_listed(".json") == contents
        assert cache.weight <= 10


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A landing folder with two weeks of extracts."""
    ws = make_workspace(tmp_path_factory.mktemp("landed"))
    land_days(ws, DAYS, 10)
    assert isinstance(ws.landing.folder, Path)
    return ws.landing.folder


def open_workspace(home: Path, landed: Path, lakes: ObjectPath | None = None) -> Workspace:
    sources = {name: {"location": str(landed)} for name in ("calls", "visits")}
    return replace(make_workspace(home, sources=sources), lakes=lakes)


def run_chain(ws: Workspace, days: Sequence[date]) -> None:
    """Run the chain from the landed extracts to the accounts."""
    partitions = [str(day) for day in days]
    publish_landed_days(ws, partitions)
    put_champion_in_force(ws, days[-4])
    take_decisions(ws, partitions[-4:], "replay", None)
    entries = ws.lake.entries("decisions/replay")
    deliver_decisions(ws, entries, "replay")
    assert find_undelivered(ws, "replay", entries) == set()
    kpi_ledger.write_accounts(ws, partitions[-4:], "replay")


def read_stable_files(ws: Workspace) -> dict[str, dict[str, bytes]]:
    """Return every file of the workspace that holds no wall-clock time, by folder."""
    folders = {"lake": ws.lake.root, "models": ws.models.root, "deliveries": ws.deliveries}
    return {
        kind: {
            name: content
            for name, (_, content) in read_files(folder).items()
            if not name.startswith("arrivals/") and "champion" not in name and not name.endswith(".lock")
        }
        for kind, folder in folders.items()
    }


def test_a_chain_in_an_object_store_gives_the_same_bytes_as_in_folders(
    tmp_path: Path, landed: Path, bucket: str
) -> None:
    lakes = ObjectPath(f"s3://{bucket}/lake")
    in_folders = open_workspace(tmp_path / "folders", landed)
    in_bucket = open_workspace(tmp_path / "bucket", landed, lakes)
    for ws in (in_folders, in_bucket):
        run_chain(ws, DAYS)
    assert read_stable_files(in_bucket) == read_stable_files(in_folders)
    assert all(read_stable_files(in_bucket).values())
    versions = [row.version for row in in_folders.champion_ledger.rows()]
    assert [row.version for row in in_bucket.champion_ledger.rows()] == versions
    expected = find_stale_partitions(in_folders, "replay", NOW).reasons
    assert find_stale_partitions(in_bucket, "replay", NOW).reasons == expected
    other_machine = open_workspace(tmp_path / "another machine", landed, lakes)
    assert find_stale_partitions(other_machine, "replay", NOW).reasons == expected
    assert other_machine.models.load(versions[-1])


def test_the_requests_of_a_scan_do_not_grow_with_the_partitions(
    tmp_path: Path, landed: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aiobotocore.client import AioBaseClient  # type: ignore[import-untyped]

    requests: Counter[str] = Counter()
    call_api = AioBaseClient._make_api_call

    async def count_call(client: Any, operation: str, arguments: Any) -> Any:
        requests[operation] += 1
        return await call_api(client, operation, arguments)

    monkeypatch.setattr(AioBaseClient, "_make_api_call", count_call)

    def count_requests(days: Sequence[date]) -> int:
        ws = open_workspace(tmp_path / f"{len(days)}", landed, ObjectPath(f"s3://{bucket}/{len(days)}"))
        run_chain(ws, days)
        find_stale_partitions(ws, "replay", NOW)
        requests.clear()
        find_stale_partitions(ws, "replay", NOW)
        return requests.total()

    few, many = count_requests(DAYS[:6]), count_requests(DAYS)
    assert 0 < few <= many <= few + 2


def requests_to(path: ObjectPath) -> list[Callable[[], object]]:
    """Return each kind of request that a path can send."""
    return [
        path.exists,
        path.stat,
        path.read_bytes,
        lambda: path.write_bytes(b""),
        path.unlink,
        path.list_objects,
        lambda: path.glob("*"),
        lambda: path.read_many(["a"]),
        lambda: path.read_listed(".json"),
    ]


class EndpointConnectionError(Exception):
    """An error with botocore's name. A store's client raises errors of its own, which are no OSErrors."""


def test_an_unreachable_store_is_one_error_that_names_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unreachable:
        """A file system whose every method fails as botocore does."""

        def __getattr__(self, name: str) -> Callable[..., object]:
            def fail(*arguments: object, **options: object) -> object:
                if name == "invalidate_cache":
                    return None
                raise EndpointConnectionError("Could not connect to the endpoint URL: http://key:geheim@127.0.0.1:1/x")

            return fail

    monkeypatch.setattr(ObjectPath, "_file_system", Unreachable())
    for request in requests_to(ObjectPath("sftp://ann:geheim@host/lake")):
        with pytest.raises(ObjectStoreError) as error:
            request()
        assert str(error.value).startswith(
            "sftp://host/lake: the object store can't be used (Could not connect to the endpoint URL"
        )
        assert str(error.value).endswith(
            "Check that the bucket exists, and that environment variables hold its access keys and endpoint."
        )
        assert "geheim" not in str(error.value)
        assert isinstance(error.value, SixtyfortyError)
        assert isinstance(error.value.__cause__, EndpointConnectionError)


def test_an_object_that_a_parallel_read_can_not_reach_is_an_error(
    root: ObjectPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing:
        """A file system that returns a refusal for each object, as fsspec does for parallel reads."""

        def cat(self, paths: list[str], on_error: str) -> dict[str, Exception]:
            return {path: PermissionError("Access Denied") for path in paths}

    monkeypatch.setattr(ObjectPath, "_file_system", Refusing())
    with pytest.raises(ObjectStoreError, match="Access Denied"):
        root.read_many(["a"])


def test_a_missing_bucket_is_an_error_for_a_writer_and_a_missing_object_for_a_reader(bucket: str) -> None:
    path = ObjectPath(f"s3://{bucket}-missing/a")
    with pytest.raises(ObjectStoreError, match="Check that the bucket exists"):
        path.write_bytes(b"")
    with pytest.raises(FileNotFoundError) as error:
        path.read_bytes()
    assert not isinstance(error.value, SixtyfortyError)
