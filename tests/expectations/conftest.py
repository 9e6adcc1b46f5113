"""Homes with real days of the flights in them, made once a session and copied."""

import shutil
from pathlib import Path

import pytest

from sixtyforty.workspace import Workspace
from tests import flights


@pytest.fixture(scope="session")
def extracts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extracts, a file a day and source."""
    return flights.landed(tmp_path_factory.getbasetemp() / "flights" / "extracts", tuple(flights.MANY))


@pytest.fixture(scope="session")
def with_references(extracts: Path) -> Path:
    """A home with the reference tables alone. Not to be written to."""
    return flights.references(extracts.with_name("references"), extracts)


@pytest.fixture(scope="session")
def with_days(extracts: Path, with_references: Path) -> Path:
    """A home with all the days accepted. Not to be written to."""
    return flights.accepted(extracts.with_name("accepted"), extracts, with_references)


@pytest.fixture
def ws(tmp_path: Path, with_references: Path) -> Workspace:
    """A home of one's own with the reference tables."""
    shutil.copytree(with_references, tmp_path / "home")
    return flights.workspace(tmp_path / "home")


@pytest.fixture
def lived(tmp_path: Path, with_days: Path) -> Workspace:
    """A home of one's own with all the days accepted."""
    shutil.copytree(with_days, tmp_path / "lived")
    return flights.workspace(tmp_path / "lived")
