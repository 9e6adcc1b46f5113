"""DVC records what is new, changed or gone, and restores it, also for a lake outside the home."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sixtyforty.storage.dvc_setup import DvcVersionError
from sixtyforty.storage.dvc_versions import DvcVersions
from sixtyforty.storage.files import write_atomic
from sixtyforty.storage.object_store import ObjectPath

DVC_FILE = """stages:
  train:
    foreach: [calls]
    do:
      cmd: "false"
      deps: ["data/in-${item}"]
      outs: ["data/out-${item}"]
"""


def test_the_copy_of_a_lake_elsewhere_is_recorded(tmp_path: Path) -> None:
    lake, home = tmp_path / "lake", tmp_path / "home"
    versions, folder = DvcVersions(home, str(tmp_path / "remote"), lake), lake / "calls" / "raw" / "x"
    write_atomic(folder / "1.json", b"one")
    write_atomic(folder / ".writing-2", b"half")
    copy = home / "data" / "lake" / "calls" / "raw" / "x"

    assert versions.snapshot([folder]) == 1
    assert {path.name: path.read_text() for path in copy.iterdir()} == {"1.json": "one"}
    assert copy.with_name("x.dvc").exists()
    assert versions.snapshot([folder]) == 0

    write_atomic(folder / "1.json", b"1st")  # the same size as before
    write_atomic(folder / "2.json", b"two")
    assert versions.snapshot([folder]) == 2
    (folder / "1.json").unlink()
    write_atomic(folder / "3.json", b"three")
    versions.snapshot([folder])
    assert versions.find_changes() == set()
    restored = versions.restore(copy, tmp_path / "restored")
    assert {path.name: path.read_text() for path in restored} == {"2.json": "two", "3.json": "three"}


def test_a_lake_and_a_remote_in_an_object_store_are_recorded_and_restored(tmp_path: Path, bucket: str) -> None:
    lake, remote = ObjectPath(f"s3://{bucket}/lake"), f"s3://{bucket}/dvc"
    versions = DvcVersions(tmp_path / "home", remote, lake)
    folder, model = lake / "calls/raw/x", lake / ".models/calls/v1"
    (folder / "1.aa.parquet").write_bytes(b"one")
    (folder / "1.json").write_bytes(b"one")
    (model / "model.skops").write_bytes(b"model")

    assert versions.snapshot([folder, model, lake / "calls/raw/absent"]) == 2
    assert versions.snapshot([folder, model]) == 0
    (folder / "1.json").write_bytes(b"1st")
    (folder / "2.json").write_bytes(b"two")
    (folder / "2.bb.parquet").write_bytes(b"two")
    assert versions.snapshot([folder, model]) == 3
    (folder / "1.json").unlink()
    (folder / "1.aa.parquet").unlink()
    (folder / "3.json").write_bytes(b"three")
    versions.snapshot([folder])
    assert versions.find_changes() == set()
    versions.publish()

    clone = DvcVersions(tmp_path / "clone", remote, lake)
    restored = {path.name: path.read_bytes() for path in clone.restore(folder, tmp_path / "restored")}
    assert restored == {"2.bb.parquet": b"two", "2.json": b"two", "3.json": b"three"}
    assert [path.read_bytes() for path in clone.restore(model, tmp_path / "model")] == [b"model"]


def test_the_working_directory_stays_and_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setattr(os, "chdir", lambda path: pytest.fail(f"the working directory changed to {path}"))
    versions = DvcVersions(home, str(tmp_path / "remote"))
    write_atomic(home / "dvc.yaml", DVC_FILE.encode())
    write_atomic(home / "data" / "in-calls", b"in")
    write_atomic(home / "data" / "out-calls", b"out")

    assert versions.snapshot([home / "data" / "in-calls"]) == 1
    versions.commit(["train@calls"])
    assert versions.find_changes() == set()
    assert versions.publish() > 0
    write_atomic(home / "data" / "in-calls", b"changed")
    assert versions.find_changes() == {"train@calls", "data/in-calls.dvc"}

    clone = DvcVersions(tmp_path / "clone", str(tmp_path / "remote"))
    write_atomic(clone.home / "dvc.yaml", DVC_FILE.encode())
    pointers = clone.fetch_pointers()
    assert pointers == ["data/in-calls.dvc", "dvc.lock"]
    clone.pull(["data/in-calls.dvc"])
    assert (clone.home / "data" / "in-calls").read_bytes() == b"in"
    assert list(elsewhere.iterdir()) == []


def test_restoring_a_folder_that_was_never_recorded_names_the_next_step(tmp_path: Path) -> None:
    versions = DvcVersions(tmp_path / "home", str(tmp_path / "remote"))
    with pytest.raises(DvcVersionError, match="no version was published to this DVC remote yet"):
        versions.restore(tmp_path / "home" / "data" / "models" / "v1", tmp_path / "restored")
    write_atomic(tmp_path / "home" / "data" / "x", b"x")
    versions.snapshot([tmp_path / "home" / "data" / "x"])
    versions.publish()
    with pytest.raises(DvcVersionError, match=r"v1: DVC has recorded no version\. Materialize the assets training_set"):
        versions.restore(tmp_path / "home" / "data" / "models" / "v1", tmp_path / "restored")


def objects_of(folder: Path, content: bytes) -> list[Path]:
    """Return DVC's stored copies of a content below a folder."""
    return [path for path in folder.rglob("*") if path.is_file() and path.read_bytes() == content]


