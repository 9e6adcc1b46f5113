"""Stored portfolio lines: equal to calculated ones, and calculated again as soon as their use case changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from sixtyforty.reports import portfolio_cache
from sixtyforty.reports.portfolio_cache import FILE, describe_state, list_inputs, read_or_build_line
from sixtyforty.reports.portfolio_line import build_line
from sixtyforty.reports.readership import record_reading
from sixtyforty.storage.lake import Lake
from sixtyforty.workspace import Workspace
from tests.accounted_home import append_verdict, write_decisions, write_usage, write_verdicts
from tests.helpers import WITH_RESPONSES
from tests.sixtyforty.reports.test_portfolio import NOW, make_gaining_use_case

GATE = {"poc": {"target": 500, "minimum_gain": 100, "stop_date": "2013-08-15"}}


@pytest.fixture
def ws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A use case with accounts, decisions, usage, verdicts and a champion."""
    monkeypatch.setattr("os.fsync", lambda _: None)
    monkeypatch.setattr(portfolio_cache, "SETTLED_NS", 0)
    monkeypatch.setattr(portfolio_cache, "_lines", portfolio_cache.BoundedCache(10))
    ws = make_gaining_use_case(tmp_path, "calls", 20.0, stages=GATE, **WITH_RESPONSES)
    write_verdicts(ws, date(2013, 6, 20), rejected=["2013-06-22"])
    write_decisions(ws, "2013-06-29")
    write_usage(ws, "2013-06-29")
    append_verdict(ws, "2013-05-01")
    build_line(ws, 0.0, NOW)  # updates the indexes of manifests
    return ws


def count_builds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets the name of each use case whose line is calculated."""
    built: list[str] = []

    def build(ws: Workspace, *arguments: Any) -> Any:
        built.append(ws.use_case.name)
        return build_line(ws, *arguments)

    monkeypatch.setattr(portfolio_cache, "build_line", build)
    return built


def test_an_unchanged_line_is_read_and_equal_to_a_calculated_one(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = count_builds(monkeypatch)
    first = read_or_build_line(ws, 1.5, NOW)
    portfolio_cache.forget_lines()  # as in another process, which reads the file
    assert read_or_build_line(ws, 1.5, NOW) == read_or_build_line(ws, 1.5, NOW) == first == build_line(ws, 1.5, NOW)
    assert built == ["calls"]
    assert (ws.cache / FILE).is_file()


@pytest.mark.parametrize(
    "change",
    [
        lambda ws: write_decisions(ws, "2013-06-30"),
        lambda ws: write_usage(ws, "2013-06-30"),
        lambda ws: write_verdicts(ws, date(2013, 6, 30)),
        lambda ws: append_verdict(ws, "2013-06-01"),
        lambda ws: record_reading(ws, "decisions", NOW),
    ],
    ids=["decisions", "usage", "verdicts", "champion ledger", "reading"],
)
def test_a_change_of_the_use_case_is_seen(ws: Workspace, change: Callable[[Workspace], object]) -> None:
    before = describe_state(ws, 0.0, NOW)
    change(ws)
    assert describe_state(ws, 0.0, NOW) not in (None, before)


def test_the_line_of_a_use_case_that_just_changed_is_not_stored(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A further change could get the same rounded time."""
    monkeypatch.setattr(portfolio_cache, "SETTLED_NS", 3600 * 10**9)
    built = count_builds(monkeypatch)
    assert read_or_build_line(ws, 0.0, NOW) == read_or_build_line(ws, 0.0, NOW)
    assert built == ["calls", "calls"]
    assert not (ws.cache / FILE).exists()


def test_run_hours_and_the_day_change_the_state(ws: Workspace) -> None:
    states = {describe_state(ws, hours, NOW + timedelta(days=days)) for hours, days in ((0, 0), (1, 0), (0, 1))}
    assert len(states) == 3


def test_the_state_covers_everything_that_a_line_reads(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets, engines = set[str](), list[object]()
    for name in ("partitions", "entries", "entry"):
        monkeypatch.setattr(Lake, name, record_dataset(getattr(Lake, name), datasets))
    monkeypatch.setattr("sqlalchemy.create_engine", lambda *arguments, **options: engines.append(arguments))
    build_line(ws, 0.0, NOW)
    covered = {path.relative_to(ws.lake.root).as_posix() for path in list_inputs(ws) if ws.lake.root in path.parents}  # type: ignore[comparison-overlap]
    assert datasets and datasets <= covered
    assert engines == [], "the database isn't part of the state"


def record_dataset(method: Callable[..., Any], datasets: set[str]) -> Callable[..., Any]:
    def wrapped(lake: Lake, dataset: str, *arguments: Any) -> Any:
        datasets.add(dataset)
        return method(lake, dataset, *arguments)

    return wrapped


def test_a_damaged_file_is_calculated_again(ws: Workspace) -> None:
    line = read_or_build_line(ws, 0.0, NOW)
    portfolio_cache.forget_lines()
    (ws.cache / FILE).write_text('{"state": "x"}')
    assert read_or_build_line(ws, 0.0, NOW) == line
