"""A scratch folder is private, lives as long as its process, and doesn't outlive a killed one for long."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sixtyforty.storage.scratch import current_scratch_folder, scratch_folder

PROGRAM = """
import sys
from pathlib import Path
from sixtyforty.storage.scratch import scratch_folder
(scratch_folder(Path(sys.argv[1])) / "file").write_text("content")
print("ready", flush=True)
sys.stdin.read()
"""


def start_process(parent: Path) -> subprocess.Popen[str]:
    """Start a process that keeps a scratch folder with a file until its input is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(parent)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def list_files(parent: Path) -> list[Path]:
    return list(parent.glob("*/file"))


def test_a_process_has_one_private_folder_below_each_parent(tmp_path: Path) -> None:
    folder = scratch_folder(tmp_path / "cache")
    assert folder == scratch_folder(tmp_path / "cache")
    assert folder != scratch_folder(tmp_path / "other")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_current_folder_is_the_one_that_the_process_created_last(tmp_path: Path) -> None:
    folders = [scratch_folder(tmp_path / name) for name in ("first", "last")]
    assert current_scratch_folder() == folders[1]
    shutil.rmtree(folders[1])
    assert current_scratch_folder() == folders[0]


def test_a_deleted_folder_is_created_again(tmp_path: Path) -> None:
    folder = scratch_folder(tmp_path / "cache")
    shutil.rmtree(tmp_path / "cache")
    assert scratch_folder(tmp_path / "cache").is_dir()
    assert not folder.exists()


def test_a_process_deletes_its_folder_at_its_end(tmp_path: Path) -> None:
    process = start_process(tmp_path)
    assert len(list_files(tmp_path)) == 1
    process.communicate()
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_killed_process_is_deleted_by_the_next_one(tmp_path: Path) -> None:
    alive, killed = start_process(tmp_path), start_process(tmp_path)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert len(list_files(tmp_path)) == 2
    scratch_folder(tmp_path)
    (kept,) = list_files(tmp_path)
    assert kept.read_text() == "content"
    alive.communicate()
    assert list_files(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_process_leaves_the_folder_of_its_parent(tmp_path: Path) -> None:
    script = (
        f"{PROGRAM.split('print')[0]}\nimport os\nif os.fork():\n    print('ready', flush=True)\n    sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.5)  # the child has ended by now
    assert len(list_files(tmp_path)) == 1
    process.communicate()
    assert list(tmp_path.iterdir()) == []
