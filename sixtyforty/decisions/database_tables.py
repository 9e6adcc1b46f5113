"""Rename, export and drop the SQL tables of a use case: its delivered decisions, and people's responses to them.

If the process is killed, each function can be called again. This is necessary because a database such as SQLite ends a
transaction at each change of a table.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from sixtyforty.decisions.delivery_table import delivery_table_name
from sixtyforty.decisions.webhook_outbox import outbox_table_name
from sixtyforty.storage.databases import is_sqlite, open_engine, parse_database_url
from sixtyforty.storage.files import parquet_bytes, write_atomic
from sixtyforty.storage.object_store import StoragePath
from sixtyforty.storage.response_log import close_response_logs, table_name
from sixtyforty.storage.response_seals import seal_table_name

if TYPE_CHECKING:
    import sqlalchemy as sa


def table_names(use_case: str) -> list[str]:
    """Return the names of the tables of a use case, whether they exist or not."""
    return [
        delivery_table_name(use_case, "live"),
        delivery_table_name(use_case, "replay"),
        table_name(use_case),
        seal_table_name(use_case),
        outbox_table_name(use_case),
    ]


def existing_tables(database_url: str, names: Iterable[str]) -> dict[str, int]:
    """Return the number of rows of each existing SQL table of a use case, by name."""
    import sqlalchemy as sa

    url = parse_database_url(database_url)
    if is_sqlite(url) and url.database and not Path(url.database).exists():
        return {}
    engine = open_engine(database_url)
    try:
        present = set(sa.inspect(engine).get_table_names())
        with engine.connect() as connection:
            return {
                name: connection.scalar(sa.select(sa.func.count()).select_from(sa.table(name))) or 0
                for name in names
                if name in present
            }
    finally:
        engine.dispose()


def rename_tables(database_url: str, old: str, new: str) -> list[str]:
    """Rename the tables of a use case and their indexes. Return the new names of the tables that exist.

    Tables that don't exist are skipped, and so are tables that already have the new name.
    """
    pairs = dict(zip(table_names(old), table_names(new), strict=True))
    present = existing_tables(database_url, [*pairs, *pairs.values()])
    if not present:
        return []
    import sqlalchemy as sa

    close_response_logs()
    engine = open_engine(database_url)
    try:
        for old_table, new_table in pairs.items():
            with engine.begin() as connection:
                if old_table in present:
                    quote = connection.dialect.identifier_preparer.quote
                    if present.get(new_table) == 0:  # a page or a scan has created an empty table under the new name
                        connection.execute(sa.text(f"drop table {quote(new_table)}"))
                    connection.execute(sa.text(f"alter table {quote(old_table)} rename to {quote(new_table)}"))
            if old_table in present or new_table in present:
                with engine.begin() as connection:
                    _rename_indexes(connection, old_table, new_table)
    finally:
        engine.dispose()
    return [new_table for old_table, new_table in pairs.items() if {old_table, new_table} & present.keys()]


def _rename_indexes(connection: sa.Connection, old_table: str, new_table: str) -> None:
    """Give the indexes of a renamed table the names that a new table would get.

    A later use case under the old name would otherwise find its index names taken. SQLite can't rename an index, so
    the index is created under the new name, then dropped under the old one.
    """
    import sqlalchemy as sa

    quote = connection.dialect.identifier_preparer.quote
    names = {str(index["name"]) for index in sa.inspect(connection).get_indexes(new_table)}
    for name in sorted(names):
        new_name = name.replace(old_table, new_table, 1)
        if old_table not in name or new_name == name:
            continue
        if connection.dialect.name != "sqlite":
            connection.execute(sa.text(f"alter index {quote(name)} rename to {quote(new_name)}"))
            continue
        if new_name not in names:
            query = sa.text("select sql from sqlite_master where type = 'index' and name = :name")
            definition = connection.scalar(query, {"name": name})
            if definition is None:  # SQLite creates and renames the index of a unique column by itself
                continue
            connection.exec_driver_sql(str(definition).replace(name, new_name, 1))
        connection.execute(sa.text(f"drop index {quote(name)}"))


def export_tables(database_url: str, use_case: str, folder: StoragePath) -> dict[str, int]:
    """Write each table of a use case as a Parquet file below a folder. Return the number of rows by table."""
    import pyarrow as pa
    import sqlalchemy as sa

    present = existing_tables(database_url, table_names(use_case))
    if not present:
        return {}
    engine = open_engine(database_url)
    try:
        with engine.connect() as connection:
            for name in present:
                table = sa.Table(name, sa.MetaData(), autoload_with=connection)
                rows = connection.execute(sa.select(table)).all()
                names = [column.name for column in table.columns]
                columns = {column: [row[position] for row in rows] for position, column in enumerate(names)}
                write_atomic(folder / f"{name}.parquet", parquet_bytes(pa.table(columns)))
    finally:
        engine.dispose()
    return present


def drop_tables(database_url: str, use_case: str) -> None:
    """Drop the tables of a use case that exist."""
    present = existing_tables(database_url, table_names(use_case))
    if not present:
        return
    import sqlalchemy as sa

    close_response_logs()
    engine = open_engine(database_url)
    try:
        with engine.begin() as connection:
            quote = connection.dialect.identifier_preparer.quote
            for name in present:
                connection.execute(sa.text(f"drop table {quote(name)}"))
    finally:
        engine.dispose()
