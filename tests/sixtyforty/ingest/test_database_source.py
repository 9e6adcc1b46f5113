"""Rows of a database become extracts: each once, changed ones reopen, whatever happens in between."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from sixtyforty.decisions.responses import add_responses
from sixtyforty.ingest import database_source
from sixtyforty.ingest.database_source import DatabaseSource
from sixtyforty.ingest.locations import UnreachableSourceError
from sixtyforty.ingest.raw import ingest
from sixtyforty.lifecycle.stale_partitions import find_stale_responses
from sixtyforty.storage.response_log import Response
from sixtyforty.workspace import Workspace
from tests.helpers import WITH_RESPONSES, accept_partitions, make_workspace, merge, pending_extracts, read_files
from tests.order_database import NOON, Shop, reopen
from tests.staged import lines_of

DAY, NEXT = "2013-03-10", "2013-03-11"
QUERY_SOURCE = {
    "calls": {
        "files": None,
        "query": "select id, site, call_hour, load, changed from orders;",
        "database": "ORDERS_URL",
        "cursor_column": "changed",
    }
}


@pytest.fixture
def ws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setattr(database_source, "CHEAP_SECONDS", 60)  # else a busy machine skips a count
    return make_workspace(tmp_path, sources=QUERY_SOURCE)


def rows(ws: Workspace) -> list[int]:
    """How many rows each extract has, in order of arrival."""
    return [e.rows for e in reopen(ws).scan("calls")]


def test_rows_become_an_extract_in_the_landing_folder(ws: Workspace, shop: Shop) -> None:
    shop.order(1)
    shop.order(2, site=None)
    (arrival,) = ws.landing.scan("calls")
    assert (arrival.problem, arrival.rows, arrival.partitions) == (None, 2, {DAY: 2})
    path = ws.landing.folder / arrival.name
    assert path.parent.name == "calls"
    assert path.read_text().splitlines() == [
        "id,site,call_hour,load,changed",
        "1,north,2013-03-10 12:00:00,0.5,2013-03-10 12:00:00",
        "2,,2013-03-10 12:00:00,0.5,2013-03-10 12:00:00",
    ]


def test_a_read_without_new_rows_writes_nothing(ws: Workspace, shop: Shop) -> None:
    shop.order(1)
    rows(ws)
    before = read_files(ws.home)
    assert rows(ws) == [1]
    assert read_files(ws.home) == before


def test_new_and_late_rows_come_once(ws: Workspace, shop: Shop) -> None:
    shop.order(1)
    assert rows(ws) == [1]
    shop.order(2, NOON + timedelta(minutes=5))
    shop.order(3, NOON)  # as new as the newest
    assert rows(ws) == [1, 2]
    shop.order(4, NOON - timedelta(minutes=1))  # committed late, within the overlap
    assert rows(ws) == [1, 2, 1]
    assert rows(ws) == [1, 2, 1]


def test_rows_that_come_before_the_overlap_are_reported_until_all_rows_are_read_again(
    ws: Workspace, shop: Shop
) -> None:
    shop.order(1)
    shop.order(2, NOON - timedelta(hours=2))
    assert rows(ws) == [2]
    shop.order(3, NOON - timedelta(hours=1))
    shop.order(4, NOON - timedelta(days=400))
    shop.order(5, NOON + timedelta(minutes=1))
    landing = reopen(ws)
    assert [e.rows for e in landing.scan("calls")] == [2, 1]
    (problem,) = landing.query_problems["calls"]
    assert problem.startswith(
        "changed is earlier than cursor_overlap allows in 2 new rows, so the query didn't import them."
    )
    again = reopen(ws)
    again.scan("calls")
    assert again.query_problems["calls"] == [problem]
    cursor_file = Path(problem.rpartition("delete ")[2].removesuffix(" to read all rows again."))
    cursor_file.unlink()
    healed = reopen(ws)
    assert [e.rows for e in healed.scan("calls")] == [2, 1, 5]
    assert healed.query_problems["calls"] == []


@pytest.mark.parametrize("content", ["", "[]", '{"taken": []}'])
def test_after_a_damaged_cursor_all_rows_are_read_again(
    ws: Workspace, shop: Shop, caplog: pytest.LogCaptureFixture, content: str
) -> None:
    shop.order(1)
    assert rows(ws) == [1]
    (cursor_file,) = ws.lake.root.parent.rglob("calls.cursor.json")
    cursor_file.write_text(content)
    shop.order(2)
    assert sum(rows(ws)) == 3  # the row that comes again is a duplicate
    assert "is damaged, so the query reads all rows again" in caplog.text
    caplog.clear()
    shop.order(3)
    assert sum(rows(ws)) == 4
    assert not caplog.text


def test_an_edited_cursor_in_the_future_is_named_and_all_rows_are_read_again(
    ws: Workspace, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    shop.order(1)
    assert rows(ws) == [1]
    (cursor_file,) = ws.lake.root.parent.rglob("calls.cursor.json")
    cursor_file.write_text(cursor_file.read_text().replace("2013-", "2998-"))
    shop.order(2)
    assert sum(rows(ws)) == 2
    assert "calls.cursor.json is in the future, or of another type than the column" in caplog.text


def test_a_row_from_the_future_hides_no_other_row(ws: Workspace, shop: Shop) -> None:
    shop.order(1, datetime(2103, 1, 1))
    shop.order(2)
    assert rows(ws) == [2]
    shop.order(3, NOON + timedelta(minutes=1))
    landing = reopen(ws)
    assert [e.rows for e in landing.scan("calls")] == [2, 1]
    (problem,) = landing.query_problems["calls"]
    assert problem.startswith("changed is in the future, after ")
    assert ", in 1 row. " in problem
    assert rows(ws) == [2, 1]


def test_a_changed_row_replaces_the_first_one(ws: Workspace, shop: Shop) -> None:
    shop.order(1, load=0.1)
    shop.order(2)
    accept_partitions(ws, [DAY])
    shop.order(1, NOON + timedelta(days=1), load=0.9)
    assert list(pending_extracts(reopen(ws), "calls")) == [DAY]
    fresh = make_workspace(ws.home, sources=QUERY_SOURCE)
    accept_partitions(fresh, [DAY])
    entry = ws.lake.entry("validated/calls", DAY)
    assert entry is not None
    with queries_of(ws) as db:
        arrival = db.execute(f"select id, load from {ws.lake.select_rows([entry])} order by id").fetchall()
    assert arrival == [(1, 0.9), (2, 0.5)]


def queries_of(ws: Workspace) -> Any:

    return ws.lake.open_session(ws.use_case.timezone)


def test_many_rows_become_several_extracts(ws: Workspace, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_source, "ROWS_PER_EXTRACT", 2)
    for i in range(5):
        shop.order(i, NOON + timedelta(seconds=i // 3))
    assert rows(ws) == [2, 2, 1]
    assert rows(ws) == [2, 2, 1]


@pytest.mark.parametrize("step", ["write_atomic", "_publish"])
@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_process_killed_at_any_point_loses_and_doubles_no_row(
    ws: Workspace, shop: Shop, monkeypatch: pytest.MonkeyPatch, step: str, call: int
) -> None:
    shop.order(1)
    rows(ws)
    shop.order(2, NOON + timedelta(minutes=1))
    owner: Any = database_source if step == "write_atomic" else DatabaseSource
    real, call_count = getattr(owner, step), 0

    def kill(*args: Any) -> Any:
        nonlocal call_count
        call_count += 1
        if call_count == call:
            raise KeyboardInterrupt
        return real(*args)

    with monkeypatch.context() as patched:
        patched.setattr(owner, step, kill)
        try:
            rows(ws)
        except KeyboardInterrupt:
            shop.order(3, NOON + timedelta(minutes=2))
    arrival = rows(ws)
    assert sum(arrival) == (3 if call_count >= call else 2)
    accept_partitions(ws, [DAY])
    entry = ws.lake.entry("raw/calls", DAY)
    assert entry is not None
    assert entry.rows == sum(arrival)


def test_a_text_with_line_breaks_quotes_and_commas_stays_one_row(ws: Workspace, shop: Shop) -> None:
    shop.order(1, site='a "b",\r\n=c')
    (arrival,) = ws.landing.scan("calls")
    table = lines_of(ws.landing.lines("calls", [arrival])[arrival.seq], DAY)
    assert table["site"].to_pylist() == ['a "b",\r\n=c']
    assert table["_broken"].to_pylist() == [None]


def test_a_number_can_be_the_cursor(tmp_path: Path, shop: Shop) -> None:
    ws = make_workspace(tmp_path, sources=merge(QUERY_SOURCE, {"calls": {"cursor_column": "id", "cursor_overlap": 2}}))
    shop.order(10)
    assert rows(ws) == [1]
    shop.order(11)
    shop.order(9)  # within the overlap
    shop.order(7)  # before it: numbers only grow, it was cursor_text
    assert rows(ws) == [1, 2]


def test_raw_rows_name_their_extract(ws: Workspace, shop: Shop) -> None:
    shop.order(1)
    entry = ingest(ws.use_case, "calls", ws.lake, ws.landing, [DAY], "code")[DAY]
    (extract,) = entry.facts["extracts"]
    assert (ws.landing.folder / extract["name"]).exists()


# What goes wrong


def test_a_missing_environment_variable_is_named(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORDERS_URL", raising=False)
    with pytest.raises(UnreachableSourceError, match=r"^calls: the environment variable ORDERS_URL is not set"):
        ws.landing.scan("calls")


@pytest.mark.parametrize("url", ["nonsense", "nonsense://u:geheim@h/d", "postgresql+psycopg2://u:geheim@127.0.0.1:1/d"])
def test_an_unreachable_database_is_an_error_without_its_password(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("ORDERS_URL", url)
    with pytest.raises(
        UnreachableSourceError, match=r"^calls: the database at \$ORDERS_URL can't be read .*Check"
    ) as error:
        ws.landing.scan("calls")
    assert "geheim" not in str(error.value)
    assert error.value.__suppress_context__


def test_a_query_without_a_column_is_an_error_without_values(tmp_path: Path, shop: Shop) -> None:
    ws = make_workspace(tmp_path, sources=merge(QUERY_SOURCE, {"calls": {"query": "select id, site from orders"}}))
    shop.order(1, site="confidential")
    with pytest.raises(
        UnreachableSourceError, match=r"Check .* the query returns the columns id, site, call_hour, load, changed"
    ) as error:
        ws.landing.scan("calls")
    assert "confidential" not in str(error.value)


# The database that decisions are delivered to.


@pytest.fixture
def responses_workspace(tmp_path: Path) -> Workspace:
    """A use case whose responses are in it."""
    return make_workspace(tmp_path, **WITH_RESPONSES)


def answers(ws: Workspace, *numbers: int) -> int:
    cursor_text = {"event": "overridden", "action": "act", "reason": 'a "b", c\nd', "at": NOON}
    return add_responses(ws, [Response(f"replay-{DAY}-{n:012x}", "ann", "decider", **cursor_text) for n in numbers])


def test_before_the_first_response_there_are_no_rows(responses_workspace: Workspace) -> None:
    assert responses_workspace.landing.scan("responses") == []
    assert pending_extracts(responses_workspace.landing, "responses") == {}


def test_responses_arrive_as_people_wrote_them(responses_workspace: Workspace) -> None:
    answers(responses_workspace, 1, 2)
    (arrival,) = responses_workspace.landing.scan("responses")
    assert arrival.partitions == {DAY: 2}
    answers(responses_workspace, 3)
    assert [e.rows for e in responses_workspace.landing.scan("responses")] == [2, 1]
    accept_partitions(responses_workspace, [DAY])
    (entry,) = responses_workspace.lake.entries("validated/responses").values()
    row = pq.read_table(responses_workspace.lake.local_file(entry)).to_pylist()[0]
    assert (row["person"], row["reason"], row["at"], row["simulated"]) == ("ann", 'a "b", c\nd', NOON, False)


def test_an_unreachable_delivery_database_is_reported_without_its_password(
    responses_workspace: Workspace,
) -> None:
    away = Workspace(
        responses_workspace.use_case, responses_workspace.home, "postgresql+psycopg2://me:s3cret@127.0.0.1:9/none"
    )
    (error,) = find_stale_responses(away, "live", NOON).unreachable.values()
    assert error.startswith("responses: the database that decisions are delivered to can't be read")
    assert "s3cret" not in error + repr(away)


def test_a_sensor_reads_at_the_declared_interval_and_a_run_always(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, **merge(WITH_RESPONSES, {"sources": {"responses": {"query_interval_seconds": 3600}}}))
    assert pending_extracts(ws.landing, "responses") == {}
    answers(ws, 1)
    assert pending_extracts(ws.landing, "responses") == {}
    seen = ws.lake.root / "arrivals" / "responses.cursor.json"
    os.utime(seen, (seen.stat().st_mtime - 3601,) * 2)
    assert list(pending_extracts(ws.landing, "responses")) == [DAY]
    answers(ws, 2)
    assert [e.rows for e in ws.landing.scan("responses", patient=True)] == [1]
    assert [e.rows for e in ws.landing.scan("responses")] == [1, 1]
