"""Commands about the rows of extracts: check and quarantine."""

from __future__ import annotations

import sqlite3
import stat
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from expectations.rules import Suite
from expectations.validation import validate
from sixtyforty.ingest.raw import ingest
from sixtyforty.workspace import Workspace
from tests.helpers import CALLS, calls_on, csv_text, land_extract, make_use_case
from tests.pipelines.cli.conftest import use_workspace
from tests.pipelines.conftest import RunCli

DAY = "2013-03-10"


def test_check_prints_what_would_happen_and_exits_with_1_if_anything_is_refused(
    run_cli: RunCli, small_workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.operations.extract_check.load_suite", lambda *_: Suite(description="no rules"))
    file = tmp_path / "calls_2013-03-10.csv"
    file.write_text(csv_text(CALLS, calls_on(date(2013, 3, 10))))
    finished = run_cli(f"check {file} --source calls_in_time/calls")
    assert finished.code == 0, finished.err
    assert "Rows: 4 landed = 4 accepted + 0 quarantined + 0 duplicates + 0 superseded" in finished.out
    assert run_cli(f"check {file} --source calls_in_time/calls --json").answer["accepted"] is True
    file.write_text(file.read_text() + "9,north,2013-03-10 12:00:00,lots\n")
    finished = run_cli(f"check {file} --source calls_in_time/calls")
    assert finished.code == 1
    assert "NOT accepted as it is" in finished.out
    assert "1 row: " in finished.out and "(line 6)" in finished.out
    file.write_text(file.read_text() + "9,north,2013-03-10 12:00:00,lots\n" + "8,north,2013-03-10 12:00:00,0.5\n" * 2)
    finished = run_cli(f"check {file} --source calls_in_time/calls")
    assert "2 quarantined + 1 duplicate + 0 superseded" in finished.out
    assert "2 rows: " in finished.out and "(lines 6, 7)" in finished.out


@pytest.mark.parametrize("name", [".calls_1.csv", "calls_1.csv.part", "calls_1.tmp", "absent/calls_1.csv", "folder"])
def test_a_file_that_can_not_be_checked_is_one_line(
    name: str, run_cli: RunCli, small_workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    if "/" not in name and name != "folder":
        (tmp_path / name).write_text(csv_text(CALLS, calls_on(date(2013, 3, 10))))
    finished = run_cli(f"check {tmp_path / name} --source calls_in_time/calls")
    assert (finished.code, finished.out, finished.err.count("\n")) == (1, "", 1)
    assert f"{name}" in finished.err


def test_check_needs_a_use_case_and_a_source(run_cli: RunCli, tmp_path: Path) -> None:
    finished = run_cli(f"check {tmp_path} --source weather")
    assert (finished.code, finished.err.count("\n")) == (1, 1)
    assert "--source is 'weather', expected USE_CASE/SOURCE" in finished.err


def test_compare_rows_names_the_partitions_that_differ_from_the_database(
    run_cli: RunCli, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = {"files": None, "query": "select * from orders", "database": "ORDERS_URL", "cursor_column": "id"}
    ws = Workspace(make_use_case(tmp_path / "use_case", sources={"calls": query}), home, "")
    use_workspace(monkeypatch, ws)
    monkeypatch.setenv("ORDERS_URL", f"sqlite:///{tmp_path / 'orders.db'}")
    with sqlite3.connect(tmp_path / "orders.db") as db:
        db.execute("create table orders (id integer, site text, call_hour text, load float)")
        db.executemany("insert into orders values (?, ?, ?, ?)", calls_on(date(2013, 3, 10)))
        db.commit()
        ingest(ws.use_case, "calls", ws.lake, ws.landing, [DAY], "")
        validate(ws.use_case, "calls", Suite(description="no rules"), ws.lake, [DAY], None, "")
        finished = run_cli("compare-rows calls_in_time/calls")
        assert (finished.code, finished.out.strip()) == (
            0,
            "calls_in_time/calls: 4 rows in the database, in 1 partition",
        )
        db.execute("delete from orders where load = (select min(load) from orders)")
        db.commit()
    finished = run_cli("compare-rows calls_in_time/calls")
    assert finished.code == 1
    assert "2013-03-10: 3 rows in the database, 4 validated or quarantined" in finished.out
    assert run_cli("compare-rows calls_in_time/calls --json").answer["differences"] == [
        {"partition": DAY, "database_rows": 3, "lake_rows": 4}
    ]
    finished = run_cli("compare-rows calls_in_time/sites")
    assert (finished.code, "has no source 'sites' with a query" in finished.err) == (1, True)


def test_quarantine_counts_and_exports_to_a_private_new_file(
    run_cli: RunCli, small_workspace: Workspace, tmp_path: Path
) -> None:
    ws, export = small_workspace, tmp_path / "calls_corrections.csv"
    assert "No source has quarantined rows" in run_cli(f"quarantine calls_in_time --export {export}").err
    land_extract(ws.landing, "calls_1.csv", "id,site,call_hour,load\n1,north,2013-03-10 12:00:00,lots\n")
    ingest(ws.use_case, "calls", ws.lake, ws.landing, [DAY], "")
    validate(ws.use_case, "calls", Suite(description="no rules"), ws.lake, [DAY], None, "")
    assert "calls: 1 row in quarantine, 0 exported, 0 resubmitted, 0 open" in run_cli("quarantine calls_in_time").out
    answer = run_cli(f"quarantine calls_in_time --export {export} --json").answer
    assert (answer["rows"], answer["file"]) == (1, str(export))
    assert answer["sources"][0] == {"source": "calls", "quarantined": 1, "exported": 1, "resubmitted": 0, "open": 1}
    assert "1,north,2013-03-10 12:00:00,lots," in export.read_text()
    assert stat.S_IMODE(export.stat().st_mode) == 0o600
    finished = run_cli(f"quarantine calls_in_time --source calls --export {export}")
    assert (finished.code, "exists already" in finished.err) == (1, True)
    other = tmp_path / "corrections.csv"
    finished = run_cli(f"quarantine calls_in_time --source calls --export {other}")
    assert (finished.code, finished.err.count("\n"), other.exists()) == (1, 1, False)
    assert "corrections.csv can't hold the corrections: a scan only takes names that match" in finished.err
    assert "calls_*.csv. Name another file, such as" in finished.err
    visits = tmp_path / "visits_corrections.csv"
    finished = run_cli(f"quarantine calls_in_time --source visits --export {visits}")
    assert (finished.code, visits.exists()) == (1, False)
    assert "visits has no quarantined rows, so there is nothing to export." in finished.err
    assert "has no source 'sites'" in run_cli("quarantine calls_in_time --source sites").err


FORMATS: dict[str, tuple[dict[str, Any], str, tuple[str, str]]] = {
    "csv": (
        {"encoding": "cp1252", "delimiter": ";", "decimal": ",", "date_format": "%d.%m.%Y"},
        "id;site;call_hour;load\n1;Münster;10.03.2013 12:00:00;0,25\n2;Müller; Söhne;10.03.2013 12:00:00;0,5\n"
        '3;"Müller; Söhne";10.03.2013 13:00:00;viel\n',
        (";viel;", ";0,75;"),
    ),
    "jsonl": (
        {"encoding": "cp1252"},
        '{"id": 1, "site": "Münster", "call_hour": "2013-03-10 12:00:00", "load": 0.25}\n'
        '{"id": 2, "site": "Köln", "call_hour": "2013-03-10 12:00:00", "load": 0.5\n'
        '{"id": 3, "site": "Müller; Söhne", "call_hour": "2013-03-10 13:00:00", "load": "viel"}\n',
        ('"load": "viel"', '"load": 0.75'),
    ),
}


@pytest.mark.parametrize("ending", FORMATS)
def test_quarantined_rows_are_exported_corrected_checked_and_landed_again(
    ending: str, run_cli: RunCli, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.operations.extract_check.load_suite", lambda *_: Suite(description="no rules"))
    declared, text, (wrong, right) = FORMATS[ending]
    changes = {"sources": {"calls": {"files": f"calls_*.{ending}", **declared}}}
    use_case = make_use_case(tmp_path / "use_case", **changes, governance={"max_quarantined_share": 0.9})
    ws = Workspace(use_case, home, f"sqlite:///{home / 'data' / 'deliveries.sqlite'}")
    use_workspace(monkeypatch, ws)

    def land(name: str, content: bytes) -> None:
        land_extract(ws.landing, name, content)
        ingest(use_case, "calls", ws.lake, ws.landing, [DAY], "")
        validate(use_case, "calls", Suite(description="no rules"), ws.lake, [DAY], None, "")

    land(f"calls_1.{ending}", text.encode("cp1252"))
    file = tmp_path / f"calls_corrections.{ending}"
    assert run_cli(f"quarantine calls_in_time --export {file}").code == 0
    assert "2 quarantined" in run_cli(f"check {file} --source calls_in_time/calls").out  # not corrected yet
    header = 1 if ending == "csv" else 0
    lines = file.read_text("utf-8-sig").splitlines(keepends=True)
    assert (len(lines), wrong in lines[header + 1]) == (header + 2, True)
    del lines[header]  # the broken line has no key
    file.write_text("".join(lines).replace(wrong, right), "utf-8-sig")
    finished = run_cli(f"check {file} --source calls_in_time/calls")
    assert (finished.code, "1 landed = 1 accepted" in finished.out) == (0, True), finished.out
    land(file.name, file.read_bytes())
    (account, _) = run_cli("quarantine calls_in_time --json").answer["sources"]
    assert account == {"source": "calls", "quarantined": 1, "exported": 2, "resubmitted": 1, "open": 1}
    with ws.lake.open_session(use_case.timezone) as db:
        rows = ws.lake.select_rows(ws.lake.entries("validated/calls").values())
        assert db.sql(f"select id, site, load from {rows} order by id").fetchall() == [
            (1, "Münster", 0.25),
            (3, "Müller; Söhne", 0.75),
        ]
