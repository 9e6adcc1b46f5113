"""What tests of accounting share."""

from __future__ import annotations

import pytest

from sixtyforty.workspace import Workspace
from tests.experiment_home import make_experiment_home


@pytest.fixture(scope="package")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A fortnight of a live holdout; tests that change it work on a copy."""
    return make_experiment_home(tmp_path_factory.mktemp("experiment"))
