"""Extracts of a drill land in order, with the faults of the plan; a changed delivery is noticed."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import pytest

from pipelines.demo import flights
from pipelines.demo.drill.home import create_home
from pipelines.demo.drill.live_days import LivedDays, StagedExtract, _compare_deliveries, _land_due, stage_extracts
from pipelines.demo.drill.plan import Fault, Plan, binary_garbage, june
from tests.pipelines.demo.drill.conftest import make_delivered

PLAN = Plan(
    days=[date(2013, 6, 4)],
    hourly=None,
    faults=[
        Fault("late", "movements_2013-06-04T16Z.csv", lands_at=june(4, 22)),
        Fault("broken", "movements_2013-06-04T18Z.csv", corrupt=binary_garbage, corrected_at=june(4, 23)),
    ],
    daemon_kills=[],
    worker_kills=[],
)


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> list[StagedExtract]:
    return stage_extracts(tmp_path_factory.mktemp("to_come"), PLAN)


def test_extracts_are_staged_in_order_with_their_faults(staged: list[StagedExtract]) -> None:
    times = [extract.lands_at for extract in staged]
    assert times == sorted(times)
    by_name = {extract.file.name: extract for extract in staged}
    assert by_name["movements_2013-06-04T16Z.csv"].lands_at == june(4, 22)
    assert by_name["movements_2013-06-04T17Z.csv"].lands_at == june(4, 18)
    broken, corrected = (by_name[f"movements_2013-06-04T18Z{suffix}.csv"] for suffix in ("", "_corrected"))
    assert broken.file.read_bytes().startswith(b"\x00\xff")
    assert broken.lands_at == june(4, 19)
    assert corrected.file.read_text().startswith("event,")
    assert corrected.lands_at == june(4, 23)
    assert "timetable_2013-06-05.csv" in by_name  # Tomorrow's timetable lands today.
    assert not set(flights.REFERENCE) & set(by_name)


def test_only_due_extracts_land_and_keep_their_time(tmp_path: Path, staged: list[StagedExtract]) -> None:
    home = create_home(tmp_path / "home", {})
    home.landing_zone.mkdir(parents=True)
    waiting = _land_due(home, staged, june(4, 12))
    landed = {path.name: path for path in home.landing_zone.iterdir()}
    due = [extract for extract in staged if extract.lands_at <= june(4, 12)]
    assert set(landed) == {extract.file.name for extract in due}
    assert waiting == staged[len(due) :]
    for extract in due:
        assert landed[extract.file.name].stat().st_mtime == extract.file.stat().st_mtime


def test_a_changed_delivery_is_a_failed_result() -> None:
    lived, now = LivedDays(), datetime(2013, 6, 4, 12)
    standby, none = make_delivered("standby"), make_delivered("none")
    _compare_deliveries(lived, {"a": standby}, now)
    _compare_deliveries(lived, {"a": standby, "b": none}, now)
    assert lived.results == []
    assert set(lived.delivered) == {"a", "b"}
    _compare_deliveries(lived, {"a": none, "b": none}, now)
    (result,) = lived.results
    assert (result.outcome, result.ok) == ("1 delivered decision changed", False)
