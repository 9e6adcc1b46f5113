"""The mend of a manipulated database puts rows back and keeps the rows that were written since."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from pipelines.demo.fault_drill.database_changes import copy_database, undo_database_changes


def test_changed_and_added_rows_are_put_back(tmp_path: Path) -> None:
    database, before, after = (tmp_path / name for name in ("now.db", "before.db", "after.db"))
    with closing(sqlite3.connect(database, isolation_level=None)) as db:
        db.execute("create table t (id text primary key, action text)")
        db.execute("insert into t values ('a', 'x'), ('b', 'x'), ('c', 'x')")
        copy_database(database, before)
        db.execute("update t set action = 'y' where id = 'a'")
        db.execute("delete from t where id = 'b'")
        db.execute("insert into t values ('forged', 'y')")
        copy_database(database, after)
        db.execute("insert into t values ('later', 'x')")
        undo_database_changes(database, before, after)
        assert db.execute("select * from t order by id").fetchall() == [
            ("a", "x"),
            ("b", "x"),
            ("c", "x"),
            ("later", "x"),
        ]
