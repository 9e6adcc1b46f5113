"""A database with orders, which a source imports by a query."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from sixtyforty.ingest.landing_zone import LandingZone
from sixtyforty.workspace import Workspace

NOON = datetime(2013, 3, 10, 12)


class Shop:
    """A database with a table of orders, in SQLite, DuckDB or PostgreSQL."""

    def __init__(self, url: str) -> None:
        """Connect to a database, and create an empty table of orders."""
        self.engine = sa.create_engine(url)
        text = "timestamptz" if url.startswith("postgresql") else "text"
        self.run("drop table if exists orders")
        self.run(
            f"create table orders (id integer, site text, call_hour timestamp, load double precision, changed {text})"
        )

    def run(self, sql: str, **values: Any) -> None:
        """Execute a statement. values: its parameters."""
        with self.engine.begin() as connection:
            connection.execute(sa.text(sql), values)

    def order(self, number: int, at: datetime = NOON, load: float = 0.5, site: str | None = "north") -> None:
        """Insert an order, or replace the order with its number. at: the value of the cursor column."""
        self.run("delete from orders where id = :n", n=number)
        cursor_text = f"{at}+00" if self.engine.dialect.name == "postgresql" else str(at)
        self.run("insert into orders values (:n, :s, :h, :l, :c)", n=number, s=site, h=str(NOON), l=load, c=cursor_text)


def reopen(ws: Workspace) -> LandingZone:
    """Return the landing zone of a workspace as another process opens it."""
    return LandingZone(ws.landing.folder, ws.lake, ws.use_case)
