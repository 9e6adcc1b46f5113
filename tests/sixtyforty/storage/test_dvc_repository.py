"""The DVC repository is created with its settings, opened by one process at a time, and gives errors to act on."""

from __future__ import annotations

from pathlib import Path

import pytest

from sixtyforty.storage import dvc_repository
from sixtyforty.storage.dvc_repository import DvcVersionError, open_repository
from sixtyforty.storage.locks import LockTimeoutError, exclusive_lock


def test_a_new_home_gets_a_repository_without_scm_that_ignores_half_written_files(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "data").mkdir(parents=True)
    (home / ".dvcignore").write_text("mine\n")
    for _ in range(2):
        with open_repository(home, str(tmp_path / "remote"), "test") as repository:
            assert Path(repository.root_dir) == home
            assert repository.config["core"]["no_scm"] is True
            assert repository.config["remote"]["store"]["url"] == str(tmp_path / "remote")
    assert (home / ".dvcignore").read_text() == "mine\n.writing-*\n"


def test_an_error_of_dvc_names_the_home(tmp_path: Path) -> None:
    with (
        pytest.raises(DvcVersionError, match=rf"^{tmp_path}: DVC failed \(.*absent"),
        open_repository(tmp_path, str(tmp_path / "remote"), "test") as repository,
    ):
        repository.add([str(tmp_path / "absent")])


def test_only_one_process_opens_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dvc_repository, "WRITER_TIMEOUT", 0.1)
    with (
        exclusive_lock(tmp_path / "data" / ".dvc-writer.lock", "push a large home"),
        pytest.raises(LockTimeoutError, match="push a large home"),
        open_repository(tmp_path, str(tmp_path / "remote"), "test"),
    ):
        pytest.fail("two processes opened the repository")
