"""The chain's work as one plain script: no orchestrator, no governance, no versions, no crash safety.

    python bench/scripts/plain_duckdb.py backfill --landing DIR --out DIR [--first DATE] [--proof-days N]
    python bench/scripts/plain_duckdb.py day --landing DIR --out DIR --date DATE [--proof-days N] [--retrain]

The script reads the same extracts as the chain. It writes Parquet by day, features by day, models and decisions. It
runs the use case's SQL for features, current process and outcomes. Data contract, model and payoffs come from
`defs.yaml`. Run `backfill` on the earlier days before `day`. The last line printed is JSON: seconds, memory and the
value of the decisions by each way of deciding.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
import duckdb
import pandas as pd

from bench.scripts.command_line import delete_outputs, run_command
from bench.scripts.decisions import DECISION_COLUMNS, value_per_1000
from bench.scripts.declaration import (
    DECLARATION,
    FOLDER,
    KEY_COLUMNS,
    LOOKBACK_DAYS,
    MAX_WIND_SPEED,
    OUTCOME,
    PROOF_DAYS,
    SOURCES,
)
from bench.scripts.landed_files import files_of_day
from bench.scripts.models import (
    decide_by_monthly_models,
    decide_by_newest_model,
    fit,
    training_window_start,
    write_model,
)
from bench.scripts.step_times import step

KEY = ", ".join(KEY_COLUMNS)
ROW_FILTERS = {"weather": f"wind_speed is null or wind_speed <= {MAX_WIND_SPEED}"}
SQL_FILES = ("features", "current_process", "outcomes")


def connect() -> duckdb.DuckDBPyConnection:
    """Return a DuckDB session in UTC, with the macro `local` that the use case's SQL needs."""
    db = duckdb.connect()
    db.execute("set enable_progress_bar = false; set TimeZone = 'UTC'")
    db.execute(f"create macro local(ts) as (ts at time zone 'UTC' at time zone '{DECLARATION['timezone']}')")
    return db


def extract_sql(source: str, files: Sequence[str]) -> str:
    """Return SQL for the rows of extracts: the columns of the data contract, `known_at` and `_partition`."""
    contract = SOURCES[source]
    columns = ", ".join(contract["columns"])
    with Path(files[0]).open() as file:  # all extracts have the same header; DuckDB's own detection is 3 times slower
        types = {column: contract["columns"].get(column, "VARCHAR") for column in file.readline().strip().split(",")}
    return f"""select {columns}, ({contract["known_at"]}) as known_at, ({contract["partition"]})::date as _partition
    from read_csv({list(files)!r}, columns = {types!r}, auto_detect = false, delim = ',', header = true,
        nullstr = ['NA', ''])
    where {ROW_FILTERS.get(source, "true")}"""


def write_days(db: duckdb.DuckDBPyConnection, rows: str, folder: Path) -> None:
    """Write rows as Parquet, one folder per day."""
    db.execute(f"""copy (select *, _partition as d from ({rows})) to '{folder}'
                   (format parquet, partition_by (d), overwrite_or_ignore, filename_pattern 'p')""")


def days_sql(folder: Path, first: date, last: date) -> str:
    """Return SQL for the rows of the days `first` to `last`. The SQL names the files, so DuckDB opens no others."""
    days = [folder / f"d={first + timedelta(number)}" for number in range((last - first).days + 1)]
    files = [str(file) for day in days for file in day.glob("*.parquet")]
    return f"(select * from read_parquet({files!r}, hive_partitioning = false))"


def build_features(db: duckdb.DuckDBPyConnection, unit_filter: str = "true") -> None:
    """Create the table `built` from a table or view per source: features, current action and outcome of each unit."""
    decision = DECLARATION["decision"]
    db.execute(f"""create table units as select * exclude known_at, {decision["decided_at"]} as decided_at
                   from {decision["unit_source"]} where {unit_filter}""")
    for name in SQL_FILES:
        db.execute(f"create table {name} as {(FOLDER / f'{name}.sql').read_text()}")
    db.execute(f"""create table built as
        select u._partition, {KEY}, u.decided_at, f.* exclude ({KEY}), p.action as current_action,
            o.{OUTCOME}, o.known_at as outcome_known_at
        from units u join features f using ({KEY}) join current_process p using ({KEY}) join outcomes o using ({KEY})
        order by u._partition, u.decided_at, {KEY}""")


