"""Landing one day hour by hour."""

from datetime import date
from pathlib import Path

import pytest

from bench import hourly_extracts
from bench.use_case import SOURCES


def test_only_the_days_own_extracts_are_landed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hourly_extracts, "DAYS_IN_STOCK", 2)
    landing = tmp_path / "landing"
    landing.mkdir()
    hourly_extracts.land_day(tmp_path, landing, date(2013, 6, 9))
    landed = {file.name for file in landing.iterdir()}
    assert "timetable_2013-06-09.csv" in landed
    assert {"weather_2013-06-09T04Z.csv", "weather_2013-06-10T03Z.csv"} <= landed  # the first and the last hour
    assert not {"timetable_2013-06-10.csv", "weather_2013-06-10T04Z.csv"} & landed
    assert {name.split("_")[0] for name in landed} == {*SOURCES}
