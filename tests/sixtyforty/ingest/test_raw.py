"""The first stage: raw holds every landed line of a partition, once, however and whenever it came."""

from __future__ import annotations

import os
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sixtyforty.ingest.landing_zone import LandingZone
from sixtyforty.ingest.raw import ingest
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.storage.manifests import Entry
from sixtyforty.workspace import Workspace
from tests.helpers import CALLS, SITES, calls_of, csv, lake_bytes, land, make_workspace, snapshot

DAY, NEXT, LATER = (date(2013, 3, 10) + timedelta(days=i) for i in range(3))
FIRST = "2013-03-01"  # of the use case: where a refused file without a date belongs
DAYS = [str(d) for d in (DAY, NEXT, LATER)]


def take(ws: Workspace, *partitions: str, source: str = "calls") -> dict[str, Entry]:
    """Ingests as a new process would: nothing remembered of earlier scans."""
    fresh = LandingZone(ws.landing.folder, ws.lake, ws.use_case)
    return ingest(ws.use_case, source, ws.lake, fresh, list(partitions or DAYS), "code")


def rows(ws: Workspace, partition: str = DAYS[0], source: str = "calls") -> list[tuple[str, int, int]]:
    """(first column, line, order of arrival) of what raw holds."""
    entry = ws.lake.entry(f"raw/{source}", partition)
    assert entry is not None
    table = pq.read_table(ws.lake.local_file(entry))
    return list(zip(*(table[c].to_pylist() for c in (table.column_names[0], "_row", "_seq")), strict=True))


def ids(ws: Workspace, partition: str = DAYS[0]) -> list[str]:
    return [r[0] for r in rows(ws, partition)]


def text(*days: date, count: int = 2) -> str:
    return csv(CALLS, [row for d in days for row in calls_of(d, count)])


@pytest.mark.parametrize("name", ["calls_2012-12-31_2013-03-10.csv", "calls_2011-01.csv"])
def test_a_refused_file_that_begins_before_the_first_partition_is_told(workspace: Workspace, name: str) -> None:
    land(workspace.landing, name, "no;such;header\n1;2;3\n")
    first = str(workspace.use_case.partitions.start)
    entry = take(workspace, first, *DAYS)[first]
    assert [(e["name"], e["refused"]) for e in entry.facts["extracts"]] == [(name, 1)]


def test_a_new_file_is_taken_with_its_lines_and_where_they_came_from(workspace: Workspace) -> None:
    land(workspace.landing, "calls_a.csv", text(DAY, NEXT))
    found = take(workspace)
    assert list(found) == [str(DAY), str(NEXT)]
    assert rows(workspace, str(NEXT)) == [("93800", 4, 1), ("93801", 5, 1)]
    (known,) = workspace.landing.known("calls")
    assert found[str(DAY)].facts["extracts"] == [
        {"name": "calls_a.csv", "sha256": known.sha256, "seq": 1, "rows": 2, "refused": 0, "problem": None}
    ]
    table = pq.read_table(workspace.lake.local_file(found[str(DAY)]))
    assert table["_extract"].to_pylist() == [known.id] * 2


def test_only_the_partitions_asked_for_are_written(workspace: Workspace) -> None:
    land(workspace.landing, "calls_a.csv", text(DAY, NEXT))
    assert list(take(workspace, str(NEXT), str(LATER))) == [str(NEXT)]
    assert list(workspace.lake.entries("raw/calls")) == [str(NEXT)]


def test_ingesting_twice_changes_no_file(workspace: Workspace) -> None:
    land(workspace.landing, "calls_a.csv", text(DAY, NEXT))
    land(workspace.landing, "calls_2013-03-12.csv", "")
    first = take(workspace)
    before = snapshot(workspace.lake.root)
    assert take(workspace) == first
    assert snapshot(workspace.lake.root) == before


def test_two_lakes_of_the_same_landing_zone_hold_the_same_bytes(workspace: Workspace, tmp_path: Path) -> None:
    for ws in (workspace, make_workspace(tmp_path / "other")):
        for i, d in enumerate((NEXT, DAY)):
            land(ws.landing, f"calls_{i}.csv", text(d, LATER))
        take(ws)
    assert {n: b for n, b in lake_bytes(workspace.lake).items() if n.startswith("raw")} == {
        n: b for n, b in lake_bytes(ws.lake).items() if n.startswith("raw")
    }


def test_files_taken_one_by_one_give_the_bytes_of_all_at_once(workspace: Workspace, tmp_path: Path) -> None:
    other = make_workspace(tmp_path / "other")
    for i, content in enumerate([text(DAY), text(NEXT, DAY), text(LATER) + "x\n", ""]):
        for ws in (workspace, other):
            land(ws.landing, f"calls_2013-03-10_{i}.csv", content)
        take(workspace)
    take(other)
    one_by_one, at_once = workspace.lake.entries("raw/calls"), other.lake.entries("raw/calls")
    assert one_by_one == at_once


