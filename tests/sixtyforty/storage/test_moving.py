"""Files and folders are moved whole, and a second call after a kill moves the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from sixtyforty.storage import moving
from sixtyforty.storage.files import FileAccessError
from sixtyforty.storage.moving import delete_path, move_path, path_exists
from sixtyforty.storage.object_store import ObjectPath


def test_a_folder_and_a_file_are_moved_with_what_they_hold(tmp_path: Path) -> None:
    (tmp_path / "old" / "a").mkdir(parents=True)
    (tmp_path / "old" / "a" / "b").write_text("1")
    move_path(tmp_path / "old", tmp_path / "deep" / "new")
    assert (tmp_path / "deep" / "new" / "a" / "b").read_text() == "1"
    move_path(tmp_path / "old", tmp_path / "deep" / "new")  # again: nothing is left to move
    (tmp_path / "x.jsonl").write_text("2")
    (tmp_path / "x.lock").write_text("")
    move_path(tmp_path / "x.jsonl", tmp_path / "y.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "y.jsonl"]


def test_an_existing_target_is_never_overwritten(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    with pytest.raises(FileAccessError, match="the path exists already"):
        move_path(tmp_path / "old", tmp_path / "new")
    assert [(tmp_path / name / "file").read_text() for name in ("old", "new")] == ["old", "new"]
    delete_path(tmp_path / "new" / "file")
    move_path(tmp_path / "old", tmp_path / "new")  # an empty folder gives way
    assert (tmp_path / "new" / "file").read_text() == "old"


@pytest.mark.parametrize("step", ["copytree", "touch", "rename", "delete_path"])
def test_a_move_to_another_disk_loses_nothing_whenever_it_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    (tmp_path / "old").mkdir()
    for name in ("a", "b"):
        (tmp_path / "old" / name).write_text(name)
    monkeypatch.setattr(moving, "_is_same_disk", lambda *_: False)
    owner = {"copytree": moving.shutil, "delete_path": moving}.get(step, Path)
    work = getattr(owner, step)

    def die(path: Path, *arguments: object, **options: object) -> object:
        if step == "delete_path":
            if path.name != "old":
                return work(path)
            (path / "a").unlink()  # killed while it deletes
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(owner, step, die)
        move_path(tmp_path / "old", tmp_path / "new")
    move_path(tmp_path / "old", tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new"]
    assert [(tmp_path / "new" / name).read_text() for name in ("a", "b")] == ["a", "b"]


def test_objects_are_moved_and_the_rest_after_a_kill(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = (ObjectPath(f"s3://{bucket}/{name}") for name in ("old", "new"))
    for name in ("a", "b/c"):
        (old / name).write_bytes(name.encode())
    written = moving.write_atomic

    def die_at_the_second(path: ObjectPath, content: bytes) -> None:
        if path.name == "c":
            raise KeyboardInterrupt
        written(path, content)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(moving, "write_atomic", die_at_the_second)
        move_path(old, new)
    assert set(old.list_objects(recursive=True)) == {"a", "b/c"}, "nothing is deleted before all is copied"
    move_path(old, new)
    assert not path_exists(old)
    assert {name: (new / name).read_bytes() for name in new.list_objects(recursive=True)} == {"a": b"a", "b/c": b"b/c"}
    delete_path(new)
    assert not path_exists(new)
