"""The owner's page shows the impact report with the same figures."""

from __future__ import annotations

import csv
import io
import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from sixtyforty.accounting.kpi_summary import summarize_kpi
from sixtyforty.lifecycle.withdrawal import withdraw_model
from sixtyforty.reports import impact_report
from sixtyforty.reports.model_record import render_record
from sixtyforty.workspace import Workspace
from tests.desk.conftest import RunningDesk, visible_text
from tests.words import assert_plain


def test_the_page_shows_the_same_figures_as_the_report(desk: RunningDesk) -> None:
    owner = desk.person("owner")
    page = owner.get("/impact").text
    report = impact_report.write_report(desk.ws, "replay").read_text()
    assert_plain(page)
    assert visible_text(report) in visible_text(page)
    assert page.count("<svg") == report.count("<svg") >= 2
    assert "<style" not in page and "style=" not in page  # the content security policy forbids both


def test_an_impact_that_does_not_exist_is_explained(desk: RunningDesk) -> None:
    page = desk.person("owner").get("/impact?track=live")
    assert page.status_code == 404
    assert "There is no impact to show yet" in page.text


def test_the_table_is_a_csv_file_whose_lines_add_up(desk: RunningDesk) -> None:
    answer = desk.person("owner").get("/impact/csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    *periods, total = csv.DictReader(io.StringIO(answer.text))
    assert total["month"] == "total"
    for column in ("decisions", "actions", "value_of_the_decisions", "gain_over_the_current_process"):
        assert sum(float(line[column]) for line in periods) == pytest.approx(float(total[column]), abs=0.011)
    assert float(total["gain_over_the_current_process"]) == summarize_kpi(desk.ws, "replay").gain


def test_an_outdated_replay_says_so_beside_its_figures(ws: Workspace, desk: RunningDesk) -> None:
    assert "Outdated" not in desk.person("owner").get("/impact").text
    gate = ws.use_case.gate.model_copy(update={"margin": ws.use_case.gate.margin + 1})
    changed = replace(ws, use_case=ws.use_case.model_copy(update={"gate": gate}))
    other = RunningDesk({ws.use_case.name: changed})
    owner = other.person("owner")
    page = visible_text(owner.get("/impact").text)
    assert "were decided by an earlier declaration. Run `sixtyforty run calls_in_time --from" in page
    assert "reaches it" not in page and "is above it" not in page
    assert "were decided by an earlier declaration." in visible_text(owner.get("/portfolio").text)
    other.stop()


def test_a_withdrawn_version_is_named(ws: Workspace, tmp_path: Path) -> None:
    shutil.copytree(ws.home / "data", tmp_path / "data")
    own = replace(ws, home=tmp_path)
    version = own.champion_ledger.promotions("replay")[-1].version
    withdraw_model(own, version, by="Ada", why="It knew the future", now=datetime(2026, 3, 1))
    other = RunningDesk({ws.use_case.name: own})
    page = visible_text(other.person("owner").get("/impact").text)
    other.stop()
    assert "was withdrawn on 2026-03-01: It knew the future." in page
    assert "decided by a champion that was withdrawn. Run `sixtyforty" in page
    assert "In force now" not in page
    record = render_record(own, "replay")
    assert f"| {version} | WITHDRAW (withdrawn) | Ada | It knew the future |" in record
    assert "No model is in force: the current process decides." in record
