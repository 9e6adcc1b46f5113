"""The business time of a run, and a home that hides its secrets."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import dagster as dg
import pytest

from assets.resources import BusinessClock, ProjectHome
from sixtyforty.spec.clock import CLOCK_FILE_VARIABLE
from sixtyforty.workspace import Workspace


def test_a_replay_of_everything_has_no_time_limit() -> None:
    assert BusinessClock().time_limit() is None


@pytest.mark.parametrize("text", ["2013-03-08T12:00:00", "2013-03-08T07:00:00-05:00", "2013-03-08T12:00:00Z"])
def test_times_are_utc_and_offsets_are_converted(text: str) -> None:
    clock = BusinessClock(as_of=text)
    assert clock.time_limit() == clock.current_time() == datetime(2013, 3, 8, 12)


def test_the_clock_stands_still_during_a_live_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "clock"
    monkeypatch.setenv(CLOCK_FILE_VARIABLE, str(file))
    file.write_text("2013-03-08T12:00:00")
    clock = BusinessClock(track="live")
    clock.setup_for_execution(dg.build_init_resource_context())
    file.write_text("2013-03-08T13:00:00")
    assert clock.time_limit() == datetime(2013, 3, 8, 12)
    assert BusinessClock().current_time() == datetime(2013, 3, 8, 13)


def test_a_home_hides_its_database_and_remote(workspace: Workspace, tmp_path: Path) -> None:
    home = ProjectHome(tmp_path, "postgresql://me:secret@db/x", "s3://secret/dvc")
    assert "secret" not in repr(home)
    assert home.workspace(workspace.use_case).home == tmp_path
