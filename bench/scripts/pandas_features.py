"""Build the use case's features, current process and outcomes in pandas, with the same values as its SQL.

A test compares the values. Counts and sums are of whole numbers, so the values are exactly equal.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.scripts.declaration import KEY_COLUMNS, OUTCOME, ZONE

HOUR, DAY, MINUTE = pd.Timedelta(hours=1), pd.Timedelta(days=1), pd.Timedelta(minutes=1)
LAGS = (1, 2, 3, 4)  # hours between a scheduled departure and a decision time at which its delay is a feature
MINUTES_IF_NEVER_LEFT = 9999
CURRENT_PROCESS_RATE = 0.30  # rate of disruption above which the current process sends a standby crew
WEATHER_TOLERANCE = 6 * HOUR - pd.Timedelta(seconds=1)
# Rates of disruption, by feature name: the columns to group by, and the lookback in days.
TRAILING_RATES: dict[str, tuple[list[str], int]] = {
    "r_carrier": (["carrier"], 28),
    "r_origin_hour": (["origin", "hour"], 28),
    "r_carrier_hour": (["carrier", "hour"], 28),
    "r_origin_carrier": (["origin", "carrier"], 28),
    "r_origin_carrier_7": (["origin", "carrier"], 7),
    "r_route": (["origin", "dest"], 28),
    "r_origin_7": (["origin"], 7),
    "r_all_7": ([], 7),
}
# Delays so far: the longest lag in hours, the columns to group by, and the feature name of each aggregated column.
DELAYS_SO_FAR: tuple[tuple[int, list[str], dict[str, str]], ...] = (
    (
        3,
        ["origin"],
        {"n": "o_n", "late15": "o_late15", "late30": "o_late30", "so_far": "o_so_far", "waiting": "o_waiting"},
    ),
    (4, ["origin", "carrier"], {"n": "c_n", "late30": "c_late30", "so_far": "c_so_far"}),
    (4, ["dest"], {"n": "t_n", "late30": "t_late30", "so_far": "t_so_far"}),
    (3, [], {"late30": "nyc_late30"}),
    (2, [], {"so_far": "nyc_so_far"}),
)
FEATURES = [
    "dest",
    "distance",
    "hour",
    "weekday",
    "minute",
    "n_sched",
    *TRAILING_RATES,
    "o_n",
    "o_late15",
    "o_late30",
    "o_so_far",
    "o_waiting",
    "c_n",
    "c_late30",
    "c_so_far",
    "t_n",
    "t_late30",
    "t_so_far",
    "nyc_late30",
    "nyc_so_far",
    "temp",
    "dewp",
    "humid",
    "wind_dir",
    "wind_speed",
    "wind_gust",
    "precip",
    "pressure",
    "visib",
    "precip3",
    "visib3",
    "_silent",
    "_misfit",
]


def local_day(times: pd.Series) -> pd.Series:
    """Return the local days of UTC times, as timestamps."""
    return times.dt.tz_localize("UTC").dt.tz_convert(ZONE).dt.tz_localize(None).dt.normalize()


def build_features(
    timetable: pd.DataFrame, movements: pd.DataFrame, weather: pd.DataFrame, units: pd.DataFrame
) -> pd.DataFrame:
    """Return features, current action and outcome of the units, in the chain's order."""
    rows = _with_decision_times(units)
    flights = _flights(timetable, movements)
    rows = _add_trailing_rates(rows, flights, movements)
    rows = _add_delays_so_far(rows, flights)
    rows = _add_feed_health(rows, flights, movements)
    load = flights.groupby(["origin", flights["sched"].dt.floor("h").rename("sched_hour")]).size().rename("n_sched")
    rows = rows.merge(load.reset_index(), on=["origin", "sched_hour"], how="left")
    rows = _add_weather(rows, weather)
    rows["weekday"] = (pd.to_datetime(rows[["year", "month", "day"]]).dt.day_of_week + 1) % 7
    rows["current_action"] = np.where(rows["r_carrier_hour"] >= CURRENT_PROCESS_RATE, "standby", "none")
    rows = _add_outcomes(rows, movements)
    columns = ["_partition", *KEY_COLUMNS, "decided_at", *FEATURES, "current_action", OUTCOME, "outcome_known_at"]
    return rows.sort_values(["_partition", "decided_at", *KEY_COLUMNS], ignore_index=True)[columns]


