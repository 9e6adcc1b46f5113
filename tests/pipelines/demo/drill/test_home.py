"""A drill's home has its own clock and environment, and its commands fail with their errors."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipelines.authoring import catalog
from pipelines.demo import flights
from pipelines.demo.drill.home import DrillError, DrillHome, create_home, delivered_decisions
from pipelines.settings import load_settings
from sixtyforty.decisions.delivery_table import delivery_table
from sixtyforty.spec import clock
from sixtyforty.storage.databases import open_engine

NOON = datetime(2013, 6, 4, 12)


@pytest.fixture
def drill_home(tmp_path: Path) -> DrillHome:
    return create_home(tmp_path / "home", {})


def test_the_clock_of_the_home_is_the_time_of_its_processes(drill_home: DrillHome) -> None:
    time = datetime(2013, 6, 4, 12)
    drill_home.set_clock(time)
    assert drill_home.evaluate(clock.now) == time
    assert clock.now() != time


def test_the_environment_is_the_homes_own_and_restored_afterwards(
    drill_home: DrillHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIXTYFORTY_HOME", "elsewhere")
    before = dict(os.environ)
    assert drill_home.evaluate(lambda: load_settings().home) == drill_home.folder
    with pytest.raises(ZeroDivisionError):
        drill_home.evaluate(lambda: 1 // 0)
    assert dict(os.environ) == before


def test_a_command_that_fails_is_an_error_with_its_message(drill_home: DrillHome) -> None:
    assert "flight_delays" in drill_home.run_command("champion", "flight_delays", "--json")
    with pytest.raises(DrillError, match="sixtyforty impact nowhere failed: sixtyforty: "):
        drill_home.run_command("impact", "nowhere")


def test_delivered_decisions_are_read_by_id(drill_home: DrillHome) -> None:
    (drill_home.folder / "data").mkdir()
    ws = drill_home.evaluate(lambda: catalog.open_workspace(flights.USE_CASE))
    engine = open_engine(ws.database_url)
    table = delivery_table(ws, "live", sa.MetaData())
    table.create(engine)
    row = {column.name: "x" for column in table.columns if isinstance(column.type, sa.String)}
    row |= {column.name: 7 for column in table.columns if isinstance(column.type, sa.BigInteger)}
    row |= {"decision_id": "a", "decided_at": NOON, "delivered_at": NOON, "champion_version": None}
    row |= {"revision": 0, "answered_at": None}
    with engine.begin() as connection:
        connection.execute(sa.insert(table).values(row))
    engine.dispose()
    assert {name: delivered.to_dict() for name, delivered in delivered_decisions(drill_home).items()} == {"a": row}


def test_without_a_delivery_table_nothing_is_delivered(drill_home: DrillHome) -> None:
    (drill_home.folder / "data").mkdir()
    assert delivered_decisions(drill_home) == {}
