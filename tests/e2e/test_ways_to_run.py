"""The sensor, `dg launch`, the pages' mutation and the command line publish the same bytes for a day."""

from __future__ import annotations

import json
import shutil
import sys
from datetime import date, timedelta
from pathlib import Path
from subprocess import CompletedProcess, run

import pytest

from pipelines.settings import prepare_dagster_home
from sixtyforty.spec.clock import CLOCK_FILE_VARIABLE
from sixtyforty.workspace import Workspace
from tests import launches
from tests.copies import copy_project, environment
from tests.declared_project import declare_use_case
from tests.helpers import land_days, make_use_case, publish_days, put_champion_in_force, read_files
from tests.homes import use_home

NAME = "calls_in_time"
DAYS = [date(2013, 3, 5) + timedelta(days=i) for i in range(3)]
DAYS_BEFORE = [date(2013, 3, 1) + timedelta(days=i) for i in range(4)]  # the champion learned from them
NOW = "2013-03-08T12:00:00"


def run_process(project: Path, home: Path, *command: str) -> CompletedProcess[str]:
    """Run a command of a copy of the project in a home."""
    variables = {"SIXTYFORTY_HOME": str(home), "DAGSTER_HOME": str(home / "data" / "dagster")}
    clock = {CLOCK_FILE_VARIABLE: str(home / "clock")}
    done = run(
        command, cwd=project, env=environment(project) | variables | clock, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done


def read_published(home: Path) -> dict[str, bytes]:
    """Return the published Parquet files by name."""
    files = read_files(home / "data" / "lake" / NAME)
    return {name: content for name, (_, content) in files.items() if name.endswith(".parquet")}


@pytest.mark.e2e
def test_each_way_to_run_a_day_publishes_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, use_cases = copy_project(tmp_path / "project"), tmp_path / "project" / "pipelines" / "use_cases"
    for folder in [folder for folder in use_cases.iterdir() if (folder / "defs.yaml").exists()]:
        shutil.rmtree(folder)
    declare_use_case(use_cases, project / "expectations", NAME)
    homes = {way: tmp_path / way for way in ("sensor", "launch", "mutation", "cli")}
    base = tmp_path / "base"
    use_home(monkeypatch, base)
    prepare_dagster_home()
    (base / "clock").write_text(NOW)
    ws = Workspace(make_use_case(tmp_path / "declared", name=NAME), base, f"sqlite:///{base / 'deliveries.db'}")
    publish_days(ws, DAYS_BEFORE, count=20)
    put_champion_in_force(ws, DAYS[0], "live")
    land_days(ws, DAYS)
    for home in homes.values():
        shutil.copytree(base, home)
    python, script = (sys.executable, "-P"), str(Path(launches.__file__))
    request = json.loads(run_process(project, homes["sensor"], *python, script, "sensor", NAME).stdout.splitlines()[-1])
    first, last = (request["tags"][f"dagster/asset_partition_range_{end}"] for end in ("start", "end"))
    clock = request["config"]["resources"]["clock"]["config"]
    selection = " or ".join(f'key:"{NAME}/{stage}"' for stage in request["stages"])
    programs = Path(sys.executable).parent
    run_process(
        project,
        homes["launch"],
        *(str(programs / "dg"), "launch", "--assets", selection, "--partition-range", f"{first}...{last}"),
        *("--config-json", json.dumps(request["config"])),
    )
    run_process(project, homes["mutation"], *python, script, "mutation", json.dumps(request))
    run_process(
        project,
        homes["cli"],
        *(str(programs / "python"), "-m", "pipelines.cli", "run", NAME, "--from", first, "--to", last),
        *("--select", ",".join(request["stages"]), "--track", clock["track"], "--as-of", clock["as_of"]),
    )
    published = {way: read_published(home) for way, home in homes.items()}
    by_sensor = published.pop("sensor")
    assert {name.split("/")[0] for name in by_sensor} >= {"raw", "validated", "features", "outcomes", "decisions"}
    assert any(f"{DAYS[-1]}" in name for name in by_sensor)
    for way, files in published.items():
        assert files.keys() == by_sensor.keys(), way
        assert [name for name in files if files[name] != by_sensor[name]] == [], way
