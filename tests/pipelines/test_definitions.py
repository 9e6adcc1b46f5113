"""The definitions that Dagster loads: every chain as its snapshot describes it, without heavy imports."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml

from pipelines.authoring import catalog, loader
from pipelines.component import build_chain
from pipelines.definitions import defs
from pipelines.settings import ROOT

USE_CASES = ["flight_delays", "household_offers"]
GROUPS = [*USE_CASES, "portfolio"]  # the last one belongs to all use cases
HEAVY = ("great_expectations", "sklearn", "dvc", "matplotlib", "scipy", "pandas", "pyarrow", "duckdb", "skops")


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return defs()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a command with its own home."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("SIXTYFORTY_", "DAGSTER_"))}
    (tmp_path / "dagster").mkdir()
    return inherited | {
        "SIXTYFORTY_HOME": str(tmp_path),
        "DAGSTER_HOME": str(tmp_path / "dagster"),
        "DAGSTER_DISABLE_TELEMETRY": "1",
    }


def snapshot(group: str) -> Path:
    """Return the file that describes the assets of a group."""
    return Path(__file__).with_name(f"{group}.yaml")


def is_below(key: dg.AssetKey, group: str) -> bool:
    """Return whether an asset belongs to a use case or, for the group `portfolio`, to all use cases."""
    return key.path[0] == group if group in USE_CASES else key.path[0] not in USE_CASES


def describe(definitions: dg.Definitions, group: str) -> dict[str, object]:
    """Return what people see of a group's definitions, as plain data."""
    graph = definitions.resolve_asset_graph()
    assets = {}
    for key in sorted(k for k in graph.get_all_asset_keys() if is_below(k, group)):
        node = graph.get(key)
        assets[key.to_user_string()] = {
            "after": sorted(k.to_user_string() for k in node.parent_keys),
            "checks": sorted(
                k.name + (" (each partition)" if graph.get(k).partitions_def else "") for k in node.check_keys
            ),
            "group": node.group_name,
            "kinds": sorted(t.removeprefix("dagster/kind/") for t in node.tags if t.startswith("dagster/kind/")),
            "owners": sorted(node.owners),
            "partitioned": node.is_partitioned,
            "phase": node.tags["crisp_dm"],
            "pools": sorted(node.pools or []),
        }
    names = sorted(j.name for j in definitions.resolve_all_job_defs() if not j.name.startswith("__"))
    jobs = [n for n in names if (n == group if group in USE_CASES else n not in USE_CASES)]
    return {"assets": assets, "jobs": jobs}


def test_raw_and_validated_rows_of_a_source_are_in_groups_of_their_own(definitions):
    """Dagster's graph names an asset by the last part of its key, so both would have the same label in one group."""
    graph = definitions.resolve_asset_graph()
    groups = {graph.get(k).group_name for k in graph.get_all_asset_keys()}
    assert groups == {*GROUPS, *(f"{name}_{stage}" for name in USE_CASES for stage in ("raw", "validated"))}
    assert catalog.list_use_cases() == USE_CASES


@pytest.mark.parametrize("group", GROUPS)
def test_the_chain_is_as_its_snapshot_describes(definitions, group):
    """If you meant the change, run `python -m tests.pipelines.test_definitions` and read the diff of the files."""
    assert describe(definitions, group) == yaml.safe_load(snapshot(group).read_text())


@pytest.mark.parametrize("name", USE_CASES)
def test_every_asset_has_a_description_and_every_source_its_columns(definitions, name):
    graph = definitions.resolve_asset_graph()
    use_case = catalog.load_use_case(name)
    for key in (k for k in graph.get_all_asset_keys() if is_below(k, name)):
        node = graph.get(key)
        assert node.description and not node.description.isspace()
        assert key.path[0] == name
        assert node.owners == [use_case.owner]
        for check in node.check_keys:
            assert graph.get(check).description
    for feed, source in use_case.sources.items():
        schema = graph.get(dg.AssetKey([name, "validated", feed])).metadata["dagster/column_schema"]
        assert {c.name: c.type for c in schema.schema.columns} == source.columns
        lineage = graph.get(dg.AssetKey([name, "validated", feed])).metadata["dagster/column_lineage"]
        raw = dg.AssetKey([name, "raw", feed])
        assert lineage.column_lineage.deps_by_column == {c: [dg.TableColumnDep(raw, c)] for c in source.columns}


