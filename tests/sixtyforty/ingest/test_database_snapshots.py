"""A snapshot of a database table is one extract, which is written again only if the table has changed."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from sixtyforty.ingest import database_source, sorted_lines
from sixtyforty.ingest.database_source import DatabaseSource
from sixtyforty.ingest.raw import ingest
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.workspace import Workspace
from tests.helpers import SITES, make_workspace, merge, pending_extracts
from tests.order_database import Shop, reopen

SNAPSHOT_SOURCE: dict[str, Any] = {
    "sites": {**SITES, "files": None, "query": "select site, size from places", "database": "ORDERS_URL"}
}


def snapshot_rows(ws: Workspace) -> list[tuple[Any, ...]]:
    entry = ingest(ws.use_case, "sites", ws.lake, reopen(ws), [SNAPSHOT], "code")[SNAPSHOT]
    rows = pq.read_table(ws.lake.local_file(entry), columns=["site", "size"]).to_pylist()
    return sorted((tuple(row.values()) for row in rows), key=str)


def test_a_snapshot_is_rewritten_only_if_the_table_changed(tmp_path: Path, shop: Shop) -> None:
    ws = make_workspace(tmp_path, sources=SNAPSHOT_SOURCE)
    shop.run("drop table if exists places")
    shop.run("create table places (site text, size integer)")
    assert snapshot_rows(ws) == []
    shop.run("insert into places values ('south', 5), ('north', 3), ('north', 3), ('old, \"x\"', null)")
    assert list(pending_extracts(reopen(ws), "sites")) == [SNAPSHOT]
    assert snapshot_rows(ws) == [("north", "3"), ("north", "3"), ('old, "x"', None), ("south", "5")]
    (first,) = ws.landing.known("sites")
    shop.run("delete from places where site = 'south'")
    shop.run("insert into places values ('south', 5)")  # the same rows, in another order
    assert pending_extracts(reopen(ws), "sites") == {}
    assert reopen(ws).scan("sites") == [first]
    shop.run("delete from places where size = 3")
    shop.run("update places set size = 6 where size = 5")
    assert list(pending_extracts(reopen(ws), "sites")) == [SNAPSHOT]
    assert snapshot_rows(ws) == [('old, "x"', None), ("south", "6")]  # and nothing of what it held before


def test_a_sensor_reads_a_snapshot_at_the_declared_interval(tmp_path: Path, shop: Shop) -> None:
    ws = make_workspace(tmp_path, sources=merge(SNAPSHOT_SOURCE, {"sites": {"query_interval_seconds": 3600}}))
    shop.run("drop table if exists places")
    shop.run("create table places (site text, size integer)")
    pending_extracts(reopen(ws), "sites")
    shop.run("insert into places values ('south', 5)")
    assert [e.rows for e in reopen(ws).scan("sites", patient=True)] == [0]
    assert [e.rows for e in reopen(ws).scan("sites")] == [1]


def test_a_text_is_no_null_and_an_empty_text_is_none(tmp_path: Path, shop: Shop) -> None:
    ws = make_workspace(tmp_path, sources=SNAPSHOT_SOURCE)
    shop.run("drop table if exists places")
    shop.run("create table places (site text, size integer)")
    shop.run("insert into places values ('NA', 1), ('', 2), (null, 3)")
    assert snapshot_rows(ws) == [("", "2"), ("NA", "1"), (None, "3")]


@pytest.mark.parametrize(
    "document",
    ['{"a": null, "b": [1, true]}', '{"amount": 1.10, "id": 12345678901234567890}', '["x", {"y": "z"}]', '"x"'],
)
def test_a_document_of_postgresql_stays_json(
    tmp_path: Path, postgres_server: str, monkeypatch: pytest.MonkeyPatch, document: str
) -> None:
    monkeypatch.setenv("ORDERS_URL", postgres_server)
    ws = make_workspace(tmp_path, sources=SNAPSHOT_SOURCE)
    shop = Shop(postgres_server)
    for kind in ("json", "jsonb"):
        shop.run("drop table if exists places")
        shop.run(f"create table places (site {kind}, size integer)")
        shop.run(f"insert into places values (cast(:document as {kind}), 1)", document=document)
        ((text, _),) = snapshot_rows(ws)
        assert json.loads(text, parse_float=str) == json.loads(document, parse_float=str)


def test_the_memory_of_a_snapshot_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the portion of its rows that is in memory, while it is written and while it is compared."""
    monkeypatch.setenv("ORDERS_URL", f"sqlite:///{tmp_path / 'orders.db'}")
    monkeypatch.setattr(database_source, "ROWS_PER_FETCH", 100)
    monkeypatch.setattr(database_source, "ROWS_PER_EXTRACT", 2_000)
    monkeypatch.setattr(sorted_lines, "LINES_PER_READ", 100)
    shop = Shop(f"sqlite:///{tmp_path / 'orders.db'}")
    query = {"files": None, "query": "select site, 1 as size from orders", "database": "ORDERS_URL"}
    ws = make_workspace(tmp_path / "home", sources={"sites": merge(SITES, query)})
    shop.run(
        "insert into orders with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)"
        " select i, i || printf('%.*c', 1000, 'x'), null, 0, null from n"
    )
    database = DatabaseSource("sites", ws.use_case.sources["sites"], tmp_path / "sites", tmp_path / "cursor.json")
    peaks = []
    for names in (["all.csv"], []):
        tracemalloc.start()
        assert database.extract_new_rows(f"sqlite:///{tmp_path / 'orders.db'}") == names
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    size = (tmp_path / "sites" / "all.csv").stat().st_size
    assert max(peaks) < 0.6 * size, f"a tenth of the rows, two times, and buffers: {peaks} of {size} bytes"