def test_a_touched_file_changes_nothing(workspace: Workspace) -> None:
    path = land(workspace.landing, "calls_a.csv", text(DAY))
    take(workspace)
    before = {n: f for n, f in snapshot(workspace.lake.root).items() if n.startswith("raw")}
    os.utime(path, (2_000_000_000, 2_000_000_000))
    take(workspace)
    assert {n: f for n, f in snapshot(workspace.lake.root).items() if n.startswith("raw")} == before


def test_a_replaced_file_loses_its_old_rows(workspace: Workspace) -> None:
    land(workspace.landing, "calls_a.csv", text(DAY, count=3))
    land(workspace.landing, "calls_b.csv", text(DAY, count=1))
    take(workspace)
    land(workspace.landing, "calls_a.csv", text(DAY, count=2))
    found = take(workspace)
    assert rows(workspace) == [("93700", 2, 2), ("93700", 2, 3), ("93701", 3, 3)]
    assert [(e["name"], e["seq"]) for e in found[str(DAY)].facts["extracts"]] == [
        ("calls_b.csv", 2),
        ("calls_a.csv", 3),
    ]


@pytest.mark.parametrize("content", [text(NEXT), "", csv(CALLS, [])])
def test_a_replaced_file_loses_its_old_rows_of_days_it_no_longer_has(workspace: Workspace, content: str) -> None:
    land(workspace.landing, "calls_a.csv", text(DAY, NEXT))
    take(workspace)
    land(workspace.landing, "calls_a.csv", content)
    found = take(workspace)
    assert ids(workspace) == []
    assert found[str(DAY)].facts["extracts"] == []
    before = snapshot(workspace.lake.root)
    take(workspace)
    assert snapshot(workspace.lake.root) == before


def test_an_archived_file_keeps_its_rows(workspace: Workspace) -> None:
    path = land(workspace.landing, "calls_a.csv", text(DAY))
    take(workspace)
    path.unlink()
    land(workspace.landing, "calls_b.csv", text(DAY, count=3))
    take(workspace)
    assert ids(workspace) == ["93700", "93701", "93700", "93701", "93702"]


def test_a_file_archived_before_it_was_taken_is_told_and_taken_when_it_is_back(workspace: Workspace) -> None:
    path = land(workspace.landing, "calls_a.csv", text(DAY, NEXT))
    land(workspace.landing, "calls_b.csv", text(NEXT, count=1))
    take(workspace, str(DAY))  # of NEXT nothing was taken yet
    content, moment = path.read_bytes(), path.stat().st_mtime_ns
    path.unlink()
    told = take(workspace)[str(NEXT)].facts["extracts"]
    assert [(e["name"], e["refused"]) for e in told] == [("calls_a.csv", 2), ("calls_b.csv", 0)]
    assert "no longer at its location" in told[0]["problem"]
    assert ids(workspace, str(NEXT)) == ["93800"]
    assert ids(workspace, str(DAY)) == ["93700", "93701"]
    before = snapshot(workspace.lake.root)
    take(workspace)
    assert snapshot(workspace.lake.root) == before

    path.write_bytes(content)
    os.utime(path, ns=(moment, moment))
    assert take(workspace)[str(NEXT)].facts["extracts"][0]["problem"] is None
    assert ids(workspace, str(NEXT)) == ["93800", "93801", "93800"]


def test_the_same_content_under_two_names_is_held_once_each(workspace: Workspace) -> None:
    for name in ("calls_a.csv", "calls_b.csv"):
        land(workspace.landing, name, text(DAY))
    take(workspace)
    twice = [("93700", 2, 1), ("93701", 3, 1), ("93700", 2, 2), ("93701", 3, 2)]
    assert rows(workspace) == twice
    land(workspace.landing, "calls_c.csv", text(DAY, count=1))
    take(workspace)
    assert rows(workspace) == [*twice, ("93700", 2, 3)]


def test_the_same_lines_promised_to_other_days_lie_where_each_name_says(workspace: Workspace) -> None:
    for name in (f"calls_{DAY}.csv", f"calls_{NEXT}.csv"):
        land(workspace.landing, name, csv(CALLS, [("broken",)]))
    take(workspace)
    assert [r[1:] for r in rows(workspace, str(DAY))] == [(2, 1)]
    assert [r[1:] for r in rows(workspace, str(NEXT))] == [(2, 2)]


