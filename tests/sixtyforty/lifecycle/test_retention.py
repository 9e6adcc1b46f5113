"""What is older than the declared limits is removed, and what hashes and accounts need stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from sixtyforty.decisions.delivery_table import read_deliveries
from sixtyforty.decisions.responses import find_forged_responses, open_log
from sixtyforty.lifecycle.retention import RemovedData, apply_retention, is_below
from sixtyforty.reports.verification import verify_use_case
from sixtyforty.spec.operation import Retention
from sixtyforty.workspace import Workspace
from tests.verified_home import DAYS, copy_verified_home

NOW = datetime(2013, 3, 28, 22)


@pytest.fixture
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return copy_verified_home(tmp_path_factory)


def declare(ws: Workspace, **limits: int) -> Workspace:
    """Return the workspace with a declared retention."""
    return replace(ws, use_case=ws.use_case.model_copy(update={"retention": Retention(**limits)}))


def test_nothing_is_removed_without_a_limit(ws: Workspace) -> None:
    assert apply_retention(ws, NOW) == RemovedData()


def test_the_deliveries_of_old_partitions_are_deleted_and_the_decisions_stay(ws: Workspace) -> None:
    rows = len(read_deliveries(ws, "live"))
    declared = declare(ws, deliveries_days=1)
    removed = apply_retention(declared, NOW)
    assert (removed.delivered_files, removed.delivered_rows) == (2, rows // 2)
    assert {row.partition for row in read_deliveries(ws, "live")} == {str(DAYS[1])}
    assert sorted(path.name for path in (ws.deliveries / "live").glob("*.csv")) == [f"{DAYS[1]}.csv"]
    assert verify_use_case(declared).differences == []
    assert apply_retention(declared, NOW) == RemovedData()


def test_old_responses_lose_the_person_and_keep_a_valid_seal(ws: Workspace) -> None:
    removed = apply_retention(declare(ws, responses_days=1), NOW)
    engine, table = open_log(ws)
    with engine.connect() as connection:
        people = connection.scalars(sa.select(table.c.person)).all()
    assert removed.responses == len(people) == 1
    assert people[0].startswith("former:") and "bo" not in people[0]
    assert list(find_forged_responses(ws)) == [""]


def test_a_folder_that_a_sender_replaced_by_a_link_loses_no_file(tmp_path: Path) -> None:
    (tmp_path / "landing" / "north").mkdir(parents=True)
    (tmp_path / "landing" / "south").symlink_to(tmp_path)
    assert is_below(tmp_path / "landing" / "north" / "calls.csv", tmp_path / "landing")
    assert not is_below(tmp_path / "landing" / "south" / "calls.csv", tmp_path / "landing")


def test_imported_extracts_are_deleted_and_nothing_becomes_outdated(ws: Workspace) -> None:
    landed = len(list(ws.landing.folder.glob("*.csv")))
    declared = declare(ws, landing_days=1)
    removed = apply_retention(declared, datetime(2030, 1, 1))
    assert removed.landed_files == landed
    for source in ws.use_case.sources:
        assert declared.landing.scan(source) is not None
    assert verify_use_case(declared).differences == []
