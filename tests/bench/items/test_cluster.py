"""A backfill on one and on two workers: both write the same bytes, and their seconds and memory are compared.

The real servers and workers take too long for this test. See tests/pipelines/runtime/test_cluster.py.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.items import cluster
from bench.items.cluster import BUCKET, ClusterRun, describe_rounds, lake_digests
from bench.measure import BenchError, Settings
from bench.object_store import ObjectStore


class FakeStore:
    """An object store that answers nobody. `objects`: the digest of each object below the lake."""

    def __init__(self, *_: object) -> None:
        self.uploaded: list[str] = []

    def upload(self, bucket: str, folder: str, files: list[Path]) -> None:
        """Remember the files."""
        self.uploaded += [file.name for file in files]

    def digests(self, folder: str) -> dict[str, str]:
        """Return the digests of a data file and of a ledger."""
        return {"orders/raw/orders/a.parquet": folder, "orders/arrivals/orders.json": "times"}

    def stop(self) -> None:
        """Do nothing."""


def measure_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digests: dict[str, str]
) -> list[dict[str, ClusterRun]]:
    """Measure few rows without servers. digests: the digest that each side writes."""
    monkeypatch.setattr(cluster, "ObjectStore", FakeStore)
    server = SimpleNamespace(get_uri=lambda: "", cleanup=lambda: None)
    monkeypatch.setattr(cluster, "start_server", lambda _: server)
    seconds = {"one": 4.0, "two": 2.0}
    monkeypatch.setattr(
        cluster,
        "run_side",
        lambda work, days, store, url, side, number: ClusterRun(seconds[side], [900], {"a.parquet": digests[side]}),
    )
    return cluster.measure_rows(tmp_path / "work", 100, pairs=1, days=4)


def test_the_extracts_are_read_from_the_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (runs,) = measure_with(tmp_path, monkeypatch, {"one": "same", "two": "same"})
    assert runs["one"].digests == runs["two"].digests
    declaration = tmp_path / "work" / "project" / "use_cases" / "orders" / "defs.yaml"
    assert f"location: s3://{BUCKET}/landing" in declaration.read_text()


def test_other_bytes_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BenchError, match=r"different bytes: \['a.parquet'\]"):
        measure_with(tmp_path, monkeypatch, {"one": "same", "two": "other"})


def test_the_ledgers_of_arrivals_arent_compared() -> None:
    assert lake_digests(FakeStore(), "two_0") == {"orders/raw/orders/a.parquet": "bench/two_0"}  # type: ignore[arg-type]


def test_objects_have_digests(tmp_path: Path, endpoint: str, bucket: str) -> None:
    store = ObjectStore.__new__(ObjectStore)
    store.endpoint = endpoint
    (tmp_path / "a.csv").write_text("1")
    store.upload(f"{bucket}-bench", "landing", [tmp_path / "a.csv"])
    (digest,) = store.digests(f"{bucket}-bench/landing").items()
    assert digest[0] == "a.csv" and digest[1].startswith("6b86b273")


def test_only_the_largest_number_of_rows_has_an_aim() -> None:
    runs = {
        "one": ClusterRun(38.0, [1500], {}, cpu_s=[30.0]),
        "two": ClusterRun(20.0, [1400, 1600], {}, cpu_s=[14.0, 16.0]),
    }
    seconds, processor, memory = describe_rounds(10_000_000, [runs], is_largest=True)
    assert (seconds.chain, seconds.other, seconds.ratio, seconds.is_met) == ("20.0 s", "38.0 s", 1.9, True)
    assert (processor.chain, processor.other, processor.ratio) == ("30.0 s", "30.0 s", 1.0)
    assert (memory.chain, memory.other, memory.is_met) == ("1,600 MB", "1,500 MB", True)
    assert describe_rounds(200_000, [runs], is_largest=False)[0].is_met is None


def test_a_missing_redis_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PROGRAM", None)
    with pytest.raises(BenchError, match="redis-server is not installed"):
        cluster.measure(Settings(tmp_path, tmp_path, small=True))