def overwrite(file: Path, content: bytes) -> None:
    """Change a stored file as a bad disk does: its permissions stay, so DVC trusts it."""
    mode = file.stat().st_mode
    file.chmod(0o644)
    file.write_bytes(content)
    file.chmod(mode)


@pytest.fixture
def published(tmp_path: Path) -> DvcVersions:
    """A home with a recorded and published folder of two files, and a file."""
    versions = DvcVersions(tmp_path / "home", str(tmp_path / "remote"))
    for name, content in (("model/a", b"weights"), ("model/b", b"card"), ("rows", b"rows")):
        write_atomic(versions.home / "data" / name, content)
    versions.snapshot([versions.home / "data" / "model", versions.home / "data" / "rows"])
    versions.publish()
    return versions


@pytest.mark.parametrize("damage", [b"weight5", b"", b"weights and more", None], ids=["bit", "empty", "longer", "gone"])
def test_a_damaged_file_of_the_cache_is_fetched_again(
    damage: bytes | None, published: DvcVersions, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for file in objects_of(published.home / "data" / "dvc" / "cache", b"weights"):
        if damage is None:
            file.unlink()
        else:
            overwrite(file, damage)
    restored = published.restore(published.home / "data" / "model", tmp_path / "restored")
    assert [path.read_bytes() for path in restored] == [b"weights", b"card"]
    assert ("1 file of DVC's cache" in caplog.text) == (damage is not None)


@pytest.mark.parametrize("content", [b"weights", b"rows"])
def test_a_damaged_file_of_the_remote_is_never_restored(content: bytes, published: DvcVersions, tmp_path: Path) -> None:
    (file,) = objects_of(tmp_path / "remote", content)
    overwrite(file, content[:-1] + b"?")
    clone = DvcVersions(tmp_path / "clone", str(tmp_path / "remote"))
    clone.fetch_pointers()
    with pytest.raises(DvcVersionError):
        clone.pull(["data/model.dvc", "data/rows.dvc"])
    assert not (clone.home / "data" / "rows").exists() and not (clone.home / "data" / "model").exists()
    if content == b"weights":
        with pytest.raises(DvcVersionError):
            clone.restore(clone.home / "data" / "model", tmp_path / "restored")
        assert not (tmp_path / "restored").exists()


def test_a_damaged_listing_is_fetched_again(published: DvcVersions, tmp_path: Path) -> None:
    (listing,) = (published.home / "data" / "dvc" / "cache").rglob("*.dir")
    overwrite(listing, listing.read_bytes().replace(b"a", b"c"))
    restored = published.restore(published.home / "data" / "model", tmp_path / "restored")
    assert sorted(path.name for path in restored) == ["a", "b"]


@pytest.mark.parametrize("content", ["", "outs: []\n", "outs", "\x00", "- 1\n", "other"])
def test_a_pointer_that_is_damaged_or_of_another_file_restores_nothing(
    content: str, published: DvcVersions, tmp_path: Path
) -> None:
    """Once, the files of another model were restored, and an empty pointer was a fault of the program."""
    pointer, rows = (published.home / "data" / f"{name}.dvc" for name in ("model", "rows"))
    pointer.write_text(rows.read_text() if content == "other" else content)
    with pytest.raises(DvcVersionError, match=r"model\.dvc: .*Delete it"):
        published.restore(published.home / "data" / "model", tmp_path / "restored")
    assert not (tmp_path / "restored").exists()
    pointer.unlink()
    assert len(published.restore(published.home / "data" / "model", tmp_path / "restored")) == 2


def test_a_restore_replaces_no_file_of_other_content(published: DvcVersions, tmp_path: Path) -> None:
    own = tmp_path / "restored" / "b"
    write_atomic(own, b"a card of my own")
    with pytest.raises(DvcVersionError, match=r"b: the file exists with other content.*Name an empty folder"):
        published.restore(published.home / "data" / "model", tmp_path / "restored")
    assert own.read_bytes() == b"a card of my own" and not own.with_name("a").exists()
    own.write_bytes(b"card")
    assert len(published.restore(published.home / "data" / "model", tmp_path / "restored")) == 2
