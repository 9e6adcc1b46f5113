"""Finding a day's extracts, whether they landed by the hour or by the day."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from bench.scripts.landed_files import files_of_day
from pipelines.demo import flights


@pytest.mark.parametrize(("day", "hours"), [(date(2013, 3, 10), 23), (date(2013, 11, 3), 25), (date(2013, 2, 9), 24)])
def test_a_day_has_the_files_of_its_local_hours(tmp_path: Path, day: date, hours: int) -> None:
    names = [f"weather_{hour:%Y-%m-%dT%H}Z.csv" for hour in flights.hours_of(day)]
    for name in [*names, f"weather_{day - timedelta(days=2)}_{day}.csv", f"movements_{day}_{day}.csv"]:
        (tmp_path / name).touch()
    assert [Path(file).name for file in files_of_day(tmp_path, "weather", day)] == names
    assert len(names) == hours
    assert [Path(file).name for file in files_of_day(tmp_path, "movements", day)] == [f"movements_{day}_{day}.csv"]


def test_a_day_without_extracts_has_no_files(tmp_path: Path) -> None:
    assert files_of_day(tmp_path, "weather", date(2013, 2, 9)) == []
