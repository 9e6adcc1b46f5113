"""A scratch copy has the home's data, and a write in the copy leaves the home as it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa

from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.lifecycle.plan_home import open_scratch_copy
from sixtyforty.storage.files import write_atomic
from sixtyforty.storage.object_store import ObjectPath
from sixtyforty.workspace import Workspace
from tests.helpers import day_range, make_workspace, publish_days, put_champion_in_force, read_files

DAYS = day_range(date(2013, 3, 20), date(2013, 3, 24))
DATASETS = ("features", "outcomes", "decisions/replay", "validated/calls")


def make_home(folder: Path) -> Workspace:
    """Return a home with a champion and its decisions of one day."""
    ws = make_workspace(folder)
    publish_days(ws, [date.fromisoformat(day) for day in DAYS], count=12)
    put_champion_in_force(ws, date(2013, 3, 24))
    take_decisions(ws, DAYS[-1:], "replay", None)
    return ws


def check_copy(ws: Workspace) -> None:
    before = [read_files(folder) for folder in (ws.lake.root, ws.models.root)]
    with open_scratch_copy(ws, rewritten=["features"]) as scratch:
        assert scratch.home != ws.home and scratch.database_url != ws.database_url
        assert isinstance(scratch.lake.root, Path)
        for dataset in DATASETS:
            assert scratch.lake.entries(dataset) == ws.lake.entries(dataset) != {}
        assert scratch.champion_ledger.rows() == ws.champion_ledger.rows() != []
        scratch.lake.write("features", DAYS[0], pa.table({"x": [1]}))
        row = scratch.champion_ledger.rows()[0]
        fields = {name: getattr(row, name) for name in ("track", "version", "verdict", "kind", "effective_from")}
        scratch.champion_ledger.append(**fields, as_of="2013-03-25", reasons=["for the test"])
        take_decisions(scratch, DAYS[-1:], "replay", None, anew=True)
        assert len(scratch.champion_ledger.rows()) == len(ws.champion_ledger.rows()) + 1
        folder = scratch.home
    assert not folder.exists()
    assert [read_files(folder) for folder in (ws.lake.root, ws.models.root)] == before


def test_a_copy_of_a_folder_is_apart_from_the_home(tmp_path: Path) -> None:
    check_copy(make_home(tmp_path))


def test_a_copy_of_an_object_store_is_a_folder(tmp_path: Path, bucket: str) -> None:
    ws = make_home(tmp_path)
    stored = replace(ws, lakes=ObjectPath(f"s3://{bucket}/lakes"))
    for source, target in ((ws.lake.root, stored.lake.root), (ws.models.root, stored.models.root)):
        for name, (_, content) in read_files(source).items():
            write_atomic(target / name, content)
    check_copy(stored)


def test_a_dataset_that_is_only_read_is_linked_as_a_folder(tmp_path: Path) -> None:
    ws = make_home(tmp_path)
    with open_scratch_copy(ws) as scratch:
        assert isinstance(scratch.lake.root, Path)
        assert (scratch.lake.root / "validated").is_symlink() and (scratch.lake.root / "features").is_symlink()
        assert not (scratch.lake.root / "decisions").is_symlink()
        assert not (scratch.lake.root / "raw").exists()
