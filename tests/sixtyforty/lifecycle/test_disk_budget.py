"""A use case may take so much of the disk: what it takes is counted, and beyond the budget history has to wait."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from assets.data import EXTRACTS_READABLE, import_extracts
from assets.resources import BusinessClock, ProjectHome
from assets.stage import REFUSED, StageRun
from sixtyforty.lifecycle import disk_budget
from sixtyforty.lifecycle.disk_budget import describe_exceeded, measure_usage, read_usage
from sixtyforty.reports.alert_rules import find_exceeded_budget
from sixtyforty.spec.operation import Retention
from sixtyforty.spec.track import Track
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace

MEGABYTE = 1_000_000


def store(ws: Workspace, megabytes: int, name: str = "extract.csv") -> Path:
    path = Path(ws.owned_paths()["landing"]) / name  # type: ignore[arg-type]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * megabytes * MEGABYTE)
    return path


def with_budget(ws: Workspace, megabytes: float) -> Workspace:
    retention = Retention(disk_budget_gb=megabytes / 1000)
    return replace(ws, use_case=ws.use_case.model_copy(update={"retention": retention}))


def run_of(ws: Workspace, track: Track) -> StageRun:
    clock = BusinessClock(track=track)
    log = dg.get_dagster_logger()
    home = ProjectHome(ws.home, ws.database_url, "")
    return StageRun(ws.use_case, ws, home, clock, [], log, next(iter(ws.use_case.sources)))


def test_all_folders_of_the_use_case_are_counted_and_no_other(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    before = measure_usage(ws).total
    store(ws, 2)
    (tmp_path / "data" / "landing" / "another").mkdir(parents=True)
    (tmp_path / "data" / "landing" / "another" / "extract.csv").write_bytes(b"x" * MEGABYTE)
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "large.csv").write_bytes(b"x" * MEGABYTE)
    (ws.landing.folder / "linked.csv").symlink_to(tmp_path / "far" / "large.csv")  # type: ignore[union-attr]
    (ws.landing.folder / "linked").symlink_to(tmp_path / "far")  # type: ignore[union-attr]
    usage = measure_usage(ws)
    assert 2 * MEGABYTE <= usage.total - before < 2.1 * MEGABYTE
    assert usage.describe().startswith("0.00 GB (landing 0.00 GB")


def test_a_measurement_is_used_again_within_an_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ws = make_workspace(tmp_path)
    first = read_usage(ws)
    store(ws, 1)
    assert read_usage(ws) == first
    later = disk_budget.now() + disk_budget.MAX_AGE
    monkeypatch.setattr(disk_budget, "now", lambda: later)
    assert read_usage(ws).total > first.total


@pytest.mark.parametrize("damaged", [b"", b"{", b"[]", b'{"at": 1}', b'{"at": "2013-01-01"}'])
def test_a_damaged_measurement_is_made_again(tmp_path: Path, damaged: bytes) -> None:
    ws = make_workspace(tmp_path)
    usage = measure_usage(ws)
    (ws.cache / disk_budget.CACHED).write_bytes(damaged)
    assert set(read_usage(ws).folders) == set(usage.folders)


def test_without_a_budget_nothing_is_measured(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    assert describe_exceeded(ws) is None
    assert not (ws.cache / disk_budget.CACHED).exists()


def test_beyond_the_budget_the_replay_imports_nothing_and_live_runs_go_on(tmp_path: Path) -> None:
    ws = with_budget(make_workspace(tmp_path), 1)
    extract = store(ws, 2)
    text = describe_exceeded(ws)
    assert text is not None
    assert "its budget is 0.001 GB" in text
    assert [alert.kind for alert in find_exceeded_budget(ws, "live")] == ["disk budget exceeded"]

    [check] = import_extracts(run_of(ws, "replay")).checks
    assert (check.name, check.passed, check.metadata[REFUSED]) == (EXTRACTS_READABLE.name, False, text)
    [check] = import_extracts(run_of(ws, "live")).checks
    assert f"{check.metadata[REFUSED]}".startswith("no extract has arrived")

    extract.unlink()  # freed space counts at once, though the last measurement is a minute old
    assert describe_exceeded(ws) is None
    assert find_exceeded_budget(ws, "live") == []
