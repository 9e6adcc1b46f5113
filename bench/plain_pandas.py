"""The same work as `plain_duckdb.py`, with pandas alone: the same extracts in, the same features, fits and money out.

    python bench/plain_pandas.py backfill --landing DIR --out DIR [--first DATE]
    python bench/plain_pandas.py day --landing DIR --out DIR --date DATE [--retrain]

Features and outcomes are the use case's SQL said again in pandas; a test holds the two to the same values. Counts and
sums are of whole numbers, so that not even the last digit differs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import numpy as np
import pandas as pd

from bench.plain import (
    CASE,
    KEYS,
    MOST_WIND,
    OUTCOME,
    SOURCES,
    ZONE,
    afresh,
    by_newest,
    files_of,
    fit,
    keep,
    main,
    money,
    step,
    walked,
    window,
)

HOUR, DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)
KINDS = {"INTEGER": "float64", "DOUBLE": "float64", "VARCHAR": "str"}  # whole numbers may be missing: made int later
WHOLE = {
    "timetable": [*KEYS[:3], "flight", "distance", "hour", "minute"],
    "movements": [*KEYS[:3], "flight", "minute"],
    "weather": [*KEYS[:3], "hour"],
}
LAGS = (1, 2, 3, 4)  # hours
TRAILING = {
    "r_carrier": (["carrier"], 28),
    "r_origin_hour": (["origin", "hour"], 28),
    "r_carrier_hour": (["carrier", "hour"], 28),
    "r_origin_carrier": (["origin", "carrier"], 28),
    "r_origin_carrier_7": (["origin", "carrier"], 7),
    "r_route": (["origin", "dest"], 28),
    "r_origin_7": (["origin"], 7),
    "r_all_7": ([], 7),
}
FEATURES = [
    "dest",
    "distance",
    "hour",
    "weekday",
    "minute",
    "n_sched",
    *TRAILING,
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


def local_day(moments: pd.Series) -> pd.Series:
    """The day, as a timestamp, on the use case's own clock."""
    return moments.dt.tz_localize("UTC").dt.tz_convert(ZONE).dt.tz_localize(None).dt.normalize()


def landed(source: str, files: Sequence[str]) -> pd.DataFrame:
    """The rows of these extracts, typed as the contract says, with `known_at` and their `_partition`."""
    contract = SOURCES[source]["columns"]
    moments = [c for c, kind in contract.items() if kind == "TIMESTAMP"]
    parts = [
        pd.read_csv(
            f,
            usecols=list(contract),
            dtype={c: k for c, t in contract.items() if (k := KINDS.get(t))},
            keep_default_na=False,
            na_values=["NA", ""],
        )
        for f in files
    ]
    rows = pd.concat(parts, ignore_index=True)
    for column in moments:
        rows[column] = pd.to_datetime(rows[column], format="%Y-%m-%dT%H:%M:%SZ").astype("datetime64[us]")
    rows = rows.astype(dict.fromkeys(WHOLE[source], "int32"))
    if source == "weather":
        rows = rows[~(rows["wind_speed"] > MOST_WIND)]
    if source == "timetable":
        rows["_partition"] = pd.to_datetime(rows[["year", "month", "day"]]).astype("datetime64[us]")
        noon = (rows["_partition"] - DAY + 12 * HOUR).dt.tz_localize(ZONE)
        rows["known_at"] = noon.dt.tz_convert("UTC").dt.tz_localize(None)
    else:
        moment = rows["event_hour" if source == "movements" else "time_hour"]
        rows["_partition"], rows["known_at"] = local_day(moment), moment + HOUR
    return rows[[*contract, "known_at", "_partition"]]


def write_days(rows: pd.DataFrame, folder: Path) -> None:
    """Writes rows as Parquet, a folder a day."""
    for day, mine in rows.groupby("_partition", sort=True):
        place = folder / f"d={day:%Y-%m-%d}"
        place.mkdir(parents=True, exist_ok=True)
        mine.to_parquet(place / "p0.parquet", index=False)


def of_days(folder: Path, first: date, last: date) -> pd.DataFrame:
    """The rows of these days, by name: nothing else is opened."""
    days = [folder / f"d={first + timedelta(n)}" for n in range((last - first).days + 1)]
    files = [f for day in days for f in day.glob("*.parquet")]
    return pd.concat([pd.read_parquet(f, partitioning=None) for f in files], ignore_index=True)


