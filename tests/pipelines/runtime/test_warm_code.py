"""A run takes the server's modules while their source files are unchanged, and imports them anew after an edit."""

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from pipelines.runtime import warm_code as module
from pipelines.runtime.warm_code import WarmCode, forget_project_modules, project_modules, stamp_file

PREPARE_RUNS = "def prepare_runs(): pass\n"


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of one package with one module, in place of this project's."""
    package = tmp_path / "warm_sample"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "definitions.py").write_text(f"ANSWER = 1\n{PREPARE_RUNS}")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(module, "PACKAGES", ("warm_sample",))
    monkeypatch.setattr(module, "DEFINITIONS", "warm_sample.definitions")
    monkeypatch.setattr(module.gc, "freeze", lambda: None)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return package


@pytest.fixture
def warm(code: Path):
    """Code that this process has imported, unchanged so far."""
    warmed = WarmCode()
    warmed.import_definitions()
    yield warmed
    forget_project_modules()


def test_unchanged_code_stays_imported(warm):
    imported = sys.modules["warm_sample.definitions"]
    warm.refresh()
    assert sys.modules["warm_sample.definitions"] is imported


def test_an_edit_is_imported_anew(warm, code):
    (code / "definitions.py").write_text("ANSWER = 2\n")
    warm.refresh()
    assert "warm_sample.definitions" not in sys.modules
    from warm_sample.definitions import ANSWER  # type: ignore[import-not-found]

    assert ANSWER == 2


def test_an_edit_that_keeps_size_and_time_is_imported_anew(warm, code):
    path = code / "definitions.py"
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_text("ANSWER = 3\n")
    os.utime(path, ns=times)
    warm.refresh()
    assert not project_modules()


@pytest.mark.parametrize("name", ["definitions.py", "__init__.py"])
def test_a_deleted_file_is_noticed(warm, code, name):
    (code / name).unlink()
    warm.refresh()
    assert not project_modules()


def test_a_file_edited_during_the_import_counts_as_changed(code):
    (code / "definitions.py").write_text(
        f"from pathlib import Path\nPath(__file__).write_text(Path(__file__).read_text())\n{PREPARE_RUNS}"
    )
    warmed = WarmCode()
    warmed.import_definitions()
    warmed.refresh()
    assert not project_modules()


def test_code_that_fails_to_import_does_not_stop_the_server(code):
    (code / "definitions.py").write_text("this is no Python\n")
    warmed = WarmCode()
    warmed.import_definitions()
    assert not project_modules()
    warmed.refresh()
    (code / "definitions.py").write_text("ANSWER = 4\n")
    from warm_sample.definitions import ANSWER

    assert ANSWER == 4
    forget_project_modules()


def test_code_that_fails_to_prepare_does_not_stop_the_server(code):
    (code / "definitions.py").write_text("def prepare_runs(): raise ValueError\n")
    WarmCode().import_definitions()
    assert not project_modules()


def test_a_missing_file_has_no_stamp(tmp_path):
    assert stamp_file(tmp_path / "absent.py") is None


def test_the_projects_definitions_are_imported_by_a_new_process():
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:  # it ends without SIGTERM, unlike Pool
        assert pool.submit(_modules_after_warm_up).result() > 100


def _modules_after_warm_up() -> int:
    from pipelines.runtime import warm_up

    assert warm_up.warm_code is module.warm_code
    return len(project_modules())