def test_the_page_of_each_sensor_and_schedule_says_what_it_waits_for(definitions):
    automation = [*(definitions.sensors or ()), *(definitions.schedules or ())]
    assert len(automation) >= 2 * len(USE_CASES) + 2  # and the nightly jobs of all use cases
    assert [a.name for a in automation if not (a.description or "").startswith("Waits for ")] == []


def test_definitions_are_built_once_and_again_when_a_declaration_changes(tmp_path, monkeypatch):
    folder = shutil.copytree(loader.FOLDER, tmp_path / "use_cases")
    monkeypatch.setattr(loader, "FOLDER", folder)
    first = defs()
    assert defs() is first
    declaration = folder / "flight_delays" / "defs.yaml"
    declaration.write_text(declaration.read_text().replace("title: ", "title: Another ", 1))
    assert "Another" in (defs().resolve_job_def("flight_delays").description or "")
    assert defs() is not first


def test_every_stage_runs_a_range_in_one_run(definitions):
    """`dg launch --partition-range` refuses a selection in which any asset, partitioned or not, has no such policy."""
    graph = definitions.resolve_asset_graph()
    assets = [graph.get(key) for key in graph.get_all_asset_keys()]
    policies = {asset.backfill_policy for asset in assets if asset.group_name != "portfolio"}
    assert policies == {dg.BackfillPolicy.single_run()}


def test_the_definitions_hold_the_chain_of_each_use_case(definitions):
    def keys(definitions: dg.Definitions) -> set[dg.AssetKey]:
        return {key for a in definitions.assets or [] for key in a.keys}

    chains = {key for name in USE_CASES for key in keys(build_chain(catalog.load_use_case(name)))}
    graph = definitions.resolve_asset_graph()
    assert chains == {k for k in graph.get_all_asset_keys() if graph.get(k).group_name != "portfolio"}


@pytest.mark.parametrize("module", ["pipelines.definitions", "pipelines.cli.app", "pipelines.authoring.catalog"])
def test_loading_imports_nothing_heavy(module, environment):
    use = "loaded.defs().get_repository_def().get_all_jobs()" if module == "pipelines.definitions" else "loaded"
    code = (
        f"import importlib, json, sys; loaded = importlib.import_module('{module}'); {use}; "
        f"print(json.dumps(sorted({{m.split('.')[0] for m in sys.modules}} & set({HEAVY}))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


@pytest.mark.e2e
@pytest.mark.parametrize(
    "command",
    [
        ["dg", "check", "defs"],
        ["dg", "list", "defs", "--json"],
        ["dg", "list", "components"],
        ["dagster", "definitions", "validate", "-w", "workspace.yaml"],
    ],
    ids=" ".join,
)
def test_dagsters_own_commands_succeed(command, environment):
    program = Path(sys.executable).with_name(command[0])
    done = subprocess.run([str(program), *command[1:]], capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    output = done.stdout + done.stderr
    if command[:3] == ["dg", "list", "defs"]:
        listed = json.loads(done.stdout[done.stdout.index("{") :])
        assert {a["asset_key"] for a in listed["assets"]} == {
            key for group in GROUPS for key in yaml.safe_load(snapshot(group).read_text())["assets"]
        }
    elif command[:3] == ["dg", "list", "components"]:
        assert "pipelines.component.DecisionPipeline" in output
    else:
        assert "error" not in output.lower()


if __name__ == "__main__":
    for group in GROUPS:
        snapshot(group).write_text(yaml.safe_dump(describe(defs(), group), sort_keys=True, width=120))


def test_a_fork_of_a_prepared_process_finds_the_answers_in_memory(environment):
    command = [sys.executable, "-c", PREPARED]
    printed = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout
    assert json.loads(printed) == {"definitions built": 1, "code parsed": 1, "SQL checked": 2, "threads": 1}


PREPARED = """
import json, threading
from expectations import gx_runner
from pipelines import definitions
from pipelines.component import load_use_cases
from assets.allowed_sql import require_allowed_sql
from sixtyforty import code_version
from sixtyforty.modeling import sql_guard

definitions.prepare_runs()
parsed = []
find_closure = code_version.find_closure
code_version.find_closure = lambda *arguments: parsed.append(arguments) or find_closure(*arguments)
definitions.defs()
project_home = definitions.project_home(definitions.load_settings())
for use_case in load_use_cases():
    require_allowed_sql(use_case)
    project_home.workspace(use_case).code_version
print(json.dumps({
    "definitions built": definitions._build_definitions.cache_info().misses,
    "code parsed": 1 + len(parsed),
    "SQL checked": sql_guard._first_problem.cache_info().misses,
    "threads": threading.active_count(),
}))
"""
