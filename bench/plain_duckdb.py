"""The chain's work as one plain script: no orchestrator, no governance, no versions, no crash safety.

    python bench/plain_duckdb.py backfill --landing DIR --out DIR [--first DATE]
    python bench/plain_duckdb.py day --landing DIR --out DIR --date DATE [--retrain]

It reads the extracts the chain reads and writes Parquet by day, features by day, models and decisions. What is
computed comes from the use case itself, so that it can't drift: the SQL of its features, of the current process and of
its outcomes; contract, model and payoffs from its `defs.yaml`. `day` follows a `backfill` of the days before. The last
line printed is JSON: seconds, memory and the money of each policy.
"""

import sys
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import duckdb
import pandas as pd

from bench.plain import (
    CASE,
    FOLDER,
    KEYS,
    MOST_WIND,
    OUTCOME,
    SOURCES,
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

KEY = ", ".join(KEYS)
KEPT = {"weather": f"wind_speed is null or wind_speed <= {MOST_WIND}"}


def connect() -> duckdb.DuckDBPyConnection:
    """DuckDB in UTC, with the macro the use case's SQL needs."""
    db = duckdb.connect()
    db.execute("set enable_progress_bar = false; set TimeZone = 'UTC'")
    db.execute(f"create macro local(ts) as (ts at time zone 'UTC' at time zone '{CASE['timezone']}')")
    return db


def landed(source: str, files: Sequence[str]) -> str:
    """SQL of the rows of these extracts, typed as the contract says, with `known_at` and their `_partition`."""
    contract = SOURCES[source]
    columns = ", ".join(contract["columns"])
    with Path(files[0]).open() as file:  # all have one header; found out by DuckDB it takes thrice as long
        types = {c: contract["columns"].get(c, "VARCHAR") for c in file.readline().strip().split(",")}
    return f"""select {columns}, ({contract["known_at"]}) as known_at, ({contract["partition"]})::date as _partition
    from read_csv({list(files)!r}, columns = {types!r}, auto_detect = false, delim = ',', header = true,
        nullstr = ['NA', ''])
    where {KEPT.get(source, "true")}"""


def write_days(db: duckdb.DuckDBPyConnection, rows: str, folder: Path) -> None:
    """Writes rows as Parquet, a folder a day."""
    db.execute(f"""copy (select *, _partition as d from ({rows})) to '{folder}'
                   (format parquet, partition_by (d), overwrite_or_ignore, filename_pattern 'p')""")


def of_days(folder: Path, first: date, last: date) -> str:
    """SQL of the rows of these days, by name: nothing else is opened."""
    days = [folder / f"d={first + timedelta(n)}" for n in range((last - first).days + 1)]
    files = [str(f) for day in days for f in day.glob("*.parquet")]
    return f"(select * from read_parquet({files!r}, hive_partitioning = false))"


def build(db: duckdb.DuckDBPyConnection, units: str = "true") -> None:
    """From a table or view a source makes `built`: the units' features, present action and outcome."""
    decision = CASE["decision"]
    db.execute(f"""create table units as select * exclude known_at, {decision["decided_at"]} as decided_at
                   from {decision["unit"]} where {units}""")
    for name, file in (("f", "features"), ("p", "current_process"), ("o", "outcomes")):
        db.execute(f"create table {name} as {(FOLDER / f'{file}.sql').read_text()}")
    db.execute(f"""create table built as
        select u._partition, {KEY}, u.decided_at, f.* exclude ({KEY}), p.action as current_action,
            o.{OUTCOME}, o.known_at as outcome_known_at
        from units u join f using ({KEY}) join p using ({KEY}) join o using ({KEY})
        order by u._partition, u.decided_at, {KEY}""")


def rows_of(db: duckdb.DuckDBPyConnection, relation: str) -> pd.DataFrame:
    """The rows, in order, with the day as a NumPy date."""
    return db.execute(f"select * replace (_partition::timestamp as _partition) from {relation}").df()


def deliver(db: duckdb.DuckDBPyConnection, decided: pd.DataFrame, out: Path) -> None:
    """Writes the decisions by day."""
    db.register("decided", decided)
    write_days(
        db,
        f"select _partition::date as _partition, {KEY}, decided_at, expected, action, current_action from decided",
        out / "decisions",
    )


def backfill(landing: Path, out: Path, first: date) -> dict[str, Any]:
    """All there is in the landing folder: the whole span in one go, a model a month, decisions from `first` on."""
    afresh(out)
    db = connect()
    with step("land: CSV to Parquet by day"):
        for source, contract in SOURCES.items():
            db.execute(f"create table {source} as {landed(source, sorted(map(str, landing.glob(contract['files']))))}")
            write_days(db, f"from {source}", out / source)
    with step("features, current process, outcomes"):
        build(db)
    with step("features to Parquet by day"):
        write_days(db, "from built", out / "features")
        rows = rows_of(db, "built")
    decided, fits = walked(rows, first, out)
    with step("decisions by day, money"):
        deliver(db, decided, out)
        found = money(decided)
    return {"rows": len(rows), "fits": fits, **found}


def land_day(landing: Path, out: Path, today: date) -> None:
    """A day's extracts as Parquet."""
    with connect() as db:
        for source in SOURCES:
            files = files_of(landing, source, today)
            if files:
                write_days(db, f"select * from ({landed(source, files)}) where _partition = '{today}'", out / source)


def features_day(out: Path, today: date) -> pd.DataFrame:
    """A day's features, present actions and outcomes, from the lookback's days; as Parquet too."""
    with connect() as db:
        for source in SOURCES:
            back = today - timedelta(days=CASE["lookback_partitions"])
            db.execute(f"create view {source} as select * from {of_days(out / source, back, today)}")
        build(db, f"_partition = '{today}'")
        write_days(db, "from built", out / "features")
        return rows_of(db, "built")


def decide_day(out: Path, today: date, rows: pd.DataFrame | None = None) -> dict[str, Any]:
    """A day's decisions and their money, by the newest model; rows: its features, if at hand."""
    if rows is None:
        rows = pd.read_parquet(out / "features" / f"d={today}", partitioning=None)
    trained, decided = by_newest(rows, out, today)
    with connect() as db:
        deliver(db, decided, out)
    return {"date": f"{today}", "model": trained, "rows": len(rows), **money(decided)}


def day(landing: Path, out: Path, today: date, retrain: bool) -> dict[str, Any]:
    """One more day: its extracts, features, decisions and money; with `retrain`, a model for tomorrow."""
    with step("land: CSV to Parquet"):
        land_day(landing, out, today)
    with step("features, current process, outcomes"):
        rows = features_day(out, today)
    with step("score, decisions, money"):
        found = decide_day(out, today, rows)
    if retrain:
        with step("retrain on the trailing window"), connect() as db:
            tomorrow = today + timedelta(days=1)
            learn = f"{of_days(out / 'features', window(tomorrow), today)} order by _partition, decided_at, {KEY}"
            keep(fit(rows_of(db, learn), tomorrow), tomorrow, out)
    return found


if __name__ == "__main__":
    main("plain DuckDB", __doc__, backfill, day)
