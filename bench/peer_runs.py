"""Process a new day with Kedro, Metaflow and DVC, each as users of the tool would run it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

from bench.chain import Run
from bench.measure import ROOT, ProcessRun, run_process
from bench.script_runs import money_of
from bench.use_case import SOURCES

FOLDER = ROOT / "bench" / "peers"
PACKAGES = {
    "kedro": ["kedro>=1.0,<2"],
    "metaflow": ["metaflow>=2.15,<3"],
    "dvc": [f"dvc=={version('dvc')}"],
}
# Environment variables that switch off telemetry, warnings and questions of the tools.
ENVIRONMENT = {
    "DO_NOT_TRACK": "1",
    "KEDRO_DISABLE_TELEMETRY": "1",
    "DVC_NO_ANALYTICS": "1",
    "USERNAME": "bench",
    "METAFLOW_DEFAULT_METADATA": "local",
    "PYTHONWARNINGS": "ignore",
    "PYTHONPATH": str(ROOT),
}


@dataclass(frozen=True)
class PeerFolders:
    """The folders of another tool, and the path of Python in its environment.

    `out` is a copy of the files that the plain script has written for the days before.
    """

    python: Path
    work: Path
    landing: Path
    out: Path

    @property
    def money_file(self) -> Path:
        """The JSON file to which the last step of a day writes the value of the decisions."""
        return self.work / "money.json"

    def log(self, day: date) -> Path:
        """Return the path of the log of a day's run."""
        return self.work / f"run-{day}"


DayCommand = Callable[[date], ProcessRun]


def run_peer_day(command: DayCommand, folders: PeerFolders, day: date) -> Run:
    """Run another tool on a new day. As for the scripts, its seconds exclude reading and writing model files."""
    folders.money_file.unlink(missing_ok=True)
    process = command(day)
    printed = json.loads(folders.money_file.read_text())
    return Run(
        wall_s=process.wall_s - printed["not_counted_s"],
        cpu_s=process.cpu_s,
        peak_rss_mb=process.peak_rss_mb,
        money=money_of(printed),
    )


def prepare_kedro(folders: PeerFolders) -> DayCommand:
    """Copy the Kedro project. Return a function that runs the project on a day."""
    project = shutil.copytree(FOLDER / "kedro_day", folders.work / "project")
    (project / "conf" / "local").mkdir()

    def run(day: date) -> ProcessRun:
        parameters = ",".join(f"{name}={text}" for name, text in _parameters(folders, day).items())
        command = [str(folders.python), "-m", "kedro", "run", "--params", parameters]
        return run_process(command, folders.log(day), ENVIRONMENT, cwd=project)

    return run


def prepare_metaflow(folders: PeerFolders) -> DayCommand:
    """Return a function that runs the Metaflow flow on a day."""
    environment = ENVIRONMENT | {"HOME": str(folders.work)}

    def run(day: date) -> ProcessRun:
        options = [f"--{name}={text}" for name, text in _parameters(folders, day).items()]
        command = [str(folders.python), str(FOLDER / "metaflow_day.py"), "--quiet", "run", *options]
        return run_process(command, folders.log(day), environment, cwd=folders.work)

    return run


def prepare_dvc(folders: PeerFolders) -> DayCommand:
    """Create a DVC project whose stages are the steps of a day. Return a function that runs `dvc repro` on a day."""
    environment = ENVIRONMENT | {"DVC_SITE_CACHE_DIR": str(folders.work / "site")}
    (folders.work / "dvc.yaml").write_text(json.dumps({"stages": _dvc_stages(folders)}, indent=1))
    parameters = folders.work / "params.yaml"
    parameters.write_text("day: none\n")
    subprocess.run(
        [str(folders.python), "-m", "dvc", "init", "--no-scm", "--quiet"],
        cwd=folders.work,
        check=True,
        capture_output=True,
        env={**os.environ, **environment},
    )

    def run(day: date) -> ProcessRun:
        parameters.write_text(f"day: '{day}'\n")
        command = [str(folders.python), "-m", "dvc", "repro", "--quiet"]
        return run_process(command, folders.log(day), environment, cwd=folders.work)

    return run


PREPARE: Mapping[str, Callable[[PeerFolders], DayCommand]] = {
    "kedro": prepare_kedro,
    "metaflow": prepare_metaflow,
    "dvc": prepare_dvc,
}


def _parameters(folders: PeerFolders, day: date) -> dict[str, str]:
    return {
        "landing": str(folders.landing),
        "out": str(folders.out),
        "day": f"{day}",
        "money": str(folders.money_file),
    }


def _dvc_stages(folders: PeerFolders) -> dict[str, dict[str, object]]:
    """Return the stages of `dvc.yaml`. DVC replaces the placeholder `${day}`."""
    outputs = {
        "land": [f"{source}/d=${{day}}" for source in SOURCES],
        "features": ["features/d=${day}"],
        "decide": ["decisions/d=${day}"],
    }
    inputs = {"land": [], "features": outputs["land"], "decide": outputs["features"]}
    options = f"--landing {folders.landing} --out {folders.out} --day ${{day}} --money {folders.money_file}"
    return {
        step: {
            "cmd": f"{folders.python} -m bench.peers.day_steps {step} {options}",
            "params": ["day"],
            "deps": [f"out/{path}" for path in inputs[step]],
            "outs": [f"out/{path}" for path in outputs[step]],
        }
        for step in outputs
    }
