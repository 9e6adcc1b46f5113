"""Quarantined rows are exported with their texts and reasons; corrected rows that land count as resubmitted."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from expectations.rules import Rule, Suite
from expectations.validation import validate
from sixtyforty.ingest.correction_files import CorrectionError
from sixtyforty.ingest.landing_zone import LandingZone
from sixtyforty.ingest.quarantine import account_for, count_resubmitted, export_quarantine
from sixtyforty.ingest.raw import ingest
from sixtyforty.storage.files import FileAccessError
from sixtyforty.storage.verdicts import read_verdict
from sixtyforty.workspace import Workspace
from tests.helpers import CALLS, land_extract, make_workspace, read_lake

DAY, NEXT = "2013-03-10", "2013-03-11"
HEADER = "id,site,call_hour,load\n"
LOAD = Rule.model_validate(
    {
        "type": "expect_column_values_to_be_between",
        "severity": "critical",
        "kwargs": {"column": "load", "max_value": 1},
        "why": "too much",
    }
)
BAD = (
    HEADER
    + "1,north,2013-03-10 12:00:00,0.5\n"
    + '2,"no, south",2013-03-10 12:00:00,lots\n'
    + "3,north,2013-03-10 12:00:00,7.5\n"
    + "4,north\n"
    + "5,north,2013-03-11 12:00:00,NA\n"
    + "6,north,2013-03-11 12:00:00,much\n"
)


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    ws = make_workspace(tmp_path, governance={"max_quarantined_share": 0.9})
    land(ws, "calls_1.csv", BAD)
    return ws


def land(ws: Workspace, name: str, text: str, days: list[str] | None = None) -> None:
    """Land an extract, and validate these days, by default both."""
    land_extract(ws.landing, name, text)
    landing, days = LandingZone(ws.landing.folder, ws.lake, ws.use_case), days or [DAY, NEXT]
    ingest(ws.use_case, "calls", ws.lake, landing, days, "code")
    validate(ws.use_case, "calls", Suite(description="loads", rows=[LOAD]), ws.lake, days, None, "code")


def export(ws: Workspace) -> list[dict[str, str]]:
    file = ws.home / "calls_corrections.csv"
    count = export_quarantine(ws.landing, "calls", file, "code")
    rows = list(csv.DictReader(io.StringIO(file.read_text(), newline="")))
    assert len(rows) == count
    return rows


def land_corrections(ws: Workspace, name: str, rows: list[dict[str, str]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    land(ws, name, text.getvalue())


def figures(ws: Workspace) -> tuple[int, int, int, int]:
    account = account_for(LandingZone(ws.landing.folder, ws.lake, ws.use_case), "calls")
    return account.quarantined, account.exported, account.resubmitted, account.open


def test_rows_are_exported_with_their_texts_and_reasons(ws: Workspace) -> None:
    assert figures(ws) == (4, 0, 0, 0)
    rows = export(ws)
    assert [(row["id"], row["site"], row["load"], row["_line"]) for row in rows] == [
        ("2", "no, south", "lots", "3"),
        ("3", "north", "7.5", "4"),
        ("", "", "", "5"),
        ("6", "north", "much", "7"),
    ]
    assert {row["_file"] for row in rows} == {"calls_1.csv"}
    assert [row["_partition"] for row in rows] == [DAY, DAY, DAY, NEXT]
    assert "load" in rows[0]["_reason"] and "too much" in rows[1]["_reason"]
    assert rows[2]["_text"] == "4,north"
    assert figures(ws) == (4, 4, 0, 4)


def test_corrected_rows_are_accepted_and_count_as_resubmitted(ws: Workspace) -> None:
    rows = export(ws)
    rows[0]["load"], rows[1]["load"], rows[3]["load"] = "0.4", "8.5", "0.6"
    rows[2].update(id="4", site="north", call_hour=f"{DAY} 12:00:00", load="0.1")
    land_corrections(ws, "calls_2.csv", rows)
    # The row with id 3 is wrong again. The line without an id can't be recognized, so it stays open.
    assert figures(ws) == (2, 4, 2, 2)
    accepted = {partition: entry.rows for partition, entry in ws.lake.entries("validated/calls").items()}
    assert accepted == {DAY: 3, NEXT: 2}


def test_a_second_export_has_only_what_is_still_open_and_counts_a_key_once(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, governance={"max_quarantined_share": 0.9})
    bad = "2,north,2013-03-10 12:00:00,lots\n3,north,2013-03-33 12:00:00,0.3\n"
    land(ws, "calls_1.csv", HEADER + "1,north,2013-03-10 12:00:00,0.5\n" + bad)
    rows = export(ws)
    rows[0]["load"], rows[1]["call_hour"] = "8.5", f"{NEXT} 12:00:00"  # still wrong, and right on another day
    land_corrections(ws, "calls_2.csv", rows)
    assert figures(ws) == (1, 2, 1, 1), "the row that moved to another day has left the quarantine of its first day"
    rows = export(ws)
    assert [(row["id"], row["load"], row["_file"]) for row in rows] == [("2", "8.5", "calls_2.csv")]
    assert figures(ws)[1:] == (2, 1, 1)
    rows[0]["load"] = "0.5"
    for name in ("calls_3.csv", "calls_4.csv"):  # the same corrections land twice
        land_corrections(ws, name, rows)
        assert figures(ws)[1:] == (2, 2, 0)
        assert {partition: entry.rows for partition, entry in ws.lake.entries("validated/calls").items()} == {
            DAY: 2,
            NEXT: 1,
        }
    with pytest.raises(CorrectionError, match="calls has no quarantined rows"):
        export(ws)


@pytest.mark.parametrize("runs", [1, 2])
def test_a_correction_onto_another_day_takes_the_row_out_of_the_quarantine_of_its_first_day(
    tmp_path: Path, runs: int
) -> None:
    ws = make_workspace(tmp_path, governance={"max_quarantined_share": 0.9})
    bad = HEADER + "1,north,2013-03-10 12:00:00,0.5\n2,north,2013-03-10 12:00:00,lots\n"
    if runs == 1:
        land_extract(ws.landing, "calls_1.csv", bad)
    else:
        land(ws, "calls_1.csv", bad)
        export(ws)
    land(ws, "calls_2.csv", f"{HEADER}2,north,{NEXT} 12:00:00,0.4\n", days=[NEXT] if runs == 2 else None)
    assert figures(ws) == ((0, 1, 1, 0) if runs == 2 else (0, 0, 0, 0))
    verdict = read_verdict(ws.lake.entries("validated/calls")[DAY])
    assert (verdict.landed, verdict.accepted_rows, verdict.quarantined, verdict.superseded) == (2, 1, 0, 1)
    resubmitted = count_resubmitted(LandingZone(ws.landing.folder, ws.lake, ws.use_case), "calls")
    assert resubmitted == ({DAY: 1} if runs == 2 else {})


def test_rows_with_a_composite_key_are_followed_over_several_exports(tmp_path: Path) -> None:
    """Rows that share a part of their key are different rows, and `1` + `12` is another key than `11` + `2`."""
    ws = make_workspace(
        tmp_path,
        governance={"max_quarantined_share": 0.9},
        sources={"calls": CALLS | {"key": ["id", "site"]}},
    )
    keys = [("1", "north"), ("1", "south"), ("2", "north"), ("1", "12"), ("11", "2")]
    land(ws, "calls_1.csv", HEADER + "".join(f"{n},{site},{DAY} 12:00:00,lots\n" for n, site in keys))
    rows = export(ws)
    assert figures(ws) == (5, 5, 0, 5)
    rows[0]["load"] = "0.1"  # right
    rows[1]["load"] = "more"  # wrong again
    rows[3].update(load="0.2", call_hour=f"{NEXT} 12:00:00")  # right on another day
    land_corrections(ws, "calls_2.csv", [rows[0], rows[1], rows[3]])
    assert figures(ws)[1:] == (5, 2, 3)
    rows = export(ws)
    assert [(row["id"], row["site"], row["load"]) for row in rows] == [
        ("2", "north", "lots"),
        ("11", "2", "lots"),
        ("1", "south", "more"),
    ]
    rows[1]["load"], rows[2]["load"] = "0.3", "0.4"
    land_corrections(ws, "calls_3.csv", rows)
    assert figures(ws)[1:] == (5, 4, 1)
    (row,) = export(ws)
    assert (row["id"], row["site"], row["_file"]) == ("2", "north", "calls_3.csv")
    row["load"] = "0.5"
    land_corrections(ws, "calls_4.csv", [row])
    assert figures(ws) == (0, 5, 5, 0)
    assert {partition: entry.rows for partition, entry in ws.lake.entries("validated/calls").items()} == {
        DAY: 4,
        NEXT: 1,
    }
    assert count_resubmitted(LandingZone(ws.landing.folder, ws.lake, ws.use_case), "calls") == {DAY: 5}


@pytest.mark.parametrize("earlier", [True, False], ids=["an earlier extract", "the same extract"])
def test_another_row_with_the_key_is_no_correction_unless_it_lands_later(earlier: bool, tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, governance={"max_quarantined_share": 0.9})
    sound, bad = "2,north,2013-03-10 12:00:00,0.3\n", "2,north,2013-03-10 12:00:00,lots\n"
    if earlier:
        land(ws, "calls_1.csv", HEADER + sound)
    land(ws, "calls_2.csv", HEADER + bad + ("" if earlier else sound))
    export(ws)
    assert figures(ws) == (1, 1, 0, 1)


def test_an_export_is_remembered_once(ws: Workspace) -> None:
    export(ws)
    before = read_lake(ws.lake)
    assert len(export(ws)) == 4
    assert read_lake(ws.lake) == before
    land(ws, "calls_1.csv", HEADER + "1,north,2013-03-10 12:00:00,0.5\n")  # the sender corrects the file itself
    with pytest.raises(CorrectionError, match="calls has no quarantined rows, so there is nothing to export"):
        export(ws)
    assert figures(ws) == (0, 4, 0, 4)


def test_equal_content_under_two_names_is_exported_once_as_its_newest_row(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    land(ws, "calls_1.csv", HEADER + "2,north,2013-03-10 12:00:00,lots\n")
    land(ws, "calls_2.csv", HEADER + "2,north,2013-03-10 12:00:00,lots\n")
    assert [(row["_file"], row["_line"]) for row in export(ws)] == [("calls_2.csv", "2")]
    assert figures(ws) == (2, 1, 0, 1)


def test_without_quarantined_rows_nothing_is_exported(tmp_path: Path) -> None:
    ws, file = make_workspace(tmp_path), tmp_path / "calls_corrections.csv"
    with pytest.raises(CorrectionError, match="calls has no quarantined rows, so there is nothing to export"):
        export_quarantine(ws.landing, "calls", file, "code")
    assert not file.exists()


def test_rows_are_remembered_only_after_the_file_is_written(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "full").write_text("a file where a folder should be")
    with pytest.raises(FileAccessError, match="can't be used"):
        export_quarantine(ws.landing, "calls", tmp_path / "full" / "calls_corrections.csv", "code")
    assert figures(ws) == (4, 0, 0, 0)


def test_corrections_that_can_not_land_are_not_exported(ws: Workspace, tmp_path: Path) -> None:
    with pytest.raises(CorrectionError, match="an extract with this name has landed"):
        export_quarantine(ws.landing, "calls", tmp_path / "calls_1.csv", "code")
    assert figures(ws) == (4, 0, 0, 0)
