"""Sources of two dbt models, which `dagster-dbt` builds in a second code location of the same Dagster instance."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceLoadTarget

from pipelines.authoring import loader
from pipelines.component import load_use_cases, project_home
from pipelines.runtime.upstream_assets import read_upstream
from pipelines.settings import load_settings
from sixtyforty.spec.clock import CLOCK_FILE_VARIABLE
from sixtyforty.workspace import Workspace
from tests.declared_project import declare_use_case
from tests.pipelines.automation.ticks import evaluate_sensor, stages_of

PROJECT = Path(__file__).parents[2] / "dbt_shop"
TABLES = {
    "calls": "id integer, site text, call_hour timestamp, load double, changed timestamp",
    "visits": "id integer, seen_at timestamp, late integer, changed timestamp",
}
FIRST = {
    "calls": "(1, 'north', '2013-03-07 12:00', 0.5, '2013-03-07 10:00')",
    "visits": "(1, '2013-03-07 14:00', 0, '2013-03-07 14:00')",
}
SECOND = {
    "calls": "(2, 'south', '2013-03-07 13:00', 0.5, '2013-03-07 11:00')",
    "visits": "(1, '2013-03-07 15:00', 1, '2013-03-07 15:00')",  # the same number again, so the dbt test fails
}
MODELS = {dg.AssetKey(["calls_in_time", "raw", name]): dg.AssetKey(f"shop_{name}") for name in TABLES}


class TwoLocations(WorkspaceLoadTarget):
    """The use cases, and the dbt project in a folder. This process loads both."""

    def __init__(self, dbt_project: Path) -> None:
        self.dbt_project = dbt_project

    def create_origins(self) -> list[InProcessCodeLocationOrigin]:
        use_cases = LoadableTargetOrigin(module_name="pipelines.definitions", attribute="defs")
        data_team = LoadableTargetOrigin(python_file=str(self.dbt_project / "definitions.py"), attribute="defs")
        return [
            InProcessCodeLocationOrigin(use_cases, location_name="sixtyforty"),
            InProcessCodeLocationOrigin(data_team, location_name="shop"),
        ]


@pytest.fixture
def dbt_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the dbt project with its manifest, and a database in which an earlier build made both models."""
    project = tmp_path / "dbt_shop"
    shutil.copytree(PROJECT, project)
    database = tmp_path / "shop.duckdb"
    with duckdb.connect(database) as connection:
        for name, columns in TABLES.items():
            connection.execute(f"create table {name} ({columns}); insert into {name} values {FIRST[name]}")
            connection.execute(f"create table shop_{name} as from {name}")
    monkeypatch.setenv("SHOP_DATABASE", str(database))
    monkeypatch.setenv("SHOP_URL", f"duckdb:///{database}")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    subprocess.run(["dbt", "parse", "--quiet"], cwd=project, check=True)
    return project


@pytest.fixture
def ws(tmp_path: Path, dbt_project: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A use case that reads both models at most once an hour, unless dbt built them again."""
    sources: dict[str, Any] = {
        name: {
            "files": None,
            "query": f"select * from shop_{name}",
            "database": "SHOP_URL",
            "cursor_column": "changed",
            "query_interval_seconds": 3600,
            "upstream": [f"shop_{name}"],
        }
        for name in TABLES
    }
    declare_use_case(tmp_path / "use_cases", tmp_path / "rules", "calls_in_time", sources=sources)
    (tmp_path / "clock").write_text("2013-03-08T12:00:00")
    monkeypatch.setenv(CLOCK_FILE_VARIABLE, str(tmp_path / "clock"))
    monkeypatch.setenv("SIXTYFORTY_HOME", str(tmp_path))
    monkeypatch.setattr(loader, "FOLDER", tmp_path / "use_cases")
    monkeypatch.setattr("expectations.suites.HERE", tmp_path / "rules")
    (use_case,) = load_use_cases()
    return project_home(load_settings()).workspace(use_case)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance without runs."""
    with dg.DagsterInstance.local_temp() as dagster:
        yield dagster


@pytest.mark.e2e
def test_a_use_case_follows_the_models_of_another_code_location(
    ws: Workspace, dbt_project: Path, instance: dg.DagsterInstance
) -> None:
    with WorkspaceProcessContext(instance, TwoLocations(dbt_project)) as context:
        graph = context.create_request_context().asset_graph
        assert {key: graph.get(model).child_keys for key, model in MODELS.items()} == {key: {key} for key in MODELS}

    assert stages_of(evaluate_sensor(ws, instance, "new_data").request) >= {"raw/calls", "raw/visits"}
    insert(ws.home, SECOND)
    evaluate_sensor(ws, instance, "new_data")
    assert count_extracts(ws) == {"calls": 1, "visits": 1}, "the interval is not over"

    build(dbt_project, instance)
    tick = evaluate_sensor(ws, instance, "new_data")
    assert count_extracts(ws) == {"calls": 2, "visits": 1}, "only shop_calls is new and sound"
    assert stages_of(tick.request) >= {"raw/calls"}
    (refusal,) = [reason for reason in (state(ws, instance, name) for name in TABLES) if reason]
    assert refusal.startswith("visits is stale: the check unique_shop_visits_id of shop_visits failed.")


def insert(home: Path, rows: dict[str, str]) -> None:
    """Add rows to the tables that the models read."""
    with duckdb.connect(home / "shop.duckdb") as connection:
        for name, row in rows.items():
            connection.execute(f"insert into {name} values {row}")


def build(dbt_project: Path, instance: dg.DagsterInstance) -> None:
    """Materialize the models of the data team, and run their dbt tests."""
    spec = importlib.util.spec_from_file_location("shop_definitions", dbt_project / "definitions.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    dg.materialize([module.models], instance=instance, resources=module.defs.resources, raise_on_error=False)


def count_extracts(ws: Workspace) -> dict[str, int]:
    """Return how many extracts of each source have landed."""
    return {name: len(ws.landing.known(name)) for name in TABLES}


def state(ws: Workspace, instance: dg.DagsterInstance, name: str) -> str | None:
    """Return why a source is stale, or None."""
    return read_upstream(instance, ws.use_case.sources[name]).refusal(name)
