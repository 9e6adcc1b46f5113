"""Find the rows of a large DuckDB table whose hash occurs several times, in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sixtyforty.storage.memory import duckdb_limit

if TYPE_CHECKING:
    import duckdb

BYTES_PER_GROUP = 64  # memory that DuckDB takes to count the rows with one hash


def list_repeated_rows(db: duckdb.DuckDBPyConnection, hashes: str) -> None:
    """Create the table `repeated_rows`, with the `_id` of each row whose hash occurs in several rows.

    The hashes are counted in several passes, because DuckDB fails if the groups of many rows don't fit into memory.

    hashes: SQL query for `_id` and `_hash` of the rows.
    """
    db.execute(
        f"""create or replace temp table row_hashes as {hashes};
        create or replace temp table repeated_rows (_id bigint)"""
    )
    ((row_count,),) = db.execute("select count(*) from row_hashes").fetchall()
    passes = 1 + row_count * BYTES_PER_GROUP // (duckdb_limit() // 4)
    for number in range(passes):
        of_pass = f"(select * from row_hashes where _hash % {passes} = {number})"
        repeated = f"select _hash from {of_pass} group by 1 having count(*) > 1"
        db.execute(f"insert into repeated_rows select _id from {of_pass} semi join ({repeated}) using (_hash)")
    db.execute("drop table row_hashes")
