"""Real extracts of the flights, and the small use case run through its stages' functions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from assets.resources import BusinessClock, ProjectHome
from assets.stage import StageRun
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.workspace import Workspace
from tests import flights

MakeRun = Callable[..., StageRun]


@pytest.fixture(scope="session")
def extracts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days' extracts, a file a day and source."""
    return flights.landed(tmp_path_factory.getbasetemp() / "three_days", tuple(flights.DAYS))


class RecordingLog(logging.Logger):
    """A log that keeps its lines, each as `LEVEL: text`."""

    def __init__(self) -> None:
        super().__init__("for the test")
        self.lines: list[str] = []
        handler = logging.Handler()
        handler.emit = lambda record: self.lines.append(f"{record.levelname}: {record.getMessage()}")  # type: ignore[method-assign]
        self.addHandler(handler)


def make_run(
    ws: Workspace,
    partitions: Sequence[str] = (SNAPSHOT,),
    source: str = "",
    project_home: ProjectHome | None = None,
    load_use_cases: Callable[[], Sequence[Any]] = tuple,
    **clock: Any,
) -> StageRun:
    """What a stage's function would receive of Dagster. Its log is a RecordingLog."""
    return StageRun(
        ws.use_case,
        ws,
        project_home or cast(ProjectHome, None),
        BusinessClock(**clock),
        list(partitions),
        RecordingLog(),
        source,
        load_use_cases,
        run_id="run-1",
    )
