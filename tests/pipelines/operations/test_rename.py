"""A rename moves everything, can be killed at any step, and decides nothing again."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from pipelines.operations import moves, rename
from pipelines.operations.moves import MoveError, Project
from pipelines.operations.rename import list_steps, rename_use_case
from pipelines.settings import prepare_dagster_home
from sixtyforty.accounting.kpi_summary import summarize_kpi
from sixtyforty.accounting.run_hours import read_run_hours
from sixtyforty.decisions.database_tables import existing_tables, table_names
from sixtyforty.decisions.delivery_table import read_deliveries
from sixtyforty.lifecycle.name_ledger import open_name_ledger, verify_names
from sixtyforty.lifecycle.stale_partitions import find_stale_partitions
from sixtyforty.reports.findings import open_findings
from sixtyforty.storage.hash_chain import LedgerError
from sixtyforty.storage.unfinished_move import Move, UnfinishedMoveError
from sixtyforty.workspace import MissingDataError, Workspace
from tests.dagster_runs import idle_job
from tests.declared_project import declare_use_case
from tests.pipelines.cli.conftest import decide_days
from tests.pipelines.operations.moved_project import (
    DAYS,
    LOCK,
    OLD,
    KilledError,
    copy_decided_project,
    files_named,
    open_workspace,
)

NEW = "visits_in_time"
NOW = datetime(2013, 4, 5)


@pytest.fixture
def project(decided: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a copy of a project whose home has decided four days."""
    return copy_decided_project(decided, tmp_path, monkeypatch)


def figures(ws: Workspace) -> dict[str, Any]:
    """Return what may not change: values, decisions, deliveries, responses, versions and the code version."""
    tables = existing_tables(ws.database_url, table_names(ws.use_case.name))
    datasets = ("features", "outcomes", "decisions/replay", "kpi/replay")
    return {
        "value": summarize_kpi(ws, "replay"),
        "delivered": sorted((d.decision_id, d.action, str(d.delivered_at)) for d in read_deliveries(ws, "replay")),
        "rows": [tables.get(name) for name in table_names(ws.use_case.name)],
        "versions": {name: {p: e.version for p, e in ws.lake.entries(name).items()} for name in datasets},
        "code": ws.code_version,
        "findings": [row.text for row in open_findings(ws).rows()],
        "hours": read_run_hours(ws.home)[ws.use_case.name],
    }


def test_a_renamed_use_case_has_the_same_figures_and_nothing_is_stale(project: Project) -> None:
    ws = open_workspace(project, OLD)
    before, stale = figures(ws), find_stale_partitions(ws, "replay", NOW)
    answer = rename_use_case(OLD, NEW, "ann", "trains join", project)

    ws = open_workspace(project, NEW)
    assert figures(ws) == before
    assert find_stale_partitions(ws, "replay", NOW).reasons == stale.reasons
    assert files_named(project, OLD) == []
    assert answer.tables == [f"{NEW}_replay_decisions", f"{NEW}_responses", f"{NEW}_response_seals"]
    assert answer.mentions == []
    assert verify_names(ws) == 1
    (row,) = open_name_ledger(ws).rows()
    assert (row.old, row.new, row.by, row.why, list(row.heads)) == (OLD, NEW, "ann", "trains join", ["findings.jsonl"])
    assert (ws.home / "dvc.lock").read_text() == LOCK.format(NEW)
    assert list(yaml.safe_load((ws.home / "params.yaml").read_text())["use_cases"]) == [NEW]
    assert f"from {NEW}_responses" in ws.use_case.sources["responses"].query


def test_a_rename_decides_nothing_twice_and_the_next_day_follows(project: Project) -> None:
    rename_use_case(OLD, NEW, "ann", "", project)
    ws = open_workspace(project, NEW)
    before = {row.decision_id: row.delivered_at for row in read_deliveries(ws, "replay")}
    decide_days(ws, [*DAYS, date(2013, 4, 5)])
    after = {row.decision_id: row.delivered_at for row in read_deliveries(ws, "replay")}
    assert before.items() <= after.items()
    assert len(after) == len(before) + 4


def test_a_use_case_renamed_there_and_back_is_as_before(project: Project) -> None:
    before = figures(open_workspace(project, OLD))
    rename_use_case(OLD, NEW, "ann", "", project)
    rename_use_case(NEW, OLD, "bob", "", project)
    ws = open_workspace(project, OLD)
    assert (ws.use_case.former_names, verify_names(ws)) == ([OLD, NEW], 2)
    assert figures(ws) == before


