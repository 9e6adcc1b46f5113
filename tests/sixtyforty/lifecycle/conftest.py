"""A replay that plans compare with. No test changes its home."""

from __future__ import annotations

import pytest

from sixtyforty.workspace import Workspace
from tests.replayed_home import make_replayed_home


@pytest.fixture(scope="session")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A home whose replay has decisions and accounts."""
    return make_replayed_home(tmp_path_factory.mktemp("replayed"), kpi={"candidates": {"by_load": BY_LOAD}})


BY_LOAD = {"description": "Act on heavy loads.", "action": "case when load > 0.9 then 'act' else 'wait' end"}
