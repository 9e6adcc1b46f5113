"""A home to come to grief in, made once and copied."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.faults import worker
from tests.helpers import land_days

MARCH = [date(2013, 3, 15) + timedelta(days=i) for i in range(17)]
APRIL = [date(2013, 4, 1) + timedelta(days=i) for i in range(6)]
LEARNED, NOW = "2013-04-01T04:00:00", "2013-04-06T15:00:00"  # UTC


@pytest.fixture(scope="session")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """March lived through, with a first model; April has landed. Not to be written to."""
    home = tmp_path_factory.mktemp("before") / "home"
    ws = worker.workspace(home)
    land_days(ws, MARCH, count=12)
    assert worker.ended(worker.start(worker.run, home, MARCH[0], MARCH[-1], LEARNED)) == 0
    land_days(ws, APRIL, count=12)
    return home


@pytest.fixture
def copied(before: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Makes copies of it that know nothing of one another."""

    def copy(name: str) -> Path:
        return shutil.copytree(before, tmp_path / name / "home")

    return copy
