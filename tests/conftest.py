"""What tests share: a small use case in a folder of its own (`tests/helpers.py` makes others)."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest
from hypothesis import settings

from sixtyforty.spec.use_case import UseCase
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace, s3_environment
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
def endpoint() -> Iterator[str]:
    """An S3-compatible server on this machine, for the whole session."""
    server = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    yield "http://{}:{}".format(*running.get_host_and_port())
    running.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket of a test's own, and the environment that opens it: its name."""
    for name, value in s3_environment(endpoint).items():
        monkeypatch.setenv(name, value)
    fsspec.filesystem("s3").clear_instance_cache()  # keyed by arguments, which the environment isn't
    name = f"of-test-{uuid4().hex[:12]}"
    fsspec.filesystem("s3").mkdir(name)
    return name


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for the whole session; each test takes a database of its own."""
    # Not in pytest's folder, which pytest keeps shut to the server's own user.
    with tempfile.TemporaryDirectory(prefix="sixtyforty-", ignore_cleanup_errors=True) as folder:
        server = Postgres(Path(folder) / "pg")
        yield server
        server.close()
