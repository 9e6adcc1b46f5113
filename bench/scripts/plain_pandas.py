"""The same work as `plain_duckdb.py` in pandas alone: the same extracts, features, models and values.

python bench/scripts/plain_pandas.py backfill --landing DIR --out DIR [--first DATE]
python bench/scripts/plain_pandas.py day --landing DIR --out DIR --date DATE [--retrain]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
import pandas as pd

from bench.scripts.command_line import delete_outputs, run_command
from bench.scripts.decisions import DECISION_COLUMNS, value_per_1000
from bench.scripts.declaration import KEY_COLUMNS, LOOKBACK_DAYS, MAX_WIND_SPEED, SOURCES, ZONE
from bench.scripts.landed_files import files_of_day
from bench.scripts.models import (
    decide_by_monthly_models,
    decide_by_newest_model,
    fit,
    training_window_start,
    write_model,
)
from bench.scripts.pandas_features import DAY, HOUR, build_features, local_day
from bench.scripts.step_times import step

# Whole numbers may be missing, so they are read as floating-point numbers. Columns that are never null become int32.
PANDAS_TYPES = {"INTEGER": "float64", "DOUBLE": "float64", "VARCHAR": "str"}
COLUMNS_WITHOUT_NULLS = {
    "timetable": [*KEY_COLUMNS[:3], "flight", "distance", "hour", "minute"],
    "movements": [*KEY_COLUMNS[:3], "flight", "minute"],
    "weather": [*KEY_COLUMNS[:3], "hour"],
}


def read_extracts(source: str, files: Sequence[str]) -> pd.DataFrame:
    """Return the rows of extracts: the columns of the data contract, `known_at` and `_partition`."""
    contract = SOURCES[source]["columns"]
    types = {column: PANDAS_TYPES[kind] for column, kind in contract.items() if kind in PANDAS_TYPES}
    parts = [
        pd.read_csv(file, usecols=list(contract), dtype=types, keep_default_na=False, na_values=["NA", ""])
        for file in files
    ]
    rows = pd.concat(parts, ignore_index=True)
    for column in (column for column, kind in contract.items() if kind == "TIMESTAMP"):
        rows[column] = pd.to_datetime(rows[column], format="%Y-%m-%dT%H:%M:%SZ").astype("datetime64[us]")
    rows = rows.astype(dict.fromkeys(COLUMNS_WITHOUT_NULLS[source], "int32"))
    if source == "weather":
        rows = rows[~(rows["wind_speed"] > MAX_WIND_SPEED)]
    if source == "timetable":
        rows["_partition"] = pd.to_datetime(rows[["year", "month", "day"]]).astype("datetime64[us]")
        noon_before = (rows["_partition"] - DAY + 12 * HOUR).dt.tz_localize(ZONE)
        rows["known_at"] = noon_before.dt.tz_convert("UTC").dt.tz_localize(None)
    else:
        hours = rows["event_hour" if source == "movements" else "time_hour"]
        rows["_partition"], rows["known_at"] = local_day(hours), hours + HOUR
    return rows[[*contract, "known_at", "_partition"]]


def write_days(rows: pd.DataFrame, folder: Path) -> None:
    """Write rows as Parquet, one folder per day."""
    for day, day_rows in rows.groupby("_partition", sort=True):
        day_folder = folder / f"d={day:%Y-%m-%d}"
        day_folder.mkdir(parents=True, exist_ok=True)
        day_rows.to_parquet(day_folder / "p0.parquet", index=False)


def read_days(folder: Path, first: date, last: date) -> pd.DataFrame:
    """Return the rows of the days `first` to `last`. Only the files of these days are opened."""
    days = [folder / f"d={first + timedelta(number)}" for number in range((last - first).days + 1)]
    files = [file for day in days for file in day.glob("*.parquet")]
    return pd.concat([pd.read_parquet(file, partitioning=None) for file in files], ignore_index=True)


def backfill(landing: Path, out: Path, first: date, proof_days: int) -> dict[str, Any]:
    """Process all extracts of the landing folder at once: fit one model per month, and decide from `first` on."""
    delete_outputs(out)
    with step("land: CSV to Parquet by day"):
        tables = {
            source: read_extracts(source, sorted(map(str, landing.glob(contract["files"]))))
            for source, contract in SOURCES.items()
        }
        for source, rows in tables.items():
            write_days(rows, out / source)
    with step("features, current process, outcomes"):
        rows = build_features(tables["timetable"], tables["movements"], tables["weather"], tables["timetable"])
    with step("features to Parquet by day"):
        write_days(rows, out / "features")
    decided, fits = decide_by_monthly_models(rows, first, out, proof_days)
    with step("decisions by day, money"):
        write_days(decided[DECISION_COLUMNS], out / "decisions")
        money = value_per_1000(decided)
    return {"rows": len(rows), "fits": fits, **money}


def run_day(landing: Path, out: Path, today: date, proof_days: int, retrain: bool) -> dict[str, Any]:
    """Process one more day: extracts, features, decisions and values. `retrain` also fits a model for the next day."""
    with step("land: CSV to Parquet"):
        for source in SOURCES:
            files = files_of_day(landing, source, today)
            if files:
                rows = read_extracts(source, files)
                write_days(rows[rows["_partition"] == pd.Timestamp(today)], out / source)
    with step("features, current process, outcomes"):
        first = today - timedelta(days=LOOKBACK_DAYS)
        tables = {source: read_days(out / source, first, today) for source in SOURCES}
        units = tables["timetable"][tables["timetable"]["_partition"] == pd.Timestamp(today)]
        rows = build_features(tables["timetable"], tables["movements"], tables["weather"], units)
        write_days(rows, out / "features")
    with step("score, decisions, money"):
        trained_on, decided = decide_by_newest_model(rows, out, today, proof_days)
        write_days(decided[DECISION_COLUMNS], out / "decisions")
        money = value_per_1000(decided)
    if retrain:
        with step("retrain on the trailing window"):
            tomorrow = today + timedelta(days=1)
            training_rows = read_days(out / "features", training_window_start(tomorrow), today)
            training_rows = training_rows.sort_values(["_partition", "decided_at", *KEY_COLUMNS], ignore_index=True)
            write_model(fit(training_rows, tomorrow), tomorrow, out)
    return {"date": f"{today}", "model": trained_on, "rows": len(rows), **money}


if __name__ == "__main__":
    run_command("plain pandas", __doc__, backfill, run_day)
