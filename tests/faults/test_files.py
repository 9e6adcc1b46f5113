"""Files nobody should have sent: each is told of or taken, and none stops, floods or fools the chain."""

from __future__ import annotations

import csv as reader
import os
import resource
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.delivery import deliver_decisions
from sixtyforty.ingest import landing_zone as landing_module
from sixtyforty.ingest.raw import ingest
from sixtyforty.modeling import features
from sixtyforty.storage.lake import Lake
from sixtyforty.workspace import Workspace
from tests.faults.worker import ended, start
from tests.helpers import CALLS, UNJUDGED, accept, calls_of, csv, land, make_workspace

DAY = date(2013, 3, 12)
P = DAY.isoformat()
NEXT = f"{DAY + timedelta(days=1)}"
BIG = 200 * 1024 * 1024
GOOD = csv(CALLS, calls_of(DAY))


def taken(ws: Workspace, partitions: list[str] | None = None) -> dict[str, int]:
    """Rows by partition after what lies in the landing folder was ingested."""
    found = ingest(ws.use_case, "calls", ws.lake, ws.landing, partitions or [P], "test")
    return {p: e.rows for p, e in found.items()}


def problems(ws: Workspace) -> dict[str, str | None]:
    return {e.name: e.problem for e in ws.landing.known("calls")}


@pytest.mark.parametrize("content", [b"", csv(CALLS, []).encode()], ids=["nothing", "a header alone"])
def test_a_file_without_rows_takes_nothing_from_the_others(workspace, content):
    land(workspace.landing, "calls_2013-03-12a.csv", GOOD)
    land(workspace.landing, "calls_2013-03-12b.csv", content)
    assert taken(workspace) == {P: 4}
    told = problems(workspace)["calls_2013-03-12b.csv"]
    assert (told is None) == bool(content)
    assert content or "the file is empty" in str(told)


def zeros(path: Path, head: bytes) -> None:
    """200 MB of zeros after some bytes; they take no room on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head)
    os.truncate(path, BIG)


def _look(folder: Path, answer: Path) -> None:
    """Ingests in a process of its own and writes down by how much its memory grew at most, in bytes."""
    ws = make_workspace(folder)
    land(ws.landing, "calls_2013-03-11.csv", csv(CALLS, calls_of(DAY - timedelta(days=1))))
    taken(ws)  # what has to be loaded is loaded
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, head in (("calls_2013-03-12a.csv", b""), ("calls_2013-03-12b.csv", GOOD.encode())):
        zeros(ws.landing.folder / name, head)
    taken(ws)
    assert {p for p in problems(ws).values() if p} == {
        "this is not a text file: byte 0 is zero.",
        f"this is not a text file: byte {len(GOOD)} is zero.",
    }
    answer.write_text(str(1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)))


def test_two_hundred_megabytes_of_zeros_are_refused_in_the_memory_of_one_file(tmp_path):
    assert ended(start(_look, tmp_path, tmp_path / "grew")) == 0
    assert int((tmp_path / "grew").read_text()) < 1.2 * BIG


@pytest.mark.parametrize(
    "name",
    [
        "calls_of the day.csv",
        "calls_...csv",
        "calls_a\nb.csv",
        "calls_=cmd|' -C calc'!A0.csv",
        "calls_'; drop table calls; --.csv",
        "calls_ä*?[1].csv",
    ],
)
def test_a_files_name_is_only_a_name(workspace, name):
    land(workspace.landing, name, GOOD)
    assert taken(workspace) == {P: 4}
    assert problems(workspace) == {name: None}
    accept(workspace, [P])
    assert features.FeatureWindow(workspace.use_case, workspace.lake, [P]).build().tables[P].num_rows == 4


def test_a_link_out_of_the_landing_folder_is_not_followed(workspace, tmp_path):
    land(workspace.landing, "calls_2013-03-12.csv", GOOD)
    secret = tmp_path / "elsewhere.csv"
    secret.write_text(csv(CALLS, [(7, "secret", f"{P} 12:00:00", 0.1)]))
    (workspace.landing.folder / "calls_2013-03-12_link.csv").symlink_to(secret)
    assert taken(workspace) == {P: 4}
    assert "a link to a file outside the folder" in workspace.landing.unread["calls"]["calls_2013-03-12_link.csv"]


def test_a_link_within_the_landing_folder_is_a_file(workspace):
    there = land(workspace.landing, "arrived", GOOD)
    (workspace.landing.folder / "calls_2013-03-12.csv").symlink_to(there)
    assert taken(workspace) == {P: 4}


@pytest.mark.parametrize("moment", ["content_hash", "read_extract"])
def test_a_file_replaced_while_it_is_read_is_taken_whole_the_next_time(workspace, monkeypatch, moment):
    """Its rows are never those of one content under the hash of another."""
    old, new = GOOD, csv(CALLS, calls_of(DAY, count=8))
    path = land(workspace.landing, "calls_2013-03-12.csv", old)
    real, fresh = getattr(landing_module, moment), path.with_name(".fresh")

    def replacing(p, *rest):
        found = real(p, *rest)
        if not fresh.exists():
            fresh.write_text(new)
            os.utime(fresh, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
            os.link(fresh, path.with_name(".again"))
            path.with_name(".again").replace(path)
        return found

    monkeypatch.setattr(landing_module, moment, replacing)
    assert taken(workspace) == {P: 4}, "as it was when it was read"
    assert taken(workspace) == {P: 8}
    (known,) = workspace.landing.known("calls")
    assert known.sha256 == landing_module.content_hash(path.read_bytes())


def test_a_file_replaced_between_scan_and_reading_is_not_taken_for_the_one_scanned(workspace):
    path = land(workspace.landing, "calls_2013-03-12.csv", GOOD)
    scanned = workspace.landing.scan("calls")
    workspace.landing._recent_lines.clear()
    path.write_text(csv(CALLS, calls_of(DAY, count=8)))
    with pytest.raises(FileNotFoundError, match="was replaced"):
        workspace.landing.lines("calls", scanned[0])
    assert taken(workspace) == {P: 8}


FORMULAS = ["=cmd|' /C calc'!A0", "+1+1", "-1-1", "@SUM(A1)", "\t=1+1"]


def test_a_formula_in_a_field_is_text_in_what_people_open_and_itself_in_what_programs_read(tmp_path):
    columns = {"id": "VARCHAR"}
    ws = make_workspace(tmp_path, sources={"calls": {"columns": columns}, "visits": {"columns": columns}})
    rows = [(n, "north", f"{P} 1{i}:00:00", 0.5) for i, n in enumerate([*FORMULAS, "an honest 1=1"])]
    land(ws.landing, "calls_2013-03-12.csv", csv(CALLS, rows))
    accept(ws, [P])
    made = features.FeatureWindow(ws.use_case, ws.lake, [P]).build()
    built = made.tables[P].append_column("suspect", pa.nulls(made.tables[P].num_rows, pa.string()))
    ws.lake.write("features", P, built, inputs=made.inputs[P], code="test", facts=UNJUDGED)
    decided = take_decisions(ws, [P], "replay", None)
    deliver_decisions(ws, {P: decided[P].entry}, "replay")
    with (ws.deliveries / "replay" / f"{P}.csv").open(newline="") as file:
        shown = {row["id"] for row in reader.DictReader(file)}
    assert shown == {"'" + f for f in FORMULAS} | {"an honest 1=1"}
    import pyarrow.parquet as pq

    kept = pq.read_table(ws.deliveries / "replay" / f"{P}.parquet")["id"].to_pylist()
    assert set(kept) == {*FORMULAS, "an honest 1=1"}


def _fill(root: Path, limit: int) -> None:
    """Writes a partition with no room for it; what is thrown is told by the exit code."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        Lake(root).write("things", "2013-03-12", pa.table({"n": list(range(100_000))}))
    except OSError:
        os._exit(7)


