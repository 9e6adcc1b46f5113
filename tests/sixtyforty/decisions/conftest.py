"""A home with features, and a champion from DAY on; each test that changes it gets a copy."""

from __future__ import annotations

import shutil
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sixtyforty.lifecycle import champions
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace, publish_days, put_champion_in_force

TRAINED = [date(2013, 3, 1) + timedelta(days=i) for i in range(12)]
DAY = date(2013, 3, 13)
KEY = DAY.isoformat()
KEY_BEFORE = TRAINED[-1].isoformat()


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Publish features until DAY, with a champion of the replay from DAY on; the tests only read it."""
    ws = make_workspace(tmp_path_factory.mktemp("trained"))
    publish_days(ws, [*TRAINED, DAY], count=20)
    put_champion_in_force(ws, DAY)
    return ws


@pytest.fixture
def ready(trained: Workspace, tmp_path: Path) -> Workspace:
    """Return a copy for one test."""
    shutil.copytree(trained.home, tmp_path / "home")
    return Workspace(trained.use_case, tmp_path / "home", f"sqlite:///{tmp_path}/deliveries.db")


def mark_first_unit_suspect(ws: Workspace, partition: str) -> None:
    """Restate a partition's features: the first unit becomes suspect."""
    entry = ws.lake.entry("features", partition)
    assert entry
    rows = pq.read_table(ws.lake.local_file(entry))
    suspect = pa.array(["a share above 1", *[None] * (rows.num_rows - 1)], pa.string())
    rows = rows.set_column(rows.column_names.index("suspect"), "suspect", suspect)
    ws.lake.write("features", partition, rows, inputs=entry.inputs, code="test", facts=entry.facts)


def adopt_at(ws: Workspace, time: datetime) -> None:
    """Adopt the champion of the replay for the live track at a UTC time."""
    champions.adopt_champion(ws, by="Ada", why="it pays", now=time)
