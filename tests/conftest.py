"""Fixtures that all tests share: a small use case in its own folder, an S3-compatible server, and PostgreSQL."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import fsspec
import pytest
import sqlalchemy as sa
from hypothesis import settings

from sixtyforty.spec.use_case import UseCase
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace, s3_environment
from tests.once_per_process import compute_once
from tests.postgres import Postgres
from tests.quick_charts import FOLDERS, use_quick_charts

# By default every run tries the same examples, without a deadline; `--hypothesis-profile=explore` tries more.
settings.register_profile("same", derandomize=True, deadline=None, database=None, max_examples=50)
settings.register_profile("explore", deadline=None, database=None, max_examples=1000)
settings.load_profile("same")


@pytest.fixture(scope="session", autouse=True)
def without_waiting_for_the_disk() -> Iterator[None]:
    """Leave written files in the cache of the operating system, so that no test waits for the disk.

    Only a power cut loses such files, and no test cuts the power. Processes that tests start wait for the disk as in
    production.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        sa.event.listen(sa.Engine, "connect", _leave_in_cache)
        yield
        sa.event.remove(sa.Engine, "connect", _leave_in_cache)


@pytest.fixture(scope="session", autouse=True)
def quick_process() -> Iterator[None]:
    """Compute once in this process what a command computes once."""
    with compute_once():
        yield


@pytest.fixture(scope="module", autouse=True)
def quick_charts(request: pytest.FixtureRequest) -> Iterator[None]:
    """Draw no charts in the tests that look at none."""
    with pytest.MonkeyPatch.context() as patch:
        if request.path.relative_to(Path(__file__).parent).parts[0] in FOLDERS:
            use_quick_charts(patch)
        yield


def _leave_in_cache(connection: Any, _: Any) -> None:
    """Make a connection to SQLite wait for no disk. If the file can't be read, its first query reports it."""
    if isinstance(connection, sqlite3.Connection):
        with suppress(sqlite3.Error):
            connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Return the workspace of the small use case in a new home, before any extract has landed."""
    return make_workspace(tmp_path)


@pytest.fixture
def tiny_use_case(workspace: Workspace) -> UseCase:
    """Return the small use case."""
    return workspace.use_case


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """Return the URL of an S3-compatible server on this machine, which runs for the whole session."""
    server = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    moto_server = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto_server.start()
    yield "http://{}:{}".format(*moto_server.get_host_and_port())
    moto_server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of an empty bucket for one test, and set the environment that gives access to it."""
    for variable, setting in s3_environment(endpoint).items():
        monkeypatch.setenv(variable, setting)
    fsspec.filesystem("s3").clear_instance_cache()  # the cache ignores the environment
    name = f"test-{uuid4().hex[:12]}"
    fsspec.filesystem("s3").mkdir(name)
    return name


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Return a PostgreSQL server for the whole session. Each test creates its own database."""
    # Pytest's folder is closed to the user that PostgreSQL runs as.
    with tempfile.TemporaryDirectory(prefix="sixtyforty-", ignore_cleanup_errors=True) as folder:
        server = Postgres(Path(folder) / "pg")
        yield server
        server.close()
