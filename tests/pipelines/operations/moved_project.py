"""A project of one use case that has decided four days: renames and removals are tested on copies of it."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from pipelines.operations.moves import Project
from pipelines.settings import prepare_dagster_home
from sixtyforty.accounting.run_hours import FinishedRun, add_finished_runs
from sixtyforty.decisions.delivery_table import read_deliveries
from sixtyforty.decisions.responses import record_response
from sixtyforty.reports.findings import add_finding
from sixtyforty.storage.dvc_setup import write_recipe_list
from sixtyforty.storage.response_log import Response
from sixtyforty.workspace import Workspace
from tests.declared_project import declare_use_case
from tests.helpers import WITH_RESPONSES, merge
from tests.homes import use_home
from tests.pipelines.cli.conftest import decide_days

OLD = "calls_in_time"
DAYS = [date(2013, 4, day) for day in (1, 2, 3, 4)]
RESEARCH = {"day": "2013-01-05", "participants": "two dispatchers", "finding": "They want a list"}
LOCK = "stages:\n  train@{0}:\n    cmd: x data/recipe/{0}\n    deps:\n    - a\n"


class KilledError(BaseException):
    """Stands for the end of the process: nothing catches it."""


def make_decided_project(root: Path) -> None:
    """Write a project and its home below a folder. The home has decided, delivered and valued four days."""
    with pytest.MonkeyPatch.context() as patch:
        project = _use_project(patch, root)
        declared = merge(WITH_RESPONSES, {"people": {"research": [RESEARCH]}})
        declare_use_case(project.folder, project.rules, OLD, **declared)
        ws = open_workspace(project, OLD)
        decide_days(ws, DAYS)
        record_response(ws, Response(read_deliveries(ws, "replay")[0].decision_id, "ann", "decider", "accepted"))
        add_finding(ws, "ann", "Fog is reported a day late.")
        (ws.home / "dvc.lock").write_text(LOCK.format(OLD))
        (ws.home / "dvc.yaml").write_text("stages: {}\n")
        ws.recipe.mkdir(parents=True)
        (ws.recipe / "recipe.json").write_text("{}")
        write_recipe_list(ws.home)
        add_finished_runs(ws.home, lambda *_: [FinishedRun(OLD, 0.0, 7200.0)], 1.0)
        for path in (ws.alert_receipts, ws.digest_receipts, ws.readership):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("{}\n")
        prepare_dagster_home()
        with dg.DagsterInstance.get() as instance:
            instance.get_runs()


def copy_decided_project(decided: Path, root: Path, patch: pytest.MonkeyPatch) -> Project:
    """Copy a decided project and its home, and use the copy."""
    shutil.copytree(decided, root, dirs_exist_ok=True)
    return _use_project(patch, root)


def _use_project(patch: pytest.MonkeyPatch, root: Path) -> Project:
    settings = use_home(patch, root / "home")
    return Project(root / "project" / "pipelines" / "use_cases", root / "project" / "rules", settings)


def open_workspace(project: Project, name: str) -> Workspace:
    """Return the workspace of a use case of the project."""
    use_case, settings = project.load_use_case(name), project.settings
    return Workspace(use_case, settings.home, settings.database_url, settings.lake).require_data_under_name()


def files_named(project: Project, name: str) -> list[str]:
    """Return the files and folders whose path holds a name, outside of caches, locks and Dagster's records."""
    root = project.settings.home.parent
    return sorted(
        str(path.relative_to(root))
        for path in root.rglob(f"*{name}*")
        if not {"cache", "dagster"} & set(path.parts) and path.suffix != ".lock"
    )
