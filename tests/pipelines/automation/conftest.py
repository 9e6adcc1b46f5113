"""A use case with three landed days, on the day after."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from sixtyforty.spec.clock import CLOCK_FILE_VARIABLE
from sixtyforty.workspace import Workspace
from tests.helpers import land_days, make_workspace

DAYS = [date(2013, 3, 5) + timedelta(days=i) for i in range(3)]
NIGHTLY = {"automation": {"retrain_cron": "30 3 * * *"}}


@pytest.fixture
def ws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Three days have landed. It is noon of the day after, in UTC."""
    clock = tmp_path / "clock"
    clock.write_text("2013-03-08T12:00:00")
    monkeypatch.setenv(CLOCK_FILE_VARIABLE, str(clock))
    workspace = make_workspace(tmp_path, **NIGHTLY)
    land_days(workspace, DAYS)
    return workspace


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance without runs."""
    with dg.DagsterInstance.local_temp() as dagster:
        yield dagster
