"""Real extracts of the flights, and a way to run the chain on them."""

from pathlib import Path

import pytest

from tests import flights


@pytest.fixture(scope="session")
def extracts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days' extracts, a file a day and source."""
    return flights.landed(tmp_path_factory.getbasetemp() / "three_days", tuple(flights.DAYS))
