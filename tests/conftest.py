"""What tests share: a small use case in a folder of its own (`tests/helpers.py` makes others)."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from sixtyforty.use_case import UseCase
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace
from tests.postgres import Postgres

# The same examples every time, as slow as the machine is; `--hypothesis-profile=explore` looks further.
settings.register_profile("same", derandomize=True, deadline=None, database=None, max_examples=50)
settings.register_profile("explore", deadline=None, database=None, max_examples=1000)
settings.load_profile("same")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A home with the small use case in it, and nothing landed yet."""
    return make_workspace(tmp_path)


@pytest.fixture
def tiny_use_case(workspace: Workspace) -> UseCase:
    """The small use case alone."""
    return workspace.use_case


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for the whole session; each test takes a database of its own."""
    # Not in pytest's folder, which pytest keeps shut to the server's own user.
    with tempfile.TemporaryDirectory(prefix="sixtyforty-", ignore_cleanup_errors=True) as folder:
        server = Postgres(Path(folder) / "pg")
        yield server
        server.close()
