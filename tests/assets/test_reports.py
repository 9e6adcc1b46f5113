"""The report stages: what Dagster shows of each page."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from assets import reports
from assets.page_links import report_address
from assets.resources import ProjectHome
from assets.stage import StageRun
from pipelines.authoring import loader
from sixtyforty.accounting.kpi_summary import summarize_kpi
from sixtyforty.spec.draft import Draft
from sixtyforty.workspace import Workspace
from tests.accounted_home import make_accounted_home
from tests.assets.conftest import make_run
from tests.full_declaration import FULL
from tests.full_declaration import write as write_declaration
from tests.helpers import make_use_case, make_workspace, publish_days

DAYS = [date(2013, 4, day) for day in range(1, 5)]


def run_of(ws: Workspace, *others: Workspace) -> StageRun:
    home = ProjectHome(ws.home, ws.database_url, str(ws.home / "remote"))
    return make_run(ws, project_home=home, load_use_cases=lambda: [w.use_case for w in (ws, *others)])


def test_the_current_state_shows_sources_and_the_value_of_todays_process(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    publish_days(ws, DAYS)
    other = Workspace(make_use_case(tmp_path / "other", name="visits_in_time"), tmp_path, ws.database_url)
    (entry,) = reports.describe_current_state(run := run_of(ws, other)).published.values()
    calls = entry.metadata["sources"].records[0].data
    assert (calls["source"], calls["extracts"], calls["rows landed"], calls["rows accepted"]) == ("calls", 4, 16, 16)
    assert (calls["first partition"], calls["last partition"]) == ("2013-04-01", "2013-04-04")
    policies = [row.data["decided by"] for row in entry.metadata["value today, per 1,000 decisions"].records]
    assert policies == ["current process", "random choice", "perfect foresight"]
    columns = {row.data["column"]: row.data for row in entry.metadata["columns of calls"].records}
    assert columns["site"]["lowest"] == "", "texts are not shown"
    assert columns["load"]["distinct values"] > 1
    similar = entry.metadata["similar sources in the project"].records
    assert {row.data["other use case"] for row in similar} == {"visits_in_time"}
    page = ws.reports / "current_state.html"
    assert run.log.lines == [f"INFO: current_state: page about the data and the current process written ({page})"]
    assert page.exists()


def test_the_current_state_of_a_draft_lists_what_to_fill_in(tmp_path: Path) -> None:
    folder, rules = write_declaration(tmp_path / "declared", {**FULL, "kpi": "TODO"})
    draft = loader.load_declaration(folder, rules)
    assert isinstance(draft, Draft)
    ws = Workspace(draft, tmp_path, f"sqlite:///{tmp_path / 'x.db'}")
    (entry,) = reports.describe_current_state(run_of(ws)).published.values()
    (blank,) = entry.metadata["fields still to fill in"].records
    assert (blank.data["field"], blank.data["purpose of the field"]) == ("kpi", draft.blanks[0].purpose)
    assert blank.data["where"].startswith("defs.yaml:")
    assert entry.metadata["value today, per 1,000 decisions"] == "not known yet: the declaration is still a draft"


def test_the_impact_report_shows_the_figures_of_the_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)
    ws = make_accounted_home(tmp_path)
    (entry,) = reports.write_impact_report(run_of(ws)).published.values()
    summary = summarize_kpi(ws, "replay")
    assert entry.metadata["net benefit (EUR)"] == summary.net_impact
    assert entry.metadata["gain over the current process, if every decision is followed (EUR)"] == summary.gain
    assert entry.metadata["assumed cost of building and running (EUR)"] == summary.build + summary.running
    assert entry.metadata["page"].url == report_address(ws.use_case.name, "impact.html")
    assert (ws.reports / "impact.html").exists()


def test_without_known_outcomes_there_is_no_impact_report(workspace: Workspace) -> None:
    assert reports.write_impact_report(run := run_of(workspace)).published == {}
    assert run.log.lines == ["INFO: impact_report: skipped (no decision has a known outcome yet)"]


def test_the_model_record_is_shown_and_kept_as_a_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)
    ws = make_accounted_home(tmp_path)
    (entry,) = reports.write_model_record(run_of(ws)).published.values()
    assert entry.metadata["record"].value.startswith("# ")
    assert Path(entry.metadata["version"].path).read_text() == entry.metadata["record"].value
