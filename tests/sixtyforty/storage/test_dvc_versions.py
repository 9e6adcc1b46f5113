"""A lake outside the home is recorded as well: by what came, what changed and what went."""

from __future__ import annotations

from pathlib import Path

from sixtyforty.storage.dvc_versions import DvcVersions
from sixtyforty.storage.object_store import ObjectPath


def test_of_a_lake_elsewhere_what_is_recorded_follows_it(tmp_path: Path) -> None:
    lake, home = tmp_path / "lake", tmp_path / "home"
    versions, folder = DvcVersions(home, str(tmp_path / "remote"), lake), lake / "calls" / "raw" / "x"
    folder.mkdir(parents=True)
    (folder / "1.json").write_text("one")
    (folder / ".writing-2").write_text("half")
    copy = home / "data" / "lake" / "calls" / "raw" / "x"

    assert versions.snapshot([folder]) == 1
    assert {p.name: p.read_text() for p in copy.iterdir()} == {"1.json": "one"}
    assert copy.with_name("x.dvc").exists()
    assert versions.snapshot([folder]) == 0

    (folder / "1.json").write_text("1st")  # as long as before
    (folder / "2.json").write_text("two")
    assert versions.snapshot([folder]) == 2
    (folder / "1.json").unlink()
    (folder / "3.json").write_text("three")
    versions.snapshot([folder])
    assert versions.status() == {}
    back = versions.restore(copy, tmp_path / "back")
    assert {p.name: p.read_text() for p in back} == {"2.json": "two", "3.json": "three"}


def test_a_lake_and_a_remote_in_an_object_store_are_recorded_by_way_of_the_home(tmp_path: Path, bucket: str) -> None:
    lake, store = ObjectPath(f"s3://{bucket}/lake"), f"s3://{bucket}/dvc"
    versions, folder, model = (
        DvcVersions(tmp_path / "home", store, lake),
        lake / "calls/raw/x",
        lake / ".models/calls/v1",
    )
    (folder / "1.aa.parquet").write_bytes(b"one")
    (folder / "1.json").write_bytes(b"one")
    (model / "model.skops").write_bytes(b"model")

    assert versions.snapshot([folder, model, lake / "calls/raw/nothing"]) == 2
    assert versions.snapshot([folder, model]) == 0
    (folder / "1.json").write_bytes(b"1st")
    (folder / "2.json").write_bytes(b"two")
    (folder / "2.bb.parquet").write_bytes(b"two")
    assert versions.snapshot([folder, model]) == 3
    (folder / "1.json").unlink()
    (folder / "1.aa.parquet").unlink()
    (folder / "3.json").write_bytes(b"three")
    versions.snapshot([folder])
    assert versions.status() == {}
    versions.publish()

    clean = DvcVersions(tmp_path / "clean", store, lake)
    back = {p.name: p.read_bytes() for p in clean.restore(folder, tmp_path / "back")}
    assert back == {"2.bb.parquet": b"two", "2.json": b"two", "3.json": b"three"}
    assert [p.read_bytes() for p in clean.restore(model, tmp_path / "model")] == [b"model"]
