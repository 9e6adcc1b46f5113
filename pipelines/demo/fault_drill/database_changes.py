"""Undo what a fault changed in a SQLite database, but keep the rows that were written after the fault."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sixtyforty.storage.sql import identifier


def copy_database(database: Path, copy: Path) -> None:
    """Copy a SQLite database with the rows that its write-ahead log holds."""
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)


def undo_database_changes(database: Path, before: Path, after: Path) -> None:
    """Put the rows back that differ between two copies of a database. before, after: the copies around the fault."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("attach ? as before", (str(before),))
        connection.execute("attach ? as after", (str(after),))
        tables = connection.execute("select name from before.sqlite_master where type = 'table'").fetchall()
        for (name,) in tables:
            table = identifier(name)
            connection.execute(f"delete from main.{table} where rowid in ({_changed(table, 'after', 'before')})")
            columns = connection.execute(f"pragma main.table_info({table})").fetchall()
            names = ", ".join(["rowid", *(identifier(column[1]) for column in columns)])
            connection.execute(
                f"insert or replace into main.{table} ({names}) select {names} from before.{table}"
                f" where rowid in ({_changed(table, 'before', 'after')})"
            )


def _changed(table: str, schema: str, other: str) -> str:
    """Return the SQL of the row ids whose rows one copy has, and the other copy has not."""
    rows = f"select rowid, * from {schema}.{table} except select rowid, * from {other}.{table}"
    return f"select rowid from ({rows})"