def test_a_disk_that_is_full_leaves_the_old_version_in_force_and_nothing_beside_it(tmp_path):
    lake = Lake(tmp_path)
    old = lake.write("things", "2013-03-12", pa.table({"n": [1, 2, 3]}))
    there = sorted(p.name for p in (tmp_path / "things").iterdir())
    assert ended(start(_fill, tmp_path, 20_000)) == 7
    assert sorted(p.name for p in (tmp_path / "things").iterdir()) == there
    assert lake.entry("things", "2013-03-12") == old
    assert lake.local_file(old).exists()
    assert ended(start(_fill, tmp_path, 2_000_000)) == 0, "with room it is written"
    assert lake.entry("things", "2013-03-12").rows == 100_000


def _judge(path: Path, limit: int) -> None:
    from sixtyforty.storage.champion_ledger import ChampionLedger
    from tests.sixtyforty.storage.test_champion_ledger import judge

    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        judge(ChampionLedger(path), "b", reasons=["a long reason " * 100])
    except OSError:
        os._exit(7)


def test_a_ledger_on_a_full_disk_keeps_its_rows_and_takes_the_next_once_there_is_room(tmp_path):
    from sixtyforty.storage.champion_ledger import ChampionLedger
    from tests.sixtyforty.storage.test_champion_ledger import judge

    ledger = ChampionLedger(tmp_path / "champion.jsonl")
    first = judge(ledger, "a")
    before = ledger.path.read_bytes()
    assert ended(start(_judge, ledger.path, len(before) + 100)) == 7  # room for the beginning of the next row
    assert (ledger.path.read_bytes(), ledger.rows()) == (before, [first])
    assert not list(ledger.path.parent.glob(".writing-*")), "nothing half is left beside it"
    assert ended(start(_judge, ledger.path, 100_000)) == 0
    assert [r.version for r in ledger.rows()] == ["a", "b"]
