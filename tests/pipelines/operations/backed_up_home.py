"""A small home that is backed up, and backups at chosen times."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.authoring import catalog
from pipelines.operations import backup as backups
from pipelines.operations.backup_folder import list_generations
from pipelines.settings import prepare_dagster_home
from tests.homes import use_home

MODEL = "home/data/models/flight_delays/a b.skops"


def newest(copy: Path) -> Path:
    """Return the newest generation in a folder of backups."""
    return list_generations(copy)[-1]


@contextmanager
def at(clock: str) -> Iterator[None]:
    """Make backups at a time of 2024-05-01, so that each has another name."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.fromisoformat(f"2024-05-01T{clock}+00:00")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backups, "datetime", Clock)
        patch.setattr(backups, "_was_run_active_since", lambda started: False)
        yield


def append_verdict(version: str) -> None:
    """Append a row to the champion ledger."""
    catalog.open_workspace("flight_delays").champion_ledger.append(
        track="replay",
        version=version,
        verdict="HOLD",
        kind="first",
        as_of="2013-06-01",
        effective_from="2013-06-01T04:00:00",
        reasons=["a row that can be lost"],
    )


def make_small_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use a new home with a ledger, a model and a database in it. Return the home."""
    use_home(monkeypatch, folder)
    settings = prepare_dagster_home()
    append_verdict("one")
    (settings.home / "data" / "models" / "flight_delays" / "a b.skops").write_bytes(b"model")
    with sqlite3.connect(settings.home / "data" / "deliveries.sqlite") as database:
        database.execute("create table t (n integer)")
        database.execute("insert into t values (1)")
    return settings.home


def files_below(folder: Path) -> list[Path]:
    """Return the files below a folder, except locks."""
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
