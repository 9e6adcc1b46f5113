"""A lake outside the home is recorded as well: by what came, what changed and what went."""

from __future__ import annotations

from pathlib import Path

from sixtyforty.versions import Versions


def test_of_a_lake_elsewhere_what_is_recorded_follows_it(tmp_path: Path) -> None:
    lake, home = tmp_path / "lake", tmp_path / "home"
    versions, folder = Versions(home, str(tmp_path / "remote"), lake), lake / "calls" / "raw" / "x"
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
