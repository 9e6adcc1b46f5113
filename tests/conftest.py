"""What tests share: a small use case in a folder of its own (`tests/helpers.py` makes others)."""

from pathlib import Path

import pytest

from sixtyforty.use_case import UseCase
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A home with the small use case in it, and nothing landed yet."""
    return make_workspace(tmp_path)


@pytest.fixture
def tiny_use_case(workspace: Workspace) -> UseCase:
    """The small use case alone."""
    return workspace.use_case
