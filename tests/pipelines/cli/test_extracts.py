"""Commands about the rows of extracts: check and quarantine."""

from __future__ import annotations

import stat
from datetime import date
from pathlib import Path

import pytest

from expectations.rules import Suite
from expectations.validation import validate
from sixtyforty.ingest.raw import ingest
from sixtyforty.workspace import Workspace
from tests.helpers import CALLS, calls_on, csv_text, land_extract
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
    assert "corrections.csv: a scan only takes names that match calls_*.csv. Name another file, such as" in finished.err
    visits = tmp_path / "visits_corrections.csv"
    finished = run_cli(f"quarantine calls_in_time --source visits --export {visits}")
    assert (finished.code, visits.exists()) == (1, False)
    assert "visits has no quarantined rows, so there is nothing to export." in finished.err
    assert "has no source 'sites'" in run_cli("quarantine calls_in_time --source sites").err
