"""The household demo data as landed: complete weeks, the source's values, no file before its week is over."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from pipelines.demo import households
from pipelines.demo.landing import DemoDataError, find_packaged_file

SUMMER, AUTUMN = date(2017, 3, 12), date(2017, 11, 5)  # the Sundays of 23 and of 25 hours


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return households.land(tmp_path_factory.mktemp("year") / "landing")


@pytest.fixture(scope="module")
def source() -> pd.DataFrame:
    lines = pd.read_parquet(find_packaged_file(*households.SOURCE))
    local = lines["transaction_timestamp"].dt.tz_localize("UTC").dt.tz_convert("America/New_York")
    return lines.assign(day=local.dt.tz_localize(None).dt.normalize())


def mtime(file: Path) -> datetime:
    return datetime.fromtimestamp(file.stat().st_mtime, UTC)


def test_every_line_but_the_last_days_lands_once_as_it_was(year: list[Path], source: pd.DataFrame) -> None:
    landed = pd.concat([pd.read_parquet(f) for f in year])
    expected = source[source["day"] < "2017-12-31"]
    assert len(source) == 1_469_307
    assert len(source) - len(expected) == 4_950  # A last week of one day.
    order = ["basket_id", "product_id"]
    assert not landed.duplicated(order).any()
    pd.testing.assert_frame_equal(
        landed.sort_values(order, ignore_index=True).astype({"transaction_timestamp": "datetime64[ns]"}),
        expected.drop(columns="day")
        .sort_values(order, ignore_index=True)
        .astype({"transaction_timestamp": "datetime64[ns]"}),
    )


def test_a_file_holds_its_local_week_and_lands_when_that_is_over(year: list[Path], source: pd.DataFrame) -> None:
    assert len(year) == 52
    for file in year:
        first = pd.Timestamp(file.stem.removeprefix("baskets_"))
        assert first.weekday() == 6  # Sunday
        week = source[(source["day"] >= first) & (source["day"] < first + pd.Timedelta(days=7))]
        assert len(pd.read_parquet(file, columns=["basket_id"])) == len(week)
        over = (first + pd.Timedelta(days=7)).tz_localize("America/New_York")
        assert mtime(file) == over
        assert pd.read_parquet(file)["transaction_timestamp"].max().tz_localize("UTC") < over


def test_a_range_of_days_lands_the_weeks_that_hold_them(tmp_path: Path, year: list[Path]) -> None:
    files = households.land(tmp_path, SUMMER + timedelta(days=3), SUMMER + timedelta(days=7))
    assert [f.name for f in files] == ["baskets_2017-03-12.parquet", "baskets_2017-03-19.parquet"]
    weeks = {f.name: f.read_bytes() for f in year}
    assert all(f.read_bytes() == weeks[f.name] for f in files)
    assert mtime(households.land(tmp_path, AUTUMN, AUTUMN)[0]) == datetime(2017, 11, 12, 5, tzinfo=UTC)


def test_landing_twice_changes_nothing(tmp_path: Path) -> None:
    def state() -> dict[str, tuple[int, int]]:
        return {f.name: (f.stat().st_ino, f.stat().st_mtime_ns) for f in tmp_path.iterdir()}

    files = households.land(tmp_path, SUMMER, SUMMER)
    before = state()
    assert households.land(tmp_path, SUMMER, SUMMER) == files
    assert state() == before
    os.utime(files[0])
    households.land(tmp_path, SUMMER, SUMMER)
    assert state() == before


def test_weeks_without_data_are_refused(tmp_path: Path) -> None:
    for start, end in [(date(2016, 12, 31), None), (None, date(2017, 12, 31)), (AUTUMN, SUMMER)]:
        with pytest.raises(DemoDataError, match="Choose days from"):
            households.land(tmp_path, start, end)
    with pytest.raises(DemoDataError, match="weekly"):
        households.land(tmp_path, hourly=True)