def build(timetable: pd.DataFrame, movements: pd.DataFrame, weather: pd.DataFrame, units: pd.DataFrame) -> pd.DataFrame:
    """The units' features, present action and outcome, sorted as the chain's."""
    key = list(KEYS)
    asked = units.drop(columns="known_at")
    sched = asked["time_hour"] + pd.to_timedelta(asked["minute"], "min")
    asked["decided_at"] = (sched - 3 * HOUR).dt.floor("h")
    asked["today"] = local_day(asked["decided_at"] - HOUR)
    asked["sched_hour"] = asked["time_hour"].dt.floor("h")
    left = movements.loc[movements["event"] == "departure", [*key, "dep_delay", "event_hour"]]
    flights = timetable.drop(columns="known_at").merge(left, on=key, how="left")
    flights["sched"] = flights["time_hour"] + pd.to_timedelta(flights["minute"], "min")
    flights["d"] = pd.to_datetime(flights[["year", "month", "day"]]).astype("datetime64[us]")
    asked = _rates(asked, flights, movements)
    asked = _as_it_stands(asked, flights)
    asked = _feed(asked, flights, movements)
    load = flights.groupby(["origin", flights["sched"].dt.floor("h").rename("sched_hour")]).size().rename("n_sched")
    asked = asked.merge(load.reset_index(), on=["origin", "sched_hour"], how="left")
    asked = _sky(asked, weather)
    asked["weekday"] = (pd.to_datetime(asked[["year", "month", "day"]]).dt.day_of_week + 1) % 7
    asked["current_action"] = np.where(asked["r_carrier_hour"] >= 0.30, "standby", "none")
    became = movements.loc[movements["event"] != "arrival", [*key, "event", "dep_delay", "known_at"]]
    asked = asked.merge(became.rename(columns={"known_at": "outcome_known_at"}), on=key, how="left")
    late = ((asked["event"] == "cancellation") | (asked["dep_delay"] >= 30)).astype(float)
    asked[OUTCOME] = late.where((late == 1) | asked["dep_delay"].notna())
    columns = ["_partition", *key, "decided_at", *FEATURES, "current_action", OUTCOME, "outcome_known_at"]
    return asked.sort_values(["_partition", "decided_at", *key], ignore_index=True)[columns]


def _rates(asked: pd.DataFrame, flights: pd.DataFrame, movements: pd.DataFrame) -> pd.DataFrame:
    """Trailing rates of disruption up to yesterday: sums on a grid of days, run up, and taken from each other."""
    heard = movements.groupby("_partition")["known_at"].max().rename("until").rename_axis("d").reset_index()
    known = flights.merge(heard, on="d")
    known = known[known["sched"] < known["until"]]
    known["s"] = (known["dep_delay"].isna() | (known["dep_delay"] >= 30)).astype(float)
    first, last = min(known["d"].min(), asked["today"].min()), max(known["d"].max(), asked["today"].max())
    days = (last - first).days + 1
    for name, (by, back) in TRAILING.items():
        groups = pd.concat([known[by], asked[by]], ignore_index=True).groupby(by, sort=False).ngroup() if by else None
        code = groups.to_numpy() if groups is not None else np.zeros(len(known) + len(asked), "int64")
        mine, theirs = code[: len(known)], code[len(known) :]
        grid = np.zeros((2, code.max() + 1, days + 1))  # run up to the begin of each day
        at = (mine, (known["d"] - first).dt.days.to_numpy() + 1)
        np.add.at(grid[0], at, known["s"].to_numpy())
        np.add.at(grid[1], at, 1.0)
        grid = grid.cumsum(axis=2)
        today = (asked["today"] - first).dt.days.to_numpy()
        s, n = grid[:, theirs, today] - grid[:, theirs, np.maximum(today - back, 0)]
        asked[name] = np.divide(s, n, out=np.full(len(asked), np.nan), where=n > 0)
    return asked


