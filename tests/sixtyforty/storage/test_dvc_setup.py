"""The DVC repository is created with its settings, opened by one process at a time, and gives errors to act on."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from sixtyforty.storage import dvc_setup
from sixtyforty.storage.dvc_setup import DvcVersionError, open_repository
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


@pytest.mark.parametrize("has_reflinks", [True, False])
def test_reflinks_are_not_tried_for_each_file_on_a_file_system_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_reflinks: bool
) -> None:
    """A failing reflink takes as long as the copy that follows."""
    from dvc_objects.fs import system

    tried = list[str]()

    def reflink(source: str | Path, copy: str | Path) -> None:
        tried.append(f"{source}")
        if not has_reflinks:
            raise OSError("not supported")
        shutil.copyfile(source, copy)

    monkeypatch.setattr(system, "reflink", reflink)
    (tmp_path / "data" / "days").mkdir(parents=True)
    for number in range(3):
        (tmp_path / "data" / "days" / f"{number}").write_text(f"{number}")
    with open_repository(tmp_path, str(tmp_path / "remote"), "test") as repository:
        repository.add([str(tmp_path / "data" / "days")])
        assert repository.push() == 4, "three files and their listing"
    assert len(tried) > 6 if has_reflinks else len(tried) == 1
    assert system.reflink is reflink
    assert len([file for file in (tmp_path / "remote").rglob("*") if file.is_file()]) == 4


STAGES = """vars:
  - use_cases: {}
stages:
  train:
    foreach: ${use_cases}
    do:
      cmd: make ${key}
      deps:
        - data/recipe/${key}/recipe.json
"""


def test_the_stages_follow_the_recipes_of_the_home(tmp_path: Path) -> None:
    def stages() -> list[str]:
        with open_repository(tmp_path, str(tmp_path / "remote"), "test") as repository:
            return sorted(stage.name for stage in repository.index.stages)

    assert stages() == [] and not (tmp_path / "params.yaml").exists(), "a home without dvc.yaml needs no list"
    (tmp_path / "dvc.yaml").write_text(STAGES)
    assert stages() == []
    for name in ("late_orders", "no"):
        (tmp_path / "data" / "recipe" / name).mkdir(parents=True)
    assert stages() == ["train@late_orders", "train@no"]
    written = (tmp_path / "params.yaml").stat()
    (tmp_path / "data" / "recipe" / "no").rename(tmp_path / "data" / "recipe" / "yes")
    assert stages() == ["train@late_orders", "train@yes"]
    assert (tmp_path / "params.yaml").stat().st_ino != written.st_ino
    written = (tmp_path / "params.yaml").stat()
    assert len(stages()) == 2 and (tmp_path / "params.yaml").stat().st_ino == written.st_ino, "an equal list stays"


def test_a_new_clone_has_no_stages_and_no_error(tmp_path: Path) -> None:
    from dvc.repo import Repo

    (tmp_path / "dvc.yaml").write_text(STAGES)
    Repo.init(str(tmp_path), no_scm=True).close()
    repository = Repo(str(tmp_path))
    assert list(repository.index.stages) == []
    repository.close()


@pytest.mark.parametrize("name", ["Bücher und Ämter", "东京", "a, b # c", 'it\'s "so"'])
def test_a_home_and_a_remote_of_any_name_work(name: str, tmp_path: Path) -> None:
    home, remote = tmp_path / name, str(tmp_path / f"remote of {name}")
    for content in ("one", "two"):
        with open_repository(home, remote, "test") as repository:
            (home / "data" / "x").write_text(content)
            repository.add([str(home / "data" / "x")])
            assert repository.config["remote"]["store"]["url"] == remote
            assert repository.push() == 1
        (home / ".dvc" / "config.local").open("a").write("[feature]\n")
    assert (home / "data" / "dvc" / "cache").is_dir() and Path(remote).is_dir()


def test_options_that_people_added_to_the_configuration_stay(tmp_path: Path) -> None:
    with open_repository(tmp_path, str(tmp_path / "remote"), "create it"):
        pass
    file = tmp_path / ".dvc" / "config.local"
    file.write_text(file.read_text().replace("url =", "jobs = 3\n    url ="))
    with open_repository(tmp_path, str(tmp_path / "moved"), "open it again") as repository:
        assert repository.config["remote"]["store"]["jobs"] == 3
        assert repository.config["remote"]["store"]["url"] == str(tmp_path / "moved")


def test_an_error_of_dvc_names_the_home(tmp_path: Path) -> None:
    with (
        pytest.raises(DvcVersionError, match=rf"^{tmp_path}: DVC failed \(.*absent"),
        open_repository(tmp_path, str(tmp_path / "remote"), "test") as repository,
    ):
        repository.add([str(tmp_path / "absent")])


def test_only_one_process_opens_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dvc_setup, "WRITER_TIMEOUT", 0.1)
    with (
        exclusive_lock(tmp_path / "data" / ".dvc-writer.lock", "push a large home"),
        pytest.raises(LockTimeoutError, match="push a large home"),
        open_repository(tmp_path, str(tmp_path / "remote"), "test"),
    ):
        pytest.fail("two processes opened the repository")


DEAD = {"pid": 2**22 + 1, "cmd": "dvc commit"}  # larger than any process number of Linux


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"write": {', "damaged, as after a power cut"),
        ("", "damaged"),
        ("\0\0\0\0", "damaged"),
        ('{"write": {"data/x": "somebody"}}', "damaged"),
        (json.dumps({"write": {"{file}": DEAD}, "read": {}}), "locks of ended DVC processes"),
        (json.dumps({"write": {}, "read": {"{file}": [DEAD, DEAD]}}), "locks of ended DVC processes"),
        (json.dumps({"write": {"{file}": {"pid": os.getpid(), "cmd": "x"}}}), "locks of ended DVC processes"),
    ],
    ids=["cut off", "empty", "zeros", "no process", "ended writer", "ended readers", "this process"],
)
def test_locks_that_a_killed_dvc_left_are_cleared_with_a_warning(
    content: str, message: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, remote = tmp_path / "data" / "x", str(tmp_path / "remote")
    with open_repository(tmp_path, remote, "create it"):
        file.write_text("one")
    locks = tmp_path / ".dvc" / "tmp" / "rwlock"
    locks.write_text(content.replace("{file}", str(file)))
    os.utime(locks, (1_000_000_000, 1_000_000_000))  # before this process started, so its number was reused
    with open_repository(tmp_path, remote, "add a file") as repository:
        repository.add([str(file)])
    assert file.with_name("x.dvc").exists()
    assert message in caplog.text


def test_locks_of_a_running_dvc_stay(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file, remote = tmp_path / "data" / "x", str(tmp_path / "remote")
    with open_repository(tmp_path, remote, "create it"):
        file.write_text("one")
    locks = tmp_path / ".dvc" / "tmp" / "rwlock"
    locks.write_text(json.dumps({"write": {str(file): {"pid": os.getppid(), "cmd": "dvc repro"}}, "read": {}}))
    with (
        pytest.raises(DvcVersionError, match="is busy"),
        open_repository(tmp_path, remote, "add a file") as repository,
    ):
        repository.add([str(file)])
    assert "removed" not in caplog.text
