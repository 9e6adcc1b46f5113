"""A decided project, which is made once for all tests of renames and removals."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipelines.operations.backed_up_home import make_small_home
from tests.pipelines.operations.moved_project import make_decided_project


@pytest.fixture(scope="session")
def decided(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a project and a home, in which the small use case has decided four days."""
    root = tmp_path_factory.mktemp("decided")
    make_decided_project(root)
    return root


@pytest.fixture
def small_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use a home with a ledger, a model and a database in it."""
    return make_small_home(tmp_path / "home", monkeypatch)