def _with_decision_times(units: pd.DataFrame) -> pd.DataFrame:
    """Return the units with decision time, scheduled hour, and the day before which disruptions count (`today`)."""
    rows = units.drop(columns="known_at")
    scheduled = rows["time_hour"] + pd.to_timedelta(rows["minute"], "min")
    rows["decided_at"] = (scheduled - 3 * HOUR).dt.floor("h")
    rows["today"] = local_day(rows["decided_at"] - HOUR)
    rows["sched_hour"] = rows["time_hour"].dt.floor("h")
    return rows


def _flights(timetable: pd.DataFrame, movements: pd.DataFrame) -> pd.DataFrame:
    """Return the scheduled departures. Flights that have departed have a delay and a UTC hour of departure."""
    columns = [*KEY_COLUMNS, "dep_delay", "event_hour"]
    departures = movements.loc[movements["event"] == "departure", columns]
    flights = timetable.drop(columns="known_at").merge(departures, on=list(KEY_COLUMNS), how="left")
    flights["sched"] = flights["time_hour"] + pd.to_timedelta(flights["minute"], "min")
    flights["d"] = pd.to_datetime(flights[["year", "month", "day"]]).astype("datetime64[us]")
    return flights


def _add_trailing_rates(rows: pd.DataFrame, flights: pd.DataFrame, movements: pd.DataFrame) -> pd.DataFrame:
    """Add the rates of disruption up to the day before each unit's day, from running sums by group and day."""
    last_reports = movements.groupby("_partition")["known_at"].max().rename("until").rename_axis("d").reset_index()
    known = flights.merge(last_reports, on="d")
    known = known[known["sched"] < known["until"]]
    disrupted = (known["dep_delay"].isna() | (known["dep_delay"] >= 30)).astype(float).to_numpy()
    first, last = min(known["d"].min(), rows["today"].min()), max(known["d"].max(), rows["today"].max())
    days = (last - first).days + 1
    day_of_flight = (known["d"] - first).dt.days.to_numpy()
    today = (rows["today"] - first).dt.days.to_numpy()
    for name, (columns, days_back) in TRAILING_RATES.items():
        codes = _group_codes(known, rows, columns)
        flight_codes, unit_codes = codes[: len(known)], codes[len(known) :]
        sums = np.zeros((2, codes.max() + 1, days + 1))  # [0] disrupted, [1] all departures before each day
        positions = (flight_codes, day_of_flight + 1)
        np.add.at(sums[0], positions, disrupted)
        np.add.at(sums[1], positions, 1.0)
        sums = sums.cumsum(axis=2)
        disrupted_count, count = sums[:, unit_codes, today] - sums[:, unit_codes, np.maximum(today - days_back, 0)]
        rows[name] = np.divide(disrupted_count, count, out=np.full(len(rows), np.nan), where=count > 0)
    return rows


def _group_codes(flights: pd.DataFrame, rows: pd.DataFrame, columns: list[str]) -> np.ndarray:
    """Number the groups of equal `columns`. Return the number of each flight, then of each row; 0 without columns."""
    if not columns:
        return np.zeros(len(flights) + len(rows), "int64")
    both = pd.concat([flights[columns], rows[columns]], ignore_index=True)
    return both.groupby(columns, sort=False).ngroup().to_numpy()


def _add_delays_so_far(rows: pd.DataFrame, flights: pd.DataFrame) -> pd.DataFrame:
    """Add the delays, as known at each decision time, of the departures that were scheduled in the hours before."""
    delays = pd.concat([_delays_after(flights, lag) for lag in LAGS], ignore_index=True)
    for longest_lag, columns, names in DELAYS_SO_FAR:
        recent = delays[delays["lag"] <= longest_lag]
        totals = recent.groupby([*columns, "decided_at"])[["n", "late15", "late30", "so_far", "waiting"]].sum()
        for column in ("late15", "late30", "so_far"):
            totals[column] = totals[column] / totals["n"]
        features = totals.reset_index()[[*columns, "decided_at", *names]].rename(columns=names)
        rows = rows.merge(features, on=[*columns, "decided_at"], how="left")
    return rows