def test_a_correction_taken_back_between_two_runs_comes_after_what_came_meanwhile(workspace: Workspace) -> None:
    land(workspace.landing, "calls_a.csv", text(DAY))
    take(workspace)
    land(workspace.landing, "calls_b.csv", text(DAY, count=1))
    land(workspace.landing, "calls_a.csv", text(DAY, count=3))
    workspace.landing.scan("calls")
    land(workspace.landing, "calls_a.csv", text(DAY))
    take(workspace)
    assert rows(workspace) == [("93700", 2, 2), ("93700", 2, 4), ("93701", 3, 4)]


def test_a_file_still_being_written_is_not_taken(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, sources={"calls": {"files": "*.csv"}})
    land(ws.landing, ".calls_a.csv", text(DAY))
    assert take(ws) == {}


def test_an_unreadable_file_is_in_the_manifest_with_its_problem(workspace: Workspace) -> None:
    land(workspace.landing, "calls_2013-03-10_2013-03-11.csv", "a;b\n1;2\n3;4\n")
    land(workspace.landing, "calls_good.csv", text(DAY))
    found = take(workspace)
    problem = "the delimiter is ';', expected ','."
    assert [(e["name"], e["rows"], e["refused"], e["problem"]) for e in found[str(DAY)].facts["extracts"]] == [
        ("calls_2013-03-10_2013-03-11.csv", 0, 2, problem),
        ("calls_good.csv", 2, 0, None),
    ]
    assert ids(workspace) == ["93700", "93701"]
    # its lines are counted once, on the first day it speaks of
    assert [e["refused"] for e in found[str(NEXT)].facts["extracts"]] == [0]
    assert found[str(NEXT)].rows == 0


def test_a_file_put_right_brings_its_rows(workspace: Workspace) -> None:
    land(workspace.landing, "calls_2013-03-10.csv", "")
    take(workspace)
    land(workspace.landing, "calls_2013-03-10.csv", text(DAY))
    assert [e["problem"] for e in take(workspace)[str(DAY)].facts["extracts"]] == [None]
    assert ids(workspace) == ["93700", "93701"]


def test_a_snapshot_is_taken_whole_each_extract_of_it(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, sources={"sites": SITES})
    land(ws.landing, "sites.csv", csv(SITES, [("north", 1), ("south", 2)]))
    take(ws, SNAPSHOT, source="sites")
    land(ws.landing, "sites.csv", csv(SITES, [("north", 3)]))
    land(ws.landing, "sites_more.csv", csv(SITES, [("east", 4), ("west",)]))
    take(ws, SNAPSHOT, source="sites")
    assert rows(ws, SNAPSHOT, "sites") == [("north", 2, 2), ("east", 2, 3), (None, 3, 3)]


CONTENTS = [text(DAY), text(NEXT), text(DAY, NEXT), text(DAY, count=1) + "broken\n", "", csv(CALLS, []), "junk\n"]
NAMES = ["calls_a.csv", "calls_2013-03-10.csv", "calls_2013-03-10_2013-03-12.csv"]
STEPS = st.lists(
    st.tuples(st.just("land"), st.sampled_from(NAMES), st.sampled_from(CONTENTS))
    | st.tuples(st.sampled_from(["archive", "touch"]), st.sampled_from(NAMES), st.none())
    | st.tuples(st.sampled_from(["take", "scan"]), st.none(), st.sampled_from([[], DAYS[:1], DAYS[1:]])),
    max_size=10,
)


@settings(max_examples=20)
@given(STEPS)
def test_whatever_happens_raw_holds_each_line_of_each_known_extract_once(steps: list[tuple]) -> None:
    with TemporaryDirectory() as folder:
        ws = make_workspace(Path(folder))
        for what, name, more in steps:
            path = ws.landing.folder / name if name else None
            if what == "land":
                land(ws.landing, name, more)
            elif what == "take":
                take(ws, *more)
            elif what == "scan":
                LandingZone(ws.landing.folder, ws.lake, ws.use_case).scan("calls")
            elif path and path.exists():
                path.unlink() if what == "archive" else os.utime(path, (2_000_000_000, 2_000_000_000))
        found = take(ws, FIRST, *DAYS)
        known = {e.seq: e for e in ws.landing.known("calls")}
        assert {p for e in known.values() for p in e.partitions} <= set(found)
        for partition, entry in found.items():
            told = entry.facts["extracts"]
            assert [e["seq"] for e in told] == [s for s, e in known.items() if partition in e.partitions]
            held = [r[2] for r in rows(ws, partition)]
            assert held == sorted(held)
            for e in told:
                assert held.count(e["seq"]) == (0 if e["problem"] else e["rows"])
            assert len(held) == sum(e["rows"] for e in told if not e["problem"])
        before = snapshot(ws.lake.root)
        assert take(ws, FIRST, *DAYS) == found
        assert snapshot(ws.lake.root) == before