def _as_it_stands(asked: pd.DataFrame, flights: pd.DataFrame) -> pd.DataFrame:
    """The flights scheduled in the hours before each moment, as they looked then."""
    parts = []
    for k in LAGS:
        h = flights["sched"].dt.floor("h") + k * HOUR
        gone = (h - flights["sched"]) // pd.Timedelta(minutes=1)
        so_far = np.minimum(flights["dep_delay"].fillna(9999), gone)
        waiting = flights["dep_delay"].isna() | (flights["dep_delay"] >= gone)
        parts.append(
            pd.DataFrame(
                {
                    "origin": flights["origin"],
                    "carrier": flights["carrier"],
                    "dest": flights["dest"],
                    "h": h,
                    "k": k,
                    "n": 1,
                    "late15": so_far >= 15,
                    "late30": so_far >= 30,
                    "so_far": so_far.clip(-5, 120),
                    "waiting": waiting,
                }
            )
        )
    seen = pd.concat(parts, ignore_index=True)
    seen[["late15", "late30", "so_far", "waiting"]] = seen[["late15", "late30", "so_far", "waiting"]].astype("int64")

    def summed(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
        found = rows.groupby([*by, "h"])[["n", "late15", "late30", "so_far", "waiting"]].sum()
        for column in ("late15", "late30", "so_far"):
            found[column] = found[column] / found["n"]
        return found.rename_axis(index={"h": "decided_at"}).reset_index()

    for rows, by, names in (
        (
            seen[seen["k"] <= 3],
            ["origin"],
            {"n": "o_n", "late15": "o_late15", "late30": "o_late30", "so_far": "o_so_far", "waiting": "o_waiting"},
        ),
        (seen, ["origin", "carrier"], {"n": "c_n", "late30": "c_late30", "so_far": "c_so_far"}),
        (seen, ["dest"], {"n": "t_n", "late30": "t_late30", "so_far": "t_so_far"}),
        (seen[seen["k"] <= 3], [], {"late30": "nyc_late30"}),
        (seen[seen["k"] <= 2], [], {"so_far": "nyc_so_far"}),
    ):
        found = summed(rows, by)[[*by, "decided_at", *names]].rename(columns=names)
        asked = asked.merge(found, on=[*by, "decided_at"], how="left")
    return asked


def _feed(asked: pd.DataFrame, flights: pd.DataFrame, movements: pd.DataFrame) -> pd.DataFrame:
    """Whether the feed is silent, and how far its delays lead to other hours than they were reported in."""
    known, moments = set(movements["known_at"]), asked["decided_at"].drop_duplicates()
    due = flights.groupby(flights["sched"].dt.floor("h") + HOUR).size().reindex(moments).fillna(0).to_numpy()
    quiet = [~(moments - k * HOUR).isin(known).to_numpy() for k in range(3)]
    silent = dict(zip(moments, quiet[0] & ((due >= 10) | (quiet[1] & quiet[2])), strict=True))
    heard = flights[flights["event_hour"].notna()]
    led_to = (heard["sched"] + pd.to_timedelta(heard["dep_delay"], "min")).dt.floor("h")
    odd = (
        pd.concat(
            [
                pd.DataFrame({"h": heard["event_hour"] + k * HOUR, "n": 1, "odd": (led_to != heard["event_hour"]) * 1})
                for k in LAGS
            ]
        )
        .groupby("h")[["n", "odd"]]
        .sum()
    )
    asked["_silent"] = asked["decided_at"].map(silent)
    asked["_misfit"] = asked["decided_at"].map(odd["odd"] / odd["n"]).fillna(0.0)
    return asked


def _sky(asked: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    """The last observation known at each moment, unless it is six hours old or older."""
    seen = weather.sort_values(["origin", "time_hour"], ignore_index=True)
    back = (
        seen.set_index("time_hour").groupby("origin")[["precip", "visib"]].rolling("3h", closed="both", min_periods=1)
    )
    seen["precip3"] = back["precip"].sum().round(2).to_numpy()
    seen["visib3"] = back["visib"].min().to_numpy()
    seen = seen.drop(columns=["year", "month", "day", "hour", "time_hour", "_partition"]).sort_values("known_at")
    return pd.merge_asof(
        asked.sort_values("decided_at", kind="stable"),
        seen,
        left_on="decided_at",
        right_on="known_at",
        by="origin",
        tolerance=6 * HOUR - pd.Timedelta(seconds=1),
    )


def deliver(decided: pd.DataFrame, out: Path) -> None:
    """Writes the decisions by day."""
    columns = ["_partition", *KEYS, "decided_at", "expected", "action", "current_action"]
    write_days(decided[columns], out / "decisions")


def backfill(landing: Path, out: Path, first: date) -> dict[str, Any]:
    """All there is in the landing folder: the whole span in one go, a model a month, decisions from `first` on."""
    afresh(out)
    with step("land: CSV to Parquet by day"):
        there = {s: landed(s, sorted(map(str, landing.glob(c["files"])))) for s, c in SOURCES.items()}
        for source, rows in there.items():
            write_days(rows, out / source)
    with step("features, current process, outcomes"):
        rows = build(there["timetable"], there["movements"], there["weather"], there["timetable"])
    with step("features to Parquet by day"):
        write_days(rows, out / "features")
    decided, fits = walked(rows, first, out)
    with step("decisions by day, money"):
        deliver(decided, out)
        found = money(decided)
    return {"rows": len(rows), "fits": fits, **found}


def day(landing: Path, out: Path, today: date, retrain: bool) -> dict[str, Any]:
    """One more day: its extracts, features, decisions and money; with `retrain`, a model for tomorrow."""
    with step("land: CSV to Parquet"):
        for source in SOURCES:
            files = files_of(landing, source, today)
            if files:
                rows = landed(source, files)
                write_days(rows[rows["_partition"] == pd.Timestamp(today)], out / source)
    with step("features, current process, outcomes"):
        back = today - timedelta(days=CASE["lookback_partitions"])
        there = {s: of_days(out / s, back, today) for s in SOURCES}
        mine = there["timetable"][there["timetable"]["_partition"] == pd.Timestamp(today)]
        rows = build(there["timetable"], there["movements"], there["weather"], mine)
        write_days(rows, out / "features")
    with step("score, decisions, money"):
        trained, decided = by_newest(rows, out, today)
        deliver(decided, out)
        found = money(decided)
    if retrain:
        with step("retrain on the trailing window"):
            tomorrow = today + timedelta(days=1)
            learn = of_days(out / "features", window(tomorrow), today)
            learn = learn.sort_values(["_partition", "decided_at", *KEYS], ignore_index=True)
            keep(fit(learn, tomorrow), tomorrow, out)
    return {"date": f"{today}", "model": trained, "rows": len(rows), **found}


if __name__ == "__main__":
    main("plain pandas", __doc__, backfill, day)
