"""The commands of the other tools."""

import json
from datetime import date
from pathlib import Path

import pytest

from bench import peer_runs
from bench.measure import ProcessRun
from bench.peer_runs import PeerFolders, prepare_kedro, prepare_metaflow, run_peer_day

DAY = date(2013, 5, 7)


@pytest.fixture
def folders(tmp_path: Path) -> PeerFolders:
    """Folders of a peer."""
    return PeerFolders(Path("python"), tmp_path, tmp_path / "landing", tmp_path / "out")


def test_dvc_has_a_stage_for_each_step_that_reads_the_step_before(folders: PeerFolders) -> None:
    stages = peer_runs._dvc_stages(folders)
    assert list(stages) == ["land", "features", "decide"]
    assert stages["features"]["deps"] == stages["land"]["outs"]
    assert stages["decide"]["deps"] == stages["features"]["outs"] == ["out/features/d=${day}"]
    assert " -m bench.peers.day_steps decide --landing " in str(stages["decide"]["cmd"])


def test_kedro_and_metaflow_get_the_same_parameters(folders: PeerFolders, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def run_process(command: list[str], log: Path, env: dict[str, str], cwd: Path) -> ProcessRun:
        commands.append(command)
        return ProcessRun(1.0, 1.0, 100, {})

    monkeypatch.setattr(peer_runs, "run_process", run_process)
    for prepare in (prepare_kedro, prepare_metaflow):
        prepare(folders)(DAY)
    kedro, metaflow = commands
    parameters = dict(parameter.split("=") for parameter in kedro[-1].split(","))
    assert parameters["day"] == "2013-05-07"
    assert [f"--{name}={text}" for name, text in parameters.items()] == metaflow[-4:]


def test_model_files_are_not_counted(folders: PeerFolders) -> None:
    def command(day: date) -> ProcessRun:
        money = {"decisions": 7, "per_1000": {"model": 1.5}, "not_counted_s": 0.5}
        folders.money_file.write_text(json.dumps(money))
        return ProcessRun(3.0, 2.0, 100, {})

    run = run_peer_day(command, folders, DAY)
    assert run.wall_s == 2.5
    assert run.money is not None
    assert (run.money.decisions, run.money.per_1000) == (7, {"model": 1.5})
