"""Fixtures of the ingest tests: a landing zone."""

import pytest

from sixtyforty.ingest.landing_zone import LandingZone
from sixtyforty.workspace import Workspace


@pytest.fixture
def landing(workspace: Workspace) -> LandingZone:
    """Return the landing zone of the small use case, before any extract has landed."""
    return workspace.landing
