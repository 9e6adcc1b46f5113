"""Dagster's own selection syntax and its command line tools work on the assets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from pipelines.definitions import defs
from pipelines.settings import ROOT
from tests.pipelines.conftest import RunCli

WEATHER = {"flight_delays/raw/weather", "flight_delays/validated/weather"}


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ('key:"flight_delays/raw/weather"+1', WEATHER),
        ('1+key:"flight_delays/validated/weather"', WEATHER),
        ('key:"flight_delays/*/weather"', WEATHER),
        ('key:"flight_delays/raw/weather" or key:"flight_delays/validated/weather"', WEATHER),
        ('group:"flight_delays_raw" and not (key:"flight_delays/raw/weather"+)', None),
    ],
)
def test_selections_are_parsed(selection: str, expected: set[str] | None) -> None:
    graph = defs().resolve_asset_graph()
    keys = {key.to_user_string() for key in dg.AssetSelection.from_string(selection).resolve(graph)}
    assert keys == expected if expected else keys and not keys & WEATHER


@pytest.mark.e2e
@pytest.mark.parametrize(
    "command",
    [
        ["dg", "launch", "--assets", 'key:"flight_delays/raw/weather"+1', "--partition", "2013-06-12"],
        [
            *("dagster", "asset", "materialize", "-m", "pipelines.definitions"),
            *("--select", 'key:"flight_delays/raw/weather"+1', "--partition", "2013-06-12"),
        ],
    ],
    ids=["dg launch", "dagster asset materialize"],
)
def test_the_command_line_tools_run_a_partition(command: list[str], home: Path, run_cli: RunCli) -> None:
    assert run_cli("land-demo-data flight_delays --from 2013-06-12 --to 2013-06-12").code == 0
    (home / "data" / "dagster").mkdir(parents=True, exist_ok=True)
    (home / "data" / "dagster" / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
    program = Path(sys.executable).with_name(command[0])
    environment = os.environ | {"DAGSTER_HOME": str(home / "data" / "dagster")}
    done = subprocess.run(
        [str(program), *command[1:]], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert (home / "data" / "lake" / "flight_delays" / "validated" / "weather" / "2013-06-12.json").exists()
