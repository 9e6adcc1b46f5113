"""After a change of the data contract, raw reads again only the extracts that have something to add."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pyarrow.parquet as pq

from sixtyforty.ingest.raw import NOW_REFUSED
from sixtyforty.workspace import Workspace
from tests.helpers import CALLS, calls_on, land_extract, pending_extracts
from tests.ingested_calls import DAYS, ids, ingest_calls, rows
from tests.landed_calls import DAY, NEXT, text


def declare(ws: Workspace, **calls: Any) -> Workspace:
    """Return the workspace with another data contract of the calls, as a new process would open it."""
    source = ws.use_case.sources["calls"].model_copy(update=calls)
    return replace(ws, use_case=ws.use_case.model_copy(update={"sources": {**ws.use_case.sources, "calls": source}}))


WITH_CREW = {**CALLS["columns"], "crew": "INTEGER"}


def crewed_text(day: date, header: str = "id,site,call_hour,load,crew") -> str:
    lines = [",".join(map(str, [*row, 7])) for row in calls_on(day, 2)]
    return "\n".join([header, *lines]) + "\n"


def column(ws: Workspace, name: str, partition: str = DAYS[0]) -> list[str | None]:
    entry = ws.lake.entry("raw/calls", partition)
    assert entry is not None
    return pq.read_table(ws.lake.local_file(entry))[name].to_pylist()


def test_a_column_declared_later_is_read_from_the_extracts_that_have_it(workspace: Workspace) -> None:
    land_extract(workspace.landing, "calls_a.csv", crewed_text(DAY))
    land_extract(workspace.landing, "calls_b.csv", text(NEXT))
    before = ingest_calls(workspace)
    changed = declare(workspace, columns=WITH_CREW, optional_columns=["crew"])
    assert list(pending_extracts(changed.landing, "calls")) == [str(DAY)], "the other extract has nothing to add"
    after = ingest_calls(changed)
    assert column(changed, "crew") == ["7", "7"]
    assert after[str(NEXT)] == before[str(NEXT)]
    assert pending_extracts(changed.landing, "calls") == {}


def test_a_column_declared_after_the_extract_was_archived_stays_null(workspace: Workspace) -> None:
    path = land_extract(workspace.landing, "calls_a.csv", crewed_text(DAY))
    ingest_calls(workspace)
    path.unlink()
    changed = declare(workspace, columns=WITH_CREW, optional_columns=["crew"])
    assert pending_extracts(changed.landing, "calls") == {}
    land_extract(workspace.landing, "calls_c.csv", text(DAY, count=1))
    ingest_calls(changed)
    assert column(changed, "crew") == [None] * 3
    assert ids(changed) == ["93700", "93701", "93700"]


def test_an_extract_that_a_new_contract_refuses_keeps_its_rows(workspace: Workspace) -> None:
    """Its new column makes the extract be read again, but the new contract demands a column that it lacks."""
    land_extract(workspace.landing, "calls_a.csv", crewed_text(DAY))
    ingest_calls(workspace)
    changed = declare(workspace, columns={**WITH_CREW, "gate": "VARCHAR"})
    assert list(pending_extracts(changed.landing, "calls")) == [str(DAY)]
    entry = ingest_calls(changed)[str(DAY)]
    assert ids(changed) == ["93700", "93701"]
    assert [(e["rows"], e["problem"]) for e in entry.facts["extracts"]] == [(2, None)]
    assert pending_extracts(changed.landing, "calls") == {}


def test_an_extract_that_a_new_contract_refuses_before_its_ingest_is_a_problem(workspace: Workspace) -> None:
    land_extract(workspace.landing, "calls_a.csv", text(DAY))
    workspace.landing.scan("calls", patient=True)
    changed = declare(workspace, columns={**CALLS["columns"], "gate": "VARCHAR"})
    (listed,) = ingest_calls(changed)[str(DAY)].facts["extracts"]
    assert (listed["rows"], listed["refused"], listed["problem"]) == (2, 2, NOW_REFUSED)
    assert list(pending_extracts(changed.landing, "calls")) == [str(DAY)], "it waits for a better contract"
    assert [e["problem"] for e in ingest_calls(workspace)[str(DAY)].facts["extracts"]] == [None]
    assert ids(workspace) == ["93700", "93701"]


def test_an_extract_that_another_contract_refused_is_read_again_in_its_order(workspace: Workspace) -> None:
    land_extract(workspace.landing, "calls_2013-03-10.csv", crewed_text(DAY, "id,site,call_hour,weight,crew"))
    land_extract(workspace.landing, "calls_later.csv", text(DAY))
    ingest_calls(workspace)
    assert ids(workspace) == ["93700", "93701"]
    assert ingest_calls(workspace)[DAYS[0]].facts["extracts"][0]["problem"].startswith("columns missing")
    changed = declare(workspace, columns={**WITH_CREW}, other_names={"load": ["weight"]}, optional_columns=["crew"])
    assert list(pending_extracts(changed.landing, "calls")) == [str(DAY)]
    ingest_calls(changed)
    assert [(seq, crew) for (_, _, seq), crew in zip(rows(changed), column(changed, "crew"), strict=True)] == [
        (1, "7"),
        (1, "7"),
        (2, None),
        (2, None),
    ]
    assert pending_extracts(changed.landing, "calls") == {}


def test_a_removed_column_leaves_a_partition_when_it_is_written_again(workspace: Workspace) -> None:
    land_extract(workspace.landing, "calls_a.csv", text(DAY))
    before = ingest_calls(workspace)
    columns = {name: kind for name, kind in CALLS["columns"].items() if name != "site"}
    changed = declare(workspace, columns=columns)
    assert ingest_calls(changed) == before, "nothing is read again"
    land_extract(workspace.landing, "calls_b.csv", "id,call_hour,load\n1,2013-03-10 12:00:00,0.5\n")
    entry = ingest_calls(changed)[str(DAY)]
    assert "site" not in changed.lake.columns(entry)
    assert ids(changed) == ["93700", "93701", "1"]
