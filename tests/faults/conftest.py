"""A home before a fault, made once and copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.faults.worker import open_workspace, run_chain, start_process, wait_for_exit
from tests.helpers import land_days

MARCH = [date(2013, 3, 15) + timedelta(days=day) for day in range(17)]
APRIL = [date(2013, 4, 1) + timedelta(days=day) for day in range(6)]
FIRST_RETRAIN, NOW = "2013-04-01T04:00:00", "2013-04-06T15:00:00"  # UTC


@pytest.fixture(scope="session")
def home_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home where the chain has run over March and trained a first model, and April has landed. Don't write to it."""
    home = tmp_path_factory.mktemp("before") / "home"
    ws = open_workspace(home)
    land_days(ws, MARCH, count=12)
    assert wait_for_exit(start_process(run_chain, home, MARCH[0], MARCH[-1], FIRST_RETRAIN)) == 0
    land_days(ws, APRIL, count=12)
    return home


@pytest.fixture
def copy_home(home_before: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Returns a function that copies the home into a folder of a given name."""

    def copy(name: str) -> Path:
        return shutil.copytree(home_before, tmp_path / name / "home")

    return copy
