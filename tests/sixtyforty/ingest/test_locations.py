"""A folder lists and reads the files in it, and a declared folder must exist."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sixtyforty.ingest import locations
from sixtyforty.ingest.locations import (
    FileChangedError,
    Folder,
    UnreachableSourceError,
    is_file,
    is_folder,
    open_own_file,
)
from tests.landed_calls import DAY, names, text, workspace_at


def test_a_declared_folder_must_exist(tmp_path: Path) -> None:
    landing = workspace_at(tmp_path, str(tmp_path / "dropbox")).landing
    with pytest.raises(
        UnreachableSourceError,
        match=rf"^calls: the location {tmp_path}/dropbox can't be read .*extracts doesn't exist.*Check",
    ):
        landing.scan("calls")
    (tmp_path / "dropbox").mkdir()
    (tmp_path / "dropbox" / "calls_a.csv").write_text(text(DAY))
    assert names(landing) == ["calls_a.csv"]
    assert landing.scan("visits") == []  # still from the landing folder


def test_a_flat_and_a_nested_glob_list_files_but_no_folders(tmp_path: Path) -> None:
    (tmp_path / "north").mkdir()
    (tmp_path / "north" / "calls_a.csv").write_text("x")
    (tmp_path / "calls_b.csv").write_text("xy")
    assert [(file.name, file.size) for file in Folder(tmp_path).list_files("*")] == [("calls_b.csv", 2)]
    assert {file.name for file in Folder(tmp_path).list_files("**/*.csv")} == {"calls_b.csv", "north/calls_a.csv"}
    assert Folder(tmp_path / "missing").list_files("*") == []


def test_a_file_is_read_only_as_it_was_listed(tmp_path: Path) -> None:
    (tmp_path / "calls_a.csv").write_text("x")
    (listed,) = Folder(tmp_path).list_files("*.csv")
    with Folder(tmp_path).open_file(listed, tmp_path) as path:
        assert path.read_bytes() == b"x"
    with pytest.raises(FileChangedError), Folder(tmp_path).open_file(listed, tmp_path) as path:
        path.write_text("y")
        os.utime(path, ns=(listed.mtime_ns, listed.mtime_ns))
    (tmp_path / "calls_a.csv").write_text("xy")
    with pytest.raises(FileChangedError), Folder(tmp_path).open_file(listed, tmp_path):
        raise AssertionError("the file is not as it was listed")


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "outside.csv").write_text("x")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "calls_a.csv").symlink_to(tmp_path / "outside.csv")
    (listed,) = Folder(tmp_path / "in").list_files("*.csv")
    with (
        pytest.raises(PermissionError, match="outside the folder"),
        Folder(tmp_path / "in").open_file(listed, tmp_path),
    ):
        raise AssertionError("the file is outside the folder")


def test_only_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    folder = Folder(tmp_path / "in")
    folder.root.mkdir()
    (folder.root / "calls_a.csv").symlink_to(tmp_path / "secret")
    (folder.root / "calls_b.csv").write_text("x")
    (folder.root / "calls_d.csv").hardlink_to(folder.root / "calls_b.csv")
    (folder.root / "calls_c.csv").symlink_to("calls_b.csv")
    listed = {file.name: file for file in folder.list_files("*.csv")}
    with pytest.raises(PermissionError, match="outside the folder"), folder.open_file(listed["calls_a.csv"], tmp_path):
        raise AssertionError("the file lies outside the folder")
    assert list(folder.list_refused_links("*.csv")) == list(folder.list_refused_links("**/*.csv")) == ["calls_a.csv"]
    for name in ("calls_b.csv", "calls_c.csv", "calls_d.csv"):
        with folder.open_file(listed[name], tmp_path) as path, open_own_file(path, folder.root) as file:
            assert file.read() == path.read_bytes() == b"x"


def test_a_link_that_takes_the_place_of_a_file_while_it_is_opened_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("x")
    root, path = tmp_path / "in", tmp_path / "in" / "calls_a.csv"
    root.mkdir()
    path.symlink_to(tmp_path / "secret")

    def replace_link(path: Path, root: Path) -> None:
        path.unlink()
        path.write_text("harmless")

    monkeypatch.setattr(locations, "check_links", replace_link)
    with pytest.raises(FileNotFoundError):
        open_own_file(path, root)


@pytest.mark.parametrize("target", ["calls_b.csv", "missing.csv", "/nowhere/calls.csv", "n" * 300, "calls_a.csv/x"])
def test_a_broken_link_is_named_and_the_other_files_are_read(target: str, tmp_path: Path) -> None:
    """The first link leads to itself."""
    landing = workspace_at(tmp_path, str(tmp_path / "dropbox")).landing
    (tmp_path / "dropbox").mkdir()
    (tmp_path / "dropbox" / "calls_a.csv").write_text(text(DAY))
    for name in ("calls_b.csv", "CALLS_C.CSV"):
        (tmp_path / "dropbox" / name).symlink_to(target)
    assert names(landing) == ["calls_a.csv"]
    assert "links to a file that doesn't exist; put the file itself" in landing.unread["calls"]["calls_b.csv"]


def test_a_broken_link_is_neither_a_file_nor_a_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for link, target in {"gone": "missing", "long": "x" * 300, "loop": "loop", "to_folder": "folder"}.items():
        (tmp_path / link).symlink_to(target)
    paths = sorted(tmp_path.iterdir())
    assert [path.name for path in paths if is_folder(path)] == ["folder", "to_folder"]
    assert [path.name for path in paths if is_file(path)] == ["file"]