def _delays_after(flights: pd.DataFrame, lag: int) -> pd.DataFrame:
    """Return each departure's delay as known `lag` hours after the scheduled hour, in whole minutes."""
    hour = flights["sched"].dt.floor("h") + lag * HOUR
    minutes_since = (hour - flights["sched"]) // MINUTE
    so_far = np.minimum(flights["dep_delay"].fillna(MINUTES_IF_NEVER_LEFT), minutes_since)
    waiting = flights["dep_delay"].isna() | (flights["dep_delay"] >= minutes_since)
    return pd.DataFrame(
        {
            "origin": flights["origin"],
            "carrier": flights["carrier"],
            "dest": flights["dest"],
            "decided_at": hour,
            "lag": lag,
            "n": 1,
            "late15": (so_far >= 15).astype("int64"),
            "late30": (so_far >= 30).astype("int64"),
            "so_far": so_far.clip(-5, 120).astype("int64"),
            "waiting": waiting.astype("int64"),
        }
    )


def _add_feed_health(rows: pd.DataFrame, flights: pd.DataFrame, movements: pd.DataFrame) -> pd.DataFrame:
    """Add whether the movements feed is silent, and the share of delays that contradict the hour of their report."""
    report_times, times = set(movements["known_at"]), rows["decided_at"].drop_duplicates()
    due = flights.groupby(flights["sched"].dt.floor("h") + HOUR).size().reindex(times).fillna(0).to_numpy()
    quiet = [~(times - lag * HOUR).isin(report_times).to_numpy() for lag in range(3)]
    is_silent = dict(zip(times, quiet[0] & ((due >= 10) | (quiet[1] & quiet[2])), strict=True))
    reported = flights[flights["event_hour"].notna()]
    expected_hour = (reported["sched"] + pd.to_timedelta(reported["dep_delay"], "min")).dt.floor("h")
    misfits = (expected_hour != reported["event_hour"]) * 1
    parts = [pd.DataFrame({"h": reported["event_hour"] + lag * HOUR, "n": 1, "misfits": misfits}) for lag in LAGS]
    counts = pd.concat(parts).groupby("h")[["n", "misfits"]].sum()
    rows["_silent"] = rows["decided_at"].map(is_silent)
    rows["_misfit"] = rows["decided_at"].map(counts["misfits"] / counts["n"]).fillna(0.0)
    return rows


def _add_weather(rows: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    """Add the newest weather observation that was known at each decision time, unless it is six or more hours old."""
    observations = weather.sort_values(["origin", "time_hour"], ignore_index=True)
    by_origin = observations.set_index("time_hour").groupby("origin")[["precip", "visib"]]
    three_hours = by_origin.rolling("3h", closed="both", min_periods=1)
    observations["precip3"] = three_hours["precip"].sum().round(2).to_numpy()
    observations["visib3"] = three_hours["visib"].min().to_numpy()
    hidden = ["year", "month", "day", "hour", "time_hour", "_partition"]
    observations = observations.drop(columns=hidden).sort_values("known_at")
    return pd.merge_asof(
        rows.sort_values("decided_at", kind="stable"),
        observations,
        left_on="decided_at",
        right_on="known_at",
        by="origin",
        tolerance=WEATHER_TOLERANCE,
    )


def _add_outcomes(rows: pd.DataFrame, movements: pd.DataFrame) -> pd.DataFrame:
    """Add whether each departure was disrupted, and the UTC time at which the outcome became known."""
    events = movements.loc[movements["event"] != "arrival", [*KEY_COLUMNS, "event", "dep_delay", "known_at"]]
    rows = rows.merge(events.rename(columns={"known_at": "outcome_known_at"}), on=list(KEY_COLUMNS), how="left")
    disrupted = ((rows["event"] == "cancellation") | (rows["dep_delay"] >= 30)).astype(float)
    rows[OUTCOME] = disrupted.where((disrupted == 1) | rows["dep_delay"].notna())
    return rows