STEPS = [
    "declaration",
    "ledger of names",
    "landing",
    "lake",
    "models",
    "deliveries",
    "reports",
    "cache",
    "recipe",
    "alerts",
    "digests",
    "reads",
    "tables",
    "desk accounts",
    "dvc.lock",
    "params.yaml",
    "run hours",
    "sensors",
]


@pytest.mark.parametrize("done", range(len(STEPS) + 1))
def test_a_rename_that_was_killed_is_noticed_and_finished(
    project: Project, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    before = figures(open_workspace(project, OLD))

    def kill() -> None:
        raise KilledError

    def cut(project: Project, move: Move) -> list[moves.Step]:
        steps = list_steps(project, move)
        assert [name for name, _ in steps] == STEPS
        return [*steps[:done], ("killed", kill)]

    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(rename, "list_steps", cut)
        rename_use_case(OLD, NEW, "ann", "trains join", project)

    with pytest.raises(UnfinishedMoveError, match=f"sixtyforty rename {OLD} {NEW}"):
        prepare_dagster_home()
    with pytest.raises(MoveError, match="Another rename or removal is not finished"):
        rename_use_case(OLD, "other_name", "ann", "", project)
    rename_use_case(OLD, NEW, "bob", "", project)
    prepare_dagster_home()
    ws = open_workspace(project, NEW)
    assert figures(ws) == before
    assert [(row.by, row.why) for row in open_name_ledger(ws).rows()] == [("ann", "trains join")]
    assert verify_names(ws) == 1
    assert files_named(project, OLD) == []


def test_a_home_moves_its_data_when_the_declaration_came_by_git(project: Project) -> None:
    before = figures(open_workspace(project, OLD))
    move = Move("rename", OLD, NEW, "ann", "", "")
    dict(list_steps(project, move))["declaration"]()
    with pytest.raises(MissingDataError, match=f"sixtyforty rename {OLD} {NEW}"):
        open_workspace(project, NEW)
    rename_use_case(OLD, NEW, "ann", "", project)
    assert figures(open_workspace(project, NEW)) == before


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (OLD, "Visits", "'Visits' is not a valid use case name"),
        ("calls_in_tim", NEW, "Did you mean calls_in_time"),
        (OLD, "other", "exist already"),
        (OLD, "first", "a former name of the use case other"),
    ],
)
def test_an_impossible_rename_changes_nothing(project: Project, old: str, new: str, message: str) -> None:
    declare_use_case(project.folder, project.rules, "other", former_names=["first"])
    names = files_named(project, OLD)
    with pytest.raises(MoveError, match=message):
        rename_use_case(old, new, "ann", "", project)
    assert files_named(project, OLD) == names


def test_a_name_whose_files_or_tables_exist_is_refused(project: Project) -> None:
    left = project.settings.home / "data" / "lake" / NEW / "features"
    left.mkdir(parents=True)
    with pytest.raises(MoveError, match=f"lake/{NEW}"):
        rename_use_case(OLD, NEW, "ann", "", project)


def test_no_rename_while_a_run_is_in_progress(project: Project) -> None:
    prepare_dagster_home()
    with dg.DagsterInstance.get() as instance:
        instance.create_run_for_job(idle_job, status=dg.DagsterRunStatus.NOT_STARTED)
    with pytest.raises(MoveError, match="A run is in progress: idle_job"):
        rename_use_case(OLD, NEW, "ann", "", project)


def test_a_changed_ledger_or_name_is_found(project: Project) -> None:
    rename_use_case(OLD, NEW, "ann", "", project)
    ws = open_workspace(project, NEW)
    names, findings = (ws.champion_ledger.path.with_name(f"{name}.jsonl") for name in ("names", "findings"))
    text = findings.read_text()
    findings.write_text(text.replace('"hash":"', '"hash":"0'))
    with pytest.raises(
        LedgerError,
        match=f"{NEW}: row 1 of findings.jsonl was changed .* when {OLD} was renamed",
    ):
        verify_names(ws)
    findings.write_text(text)
    declared = ws.use_case.folder / "defs.yaml"
    declared.write_text(declared.read_text().replace(f"former_names: [{OLD}]", "former_names: [others]"))
    with pytest.raises(LedgerError, match="Correct former_names"):
        verify_names(open_workspace(project, NEW))
    declared.write_text(declared.read_text().replace("former_names: [others]", f"former_names: [{OLD}]"))
    names.unlink()
    names.with_suffix(".head").unlink()
    with pytest.raises(LedgerError, match=r"the ledger names\.jsonl is missing"):
        verify_names(open_workspace(project, NEW))