def read_rows(db: duckdb.DuckDBPyConnection, relation: str) -> pd.DataFrame:
    """Return the rows of a table or query as a frame, with `_partition` as a timestamp."""
    return db.execute(f"select * replace (_partition::timestamp as _partition) from {relation}").df()


def write_decisions(db: duckdb.DuckDBPyConnection, decided: pd.DataFrame, out: Path) -> None:
    """Write the decisions as Parquet, one folder per day."""
    db.register("decided", decided)
    columns = ", ".join(column for column in DECISION_COLUMNS if column != "_partition")
    write_days(db, f"select _partition::date as _partition, {columns} from decided", out / "decisions")


def backfill(landing: Path, out: Path, first: date, proof_days: int) -> dict[str, Any]:
    """Process all extracts of the landing folder at once: fit one model per month, and decide from `first` on."""
    delete_outputs(out)
    db = connect()
    with step("land: CSV to Parquet by day"):
        for source, contract in SOURCES.items():
            files = sorted(map(str, landing.glob(contract["files"])))
            db.execute(f"create table {source} as {extract_sql(source, files)}")
            write_days(db, f"from {source}", out / source)
    with step("features, current process, outcomes"):
        build_features(db)
    with step("features to Parquet by day"):
        write_days(db, "from built", out / "features")
        rows = read_rows(db, "built")
    decided, fits = decide_by_monthly_models(rows, first, out, proof_days)
    with step("decisions by day, money"):
        write_decisions(db, decided, out)
        money = value_per_1000(decided)
    return {"rows": len(rows), "fits": fits, **money}


def land_day(landing: Path, out: Path, today: date) -> None:
    """Write a day's extracts as Parquet."""
    with connect() as db:
        for source in SOURCES:
            files = files_of_day(landing, source, today)
            if files:
                rows = f"select * from ({extract_sql(source, files)}) where _partition = '{today}'"
                write_days(db, rows, out / source)


def build_day(out: Path, today: date) -> pd.DataFrame:
    """Build a day's features, current actions and outcomes from its lookback; write them as Parquet and return them."""
    with connect() as db:
        for source in SOURCES:
            first = today - timedelta(days=LOOKBACK_DAYS)
            db.execute(f"create view {source} as select * from {days_sql(out / source, first, today)}")
        build_features(db, f"_partition = '{today}'")
        write_days(db, "from built", out / "features")
        return read_rows(db, "built")


def decide_day(
    out: Path, today: date, rows: pd.DataFrame | None = None, proof_days: int = PROOF_DAYS
) -> dict[str, Any]:
    """Decide a day's units by the newest model that may decide, and write the decisions. Return their value.

    rows: the day's features. None: read the features from Parquet.
    """
    if rows is None:
        rows = pd.read_parquet(out / "features" / f"d={today}", partitioning=None)
    trained_on, decided = decide_by_newest_model(rows, out, today, proof_days)
    with connect() as db:
        write_decisions(db, decided, out)
    return {"date": f"{today}", "model": trained_on, "rows": len(rows), **value_per_1000(decided)}


def run_day(landing: Path, out: Path, today: date, proof_days: int, retrain: bool) -> dict[str, Any]:
    """Process one more day: extracts, features, decisions and values. `retrain` also fits a model for the next day."""
    with step("land: CSV to Parquet"):
        land_day(landing, out, today)
    with step("features, current process, outcomes"):
        rows = build_day(out, today)
    with step("score, decisions, money"):
        figures = decide_day(out, today, rows, proof_days)
    if retrain:
        with step("retrain on the trailing window"), connect() as db:
            tomorrow = today + timedelta(days=1)
            days = days_sql(out / "features", training_window_start(tomorrow), today)
            training_rows = read_rows(db, f"{days} order by _partition, decided_at, {KEY}")
            write_model(fit(training_rows, tomorrow), tomorrow, out)
    return figures


if __name__ == "__main__":
    run_command("plain DuckDB", __doc__, backfill, run_day)
