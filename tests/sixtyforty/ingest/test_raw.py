"""The first stage: raw holds every landed line of a partition, once, however and whenever it came."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sixtyforty.ingest import extract_staging, staged_lines
from sixtyforty.ingest.extract import MISSING_CURE
from sixtyforty.ingest.landing_zone import LandingZone
from sixtyforty.ingest.raw import ingest
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.storage import parquet_files
from sixtyforty.workspace import Workspace
from tests.helpers import (
    CALLS,
    SITES,
    csv_text,
    land_extract,
    make_workspace,
    pending_extracts,
    read_files,
    read_lake,
)
from tests.ingested_calls import DAYS, LATER, ids, ingest_calls, rows
from tests.landed_calls import DAY, NEXT, text

FIRST = "2013-03-01"  # of the use case: where a refused file without a date belongs


@pytest.mark.parametrize("name", ["calls_2012-12-31_2013-03-10.csv", "calls_2011-01.csv"])
def test_a_refused_file_from_before_the_first_partition_is_listed_there(workspace: Workspace, name: str) -> None:
    land_extract(workspace.landing, name, "no;such;header\n1;2;3\n")
    first = str(workspace.use_case.partitions.start)
    entry = ingest_calls(workspace, first, *DAYS)[first]
    assert [(e["name"], e["refused"]) for e in entry.facts["extracts"]] == [(name, 1)]


def test_a_new_file_is_ingested_with_the_origin_of_its_lines(workspace: Workspace) -> None:
    land_extract(workspace.landing, "calls_a.csv", text(DAY, NEXT))
    entries = ingest_calls(workspace)
    assert list(entries) == [str(DAY), str(NEXT)]
    assert rows(workspace, str(NEXT)) == [("93800", 4, 1), ("93801", 5, 1)]
    (known,) = workspace.landing.known("calls")
    assert entries[str(DAY)].facts["extracts"] == [
        {"name": "calls_a.csv", "sha256": known.sha256, "seq": 1, "rows": 2, "refused": 0, "problem": None}
    ]
    table = pq.read_table(workspace.lake.local_file(entries[str(DAY)]))
    assert table["_extract"].to_pylist() == [known.id] * 2


def test_only_requested_partitions_are_written(workspace: Workspace) -> None:
    land_extract(workspace.landing, "calls_a.csv", text(DAY, NEXT))
    assert list(ingest_calls(workspace, str(NEXT), str(LATER))) == [str(NEXT)]
    assert list(workspace.lake.entries("raw/calls")) == [str(NEXT)]


def test_ingesting_twice_changes_no_file(workspace: Workspace) -> None:
    land_extract(workspace.landing, "calls_a.csv", text(DAY, NEXT))
    land_extract(workspace.landing, "calls_2013-03-12.csv", "")
    first = ingest_calls(workspace)
    before = read_files(workspace.lake.root)
    assert ingest_calls(workspace) == first
    assert read_files(workspace.lake.root) == before


def test_equal_landing_zones_give_equal_bytes(workspace: Workspace, tmp_path: Path) -> None:
    for ws in (workspace, make_workspace(tmp_path / "other")):
        for i, d in enumerate((NEXT, DAY)):
            land_extract(ws.landing, f"calls_{i}.csv", text(d, LATER))
        ingest_calls(ws)
    assert {n: b for n, b in read_lake(workspace.lake).items() if n.startswith("raw")} == {
        n: b for n, b in read_lake(ws.lake).items() if n.startswith("raw")
    }


def test_ingesting_files_one_by_one_gives_the_same_as_all_at_once(workspace: Workspace, tmp_path: Path) -> None:
    other = make_workspace(tmp_path / "other")
    for i, content in enumerate([text(DAY), text(NEXT, DAY), text(LATER) + "x\n", ""]):
        for ws in (workspace, other):
            land_extract(ws.landing, f"calls_2013-03-10_{i}.csv", content)
        ingest_calls(workspace)
    ingest_calls(other)
    one_by_one, at_once = workspace.lake.entries("raw/calls"), other.lake.entries("raw/calls")
    assert one_by_one == at_once


def test_a_touched_file_changes_nothing(workspace: Workspace) -> None:
    path = land_extract(workspace.landing, "calls_a.csv", text(DAY))
    ingest_calls(workspace)
    before = {n: f for n, f in read_files(workspace.lake.root).items() if n.startswith("raw")}
    os.utime(path, (2_000_000_000, 2_000_000_000))
    ingest_calls(workspace)
    assert {n: f for n, f in read_files(workspace.lake.root).items() if n.startswith("raw")} == before


def test_a_replaced_file_loses_its_old_rows(workspace: Workspace) -> None:
    land_extract(workspace.landing, "calls_a.csv", text(DAY, count=3))
    land_extract(workspace.landing, "calls_b.csv", text(DAY, count=1))
    ingest_calls(workspace)
    land_extract(workspace.landing, "calls_a.csv", text(DAY, count=2))
    entries = ingest_calls(workspace)
    assert rows(workspace) == [("93700", 2, 2), ("93700", 2, 3), ("93701", 3, 3)]
    assert [(e["name"], e["seq"]) for e in entries[str(DAY)].facts["extracts"]] == [
        ("calls_b.csv", 2),
        ("calls_a.csv", 3),
    ]


@pytest.mark.parametrize("content", [text(NEXT), "", csv_text(CALLS, [])])
def test_a_replaced_file_loses_its_rows_of_partitions_that_it_left(workspace: Workspace, content: str) -> None:
    """A refused file is still listed where it had rows, so that these days are rejected."""
    land_extract(workspace.landing, "calls_a.csv", text(DAY, NEXT))
    ingest_calls(workspace)
    land_extract(workspace.landing, "calls_a.csv", content)
    entries = ingest_calls(workspace)
    assert ids(workspace) == []
    problems = [extract["problem"] for extract in entries[str(DAY)].facts["extracts"]]
    assert problems == ([] if content else ["the file is empty. Ask the sender to send it again."])
    before = read_files(workspace.lake.root)
    ingest_calls(workspace)
    assert read_files(workspace.lake.root) == before


def test_an_archived_file_keeps_its_rows(workspace: Workspace) -> None:
    path = land_extract(workspace.landing, "calls_a.csv", text(DAY))
    ingest_calls(workspace)
    path.unlink()
    land_extract(workspace.landing, "calls_b.csv", text(DAY, count=3))
    ingest_calls(workspace)
    assert ids(workspace) == ["93700", "93701", "93700", "93701", "93702"]


def test_a_file_archived_before_ingest_is_a_problem_until_it_is_back(workspace: Workspace) -> None:
    path = land_extract(workspace.landing, "calls_a.csv", text(DAY, NEXT))
    land_extract(workspace.landing, "calls_b.csv", text(NEXT, count=1))
    ingest_calls(workspace, str(DAY))  # of NEXT nothing was taken yet
    content, moment = path.read_bytes(), path.stat().st_mtime_ns
    path.unlink()
    listed = ingest_calls(workspace)[str(NEXT)].facts["extracts"]
    assert [(e["name"], e["refused"]) for e in listed] == [("calls_a.csv", 2), ("calls_b.csv", 0)]
    assert "removed from its location" in listed[0]["problem"]
    assert ids(workspace, str(NEXT)) == ["93800"]
    assert ids(workspace, str(DAY)) == ["93700", "93701"]
    before = read_files(workspace.lake.root)
    ingest_calls(workspace)
    assert read_files(workspace.lake.root) == before

    path.write_bytes(content)
    os.utime(path, ns=(moment, moment))
    assert ingest_calls(workspace)[str(NEXT)].facts["extracts"][0]["problem"] is None
    assert ids(workspace, str(NEXT)) == ["93800", "93801", "93800"]


def test_equal_content_under_two_names_is_held_twice(workspace: Workspace) -> None:
    for name in ("calls_a.csv", "calls_b.csv"):
        land_extract(workspace.landing, name, text(DAY))
    ingest_calls(workspace)
    twice = [("93700", 2, 1), ("93701", 3, 1), ("93700", 2, 2), ("93701", 3, 2)]
    assert rows(workspace) == twice
    land_extract(workspace.landing, "calls_c.csv", text(DAY, count=1))
    ingest_calls(workspace)
    assert rows(workspace) == [*twice, ("93700", 2, 3)]


def test_broken_lines_go_to_the_partition_in_each_file_name(workspace: Workspace) -> None:
    for name in (f"calls_{DAY}.csv", f"calls_{NEXT}.csv"):
        land_extract(workspace.landing, name, csv_text(CALLS, [("broken",)]))
    ingest_calls(workspace)
    assert [r[1:] for r in rows(workspace, str(DAY))] == [(2, 1)]
    assert [r[1:] for r in rows(workspace, str(NEXT))] == [(2, 2)]


def test_a_withdrawn_correction_arrives_after_the_extracts_before_it(workspace: Workspace) -> None:
    land_extract(workspace.landing, "calls_a.csv", text(DAY))
    ingest_calls(workspace)
    land_extract(workspace.landing, "calls_b.csv", text(DAY, count=1))
    land_extract(workspace.landing, "calls_a.csv", text(DAY, count=3))
    workspace.landing.scan("calls")
    land_extract(workspace.landing, "calls_a.csv", text(DAY))
    ingest_calls(workspace)
    assert rows(workspace) == [("93700", 2, 2), ("93700", 2, 4), ("93701", 3, 4)]


def test_an_unfinished_file_is_not_ingested(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, sources={"calls": {"files": "*.csv"}})
    land_extract(ws.landing, ".calls_a.csv", text(DAY))
    assert ingest_calls(ws) == {}


def test_an_unreadable_file_is_in_the_manifest_with_its_problem(workspace: Workspace) -> None:
    land_extract(workspace.landing, "calls_2013-03-10_2013-03-11.csv", "a,b\n1,2\n3,4\n")
    land_extract(workspace.landing, "calls_good.csv", text(DAY))
    entries = ingest_calls(workspace)
    problem = f"columns missing from the header: 'id', 'site', 'call_hour', 'load'.{MISSING_CURE}"
    assert [(e["name"], e["rows"], e["refused"], e["problem"]) for e in entries[str(DAY)].facts["extracts"]] == [
        ("calls_2013-03-10_2013-03-11.csv", 0, 2, problem),
        ("calls_good.csv", 2, 0, None),
    ]
    assert ids(workspace) == ["93700", "93701"]
    # its lines are counted once, on the first day it speaks of
    assert [e["refused"] for e in entries[str(NEXT)].facts["extracts"]] == [0]
    assert entries[str(NEXT)].rows == 0


def test_a_corrected_file_brings_its_rows(workspace: Workspace) -> None:
    land_extract(workspace.landing, "calls_2013-03-10.csv", "")
    ingest_calls(workspace)
    land_extract(workspace.landing, "calls_2013-03-10.csv", text(DAY))
    assert [e["problem"] for e in ingest_calls(workspace)[str(DAY)].facts["extracts"]] == [None]
    assert ids(workspace) == ["93700", "93701"]


def test_a_snapshot_holds_all_rows_of_each_extract(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, sources={"sites": SITES})
    land_extract(ws.landing, "sites.csv", csv_text(SITES, [("north", 1), ("south", 2)]))
    ingest_calls(ws, SNAPSHOT, source="sites")
    land_extract(ws.landing, "sites.csv", csv_text(SITES, [("north", 3)]))
    land_extract(ws.landing, "sites_more.csv", csv_text(SITES, [("east", 4), ("west",)]))
    ingest_calls(ws, SNAPSHOT, source="sites")
    assert rows(ws, SNAPSHOT, "sites") == [("north", 2, 2), ("east", 2, 3), (None, 3, 3)]


CONTENTS = [text(DAY), text(NEXT), text(DAY, NEXT), text(DAY, count=1) + "broken\n", "", csv_text(CALLS, []), "junk\n"]
NAMES = ["calls_a.csv", "calls_2013-03-10.csv", "calls_2013-03-10_2013-03-12.csv"]
STEPS = st.lists(
    st.tuples(st.just("land"), st.sampled_from(NAMES), st.sampled_from(CONTENTS))
    | st.tuples(st.sampled_from(["archive", "touch"]), st.sampled_from(NAMES), st.none())
    | st.tuples(st.sampled_from(["ingest_calls", "scan"]), st.none(), st.sampled_from([[], DAYS[:1], DAYS[1:]])),
    max_size=10,
)


@settings(max_examples=20)
@given(STEPS)
def test_raw_always_holds_each_line_of_each_known_extract_once(steps: list[tuple]) -> None:
    with TemporaryDirectory() as folder:
        ws = make_workspace(Path(folder))
        for what, name, more in steps:
            path = ws.landing.folder / name if name else None
            if what == "land":
                land_extract(ws.landing, name, more)
            elif what == "ingest_calls":
                ingest_calls(ws, *more)
            elif what == "scan":
                LandingZone(ws.landing.folder, ws.lake, ws.use_case).scan("calls")
            elif path and path.exists():
                path.unlink() if what == "archive" else os.utime(path, (2_000_000_000, 2_000_000_000))
        entries = ingest_calls(ws, FIRST, *DAYS)
        known = {e.seq: e for e in ws.landing.known("calls")}
        assert {p for e in known.values() for p in e.partitions} <= set(entries)
        for partition, entry in entries.items():
            listed = entry.facts["extracts"]
            assert [e["seq"] for e in listed] == [s for s, e in known.items() if partition in e.partitions]
            arrival_order = [r[2] for r in rows(ws, partition)]
            assert arrival_order == sorted(arrival_order)
            for e in listed:
                assert arrival_order.count(e["seq"]) == (0 if e["problem"] else e["rows"])
            assert len(arrival_order) == sum(e["rows"] for e in listed if not e["problem"])
        before = read_files(ws.lake.root)
        assert ingest_calls(ws, FIRST, *DAYS) == entries
        assert read_files(ws.lake.root) == before


def test_pending_partitions_are_those_that_raw_does_not_hold(workspace: Workspace, tmp_path: Path) -> None:
    landing, use_case = workspace.landing, workspace.use_case
    assert pending_extracts(landing, "calls") == {}
    land_extract(landing, "calls_a.csv", text(DAY, NEXT))
    (first,) = landing.scan("calls")
    assert pending_extracts(landing, "calls") == {str(DAY): [first.id], str(NEXT): [first.id]}
    ingest(use_case, "calls", workspace.lake, landing, [str(DAY)], "code")
    assert pending_extracts(landing, "calls") == {str(NEXT): [first.id]}
    ingest(use_case, "calls", workspace.lake, landing, [str(NEXT)], "code")
    assert pending_extracts(landing, "calls") == {}
    land_extract(landing, "calls_a.csv", text(DAY, count=3))  # corrected: NEXT has nothing any more
    assert list(pending_extracts(landing, "calls")) == [str(DAY), str(NEXT)]
    ingest(use_case, "calls", workspace.lake, landing, [str(DAY), str(NEXT)], "code")
    assert pending_extracts(landing, "calls") == {}


def test_a_refused_extract_is_pending_once(workspace: Workspace) -> None:
    land_extract(workspace.landing, "calls_2013-03-10.csv", "not,the,contract\n1,2,3\n")
    assert list(pending_extracts(workspace.landing, "calls")) == [str(DAY)]
    ingest(workspace.use_case, "calls", workspace.lake, workspace.landing, [str(DAY)], "code")
    assert pending_extracts(workspace.landing, "calls") == {}


def test_days_outside_the_partitions_are_never_pending(workspace: Workspace) -> None:
    land_extract(workspace.landing, "calls_1999-01-01.csv", csv_text(CALLS, []))
    assert pending_extracts(workspace.landing, "calls") == {}
    land_extract(
        workspace.landing, "calls_1999-01-02.csv", ""
    )  # but what is refused is listed: on the first day that is
    assert list(pending_extracts(workspace.landing, "calls")) == [str(workspace.use_case.partitions.start)]


def test_partitions_are_the_same_when_staged_lines_and_row_groups_are_in_small_pieces(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With files for staged lines, several row groups, and corrections between the extracts of a day."""
    other = make_workspace(tmp_path / "other")
    contents = [text(DAY, NEXT, count=9), text(LATER, DAY, count=5) + "x\n", text(NEXT, DAY, count=7)]
    small = {staged_lines: ("staging_limit", lambda: 100), parquet_files: ("GROUP_ROWS", 4)}
    for ws in (workspace, other):
        with monkeypatch.context() as patch:
            for module, (name, limit) in small.items() if ws is other else ():
                patch.setattr(module, name, limit)
            if ws is other:
                patch.setattr(extract_staging, "ROWS_PER_BATCH", 3)
            for i in (0, 2, 1):
                land_extract(ws.landing, f"calls_{i}.csv", contents[i])
                ingest_calls(ws)
            land_extract(ws.landing, "calls_2.csv", contents[0])
            ingest_calls(ws)
    for day in DAYS:
        first, second = (
            pq.read_table(ws.lake.local_file(ws.lake.entries("raw/calls")[day])) for ws in (workspace, other)
        )
        assert first == second
        assert first.num_rows
