"""Databases, ledgers and secrets of a home belong to one user, also in homes of earlier versions."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from sixtyforty.storage.private_files import find_exposed, make_private, use_private_umask

FILES = [
    *("deliveries.sqlite", "deliveries.sqlite-wal", "dagster/storage/runs.db", "services/supervisord.conf"),
    *("models/flights/champion.jsonl", "models/flights/champion.jsonl.head", "alerts/flights.jsonl"),
]


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """The folder `data` of an earlier version, written under the umask 022."""
    before = os.umask(0o022)
    folder = tmp_path / "data"
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    yield folder
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_home_of_an_earlier_version_is_named_and_corrected(data: Path) -> None:
    assert set(find_exposed(data)) == {data, *(data / name for name in FILES)}
    make_private(data)
    assert mode_of(data) == 0o700
    assert {mode_of(data / name) for name in FILES} == {0o600}
    assert list(find_exposed(data)) == []


def test_links_and_missing_folders_stay_as_they_are(data: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere.db"
    target.touch()
    (data / "link.db").symlink_to(target)
    make_private(data)
    assert mode_of(target) == 0o644
    make_private(tmp_path / "missing")
    assert list(find_exposed(tmp_path / "missing")) == []


def test_an_interrupted_correction_is_repeated(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change, changed = Path.chmod, list[Path]()

    def stop_at_the_third(path: Path, mode: int) -> None:
        changed.append(path)
        if len(changed) == 3:
            raise KeyboardInterrupt
        change(path, mode)

    monkeypatch.setattr(Path, "chmod", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        make_private(data)
    monkeypatch.undo()
    make_private(data)
    assert list(find_exposed(data)) == []


def test_new_files_are_private(data: Path) -> None:
    use_private_umask()
    (data / "new").mkdir()
    (data / "new" / "runs.db").touch()
    assert (mode_of(data / "new"), mode_of(data / "new" / "runs.db")) == (0o700, 0o600)
