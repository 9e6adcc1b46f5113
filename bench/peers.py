"""Peers doing one more day on the very functions of the plain DuckDB script, each as its own users would run it.

Each in an environment of its own, installed once from the package index and kept below .cache; none is a dependency.
Where there is no network, or a peer doesn't install, it is left out, and the table says so. In turns: the chain (asked
of a warm server, start-up included), `kedro run`, a Metaflow flow, `dvc repro`, and the script itself; all on the same
new day, from the same history, to the same money.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.chain import CASE, money_of, same, script
from bench.day import DELIVERED, SOURCES
from bench.landed import land
from bench.measure import ROOT, BenchError, Found, Row, Settings, in_turns, measured, median, ratio, seconds
from bench.warm import Warm
from bench.year import CUT, begun

HERE = Path(__file__).parent / "of_peers"
# At our versions, in each environment.
WORK_NEEDS = ("duckdb", "numpy", "pandas", "pyarrow", "pyyaml", "scikit-learn", "skops")
NEEDS = {"kedro": ["kedro>=1.0,<2"], "metaflow": ["metaflow>=2.15,<3"], "dvc": [f"dvc=={version('dvc')}"]}
QUIET = {
    "DO_NOT_TRACK": "1",
    "KEDRO_DISABLE_TELEMETRY": "1",
    "DVC_NO_ANALYTICS": "1",
    "USERNAME": "bench",
    "METAFLOW_DEFAULT_METADATA": "local",
    "PYTHONWARNINGS": "ignore",
}


def environment(cache: Path, name: str, needs: list[str]) -> Path:
    """The Python of an environment with these packages beside what the work needs, made where it isn't there yet.

    Raises BenchError where they can't be installed.
    """
    folder, wanted = cache / "venvs" / name, [*needs, *(f"{n}=={version(n)}" for n in WORK_NEEDS)]
    python, done = folder / "bin" / "python", folder / "installed.txt"
    if done.exists() and done.read_text().split() == wanted:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
    uv = Path(sys.executable).with_name("uv")
    ways = [[str(uv), "pip", "install", "--quiet", "--python", str(python)]] if uv.exists() else []
    ways.append(
        [
            str(python),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-compile",
            "--disable-pip-version-check",
            "--retries",
            "1",
        ]
    )
    for way in ways:  # pip may know the way to a mirror that uv doesn't
        tried = subprocess.run([*way, *wanted], capture_output=True, text=True, timeout=600, check=False)
        if tried.returncode == 0:  # the runs that warm up compile what they import
            done.write_text("\n".join(wanted))
            return python
    raise BenchError(f"{name} could not be installed: {' '.join(tried.stderr.split())[-300:]}")


def measure(settings: Settings) -> Found:
    """After `year.measure` and `day.measure`, on days that follow theirs."""
    found = Found("Peers: one more day on the same functions")
    homes, landing = begun(settings), settings.work / "landing-4"
    sides: dict[str, Callable[[int], dict[str, Any]]] = {}
    with ThreadPoolExecutor(2) as beside:
        made = {name: beside.submit(environment, settings.cache, name, NEEDS[name]) for name in NEEDS}
    for name, installed in made.items():
        try:
            python = installed.result()
        except (BenchError, subprocess.SubprocessError, OSError) as error:
            found.remarks.append(f"{name} was left out: {error}")
            continue
        work = settings.work / "peers" / name
        shutil.rmtree(work, ignore_errors=True)
        out = shutil.copytree(homes / "duckdb", work / "out")
        sides[name] = RUNNERS[name](python, work, landing, out, settings)
    warm = Warm(homes / "chain", CASE)

    def day_of(number: int) -> date:
        return CUT + timedelta(days=settings.pairs + 2 + number)

    def chained(number: int) -> dict[str, Any]:
        day = day_of(number)
        land(settings.work, landing, day)
        return warm.run(day, day, [*DELIVERED, "kpi_impact"]) | money_of(homes / "chain", day, day)

    def scripted(number: int) -> dict[str, Any]:
        land(settings.work, landing, day_of(number))
        given = ["day", "--landing", str(landing), "--out", str(homes / "duckdb"), "--date", f"{day_of(number)}"]
        return script("duckdb", given, settings.work / "peers" / f"script{number}")

    def peer(name: str) -> Callable[[int], dict[str, Any]]:
        def run(number: int) -> dict[str, Any]:
            day = day_of(number)
            land(settings.work, landing, day)
            money = settings.work / "peers" / name / "money.json"
            money.unlink(missing_ok=True)
            one = sides[name](number)
            said = json.loads(money.read_text())
            one["wall_s"] -= said["not_counted_s"]
            return one | {k: said[k] for k in ("decisions", "per_1000")}

        return run

    taking = {"chain": chained, "script": scripted} | {n: peer(n) for n in sides}
    for name, one in list(taking.items()):  # this warms up
        try:
            one(-1)
        except BenchError as error:
            if name not in sides:
                raise
            del sides[name], taking[name]
            found.remarks.append(f"{name} was left out: {' '.join(str(error).split())[-400:]}")
    pairs = in_turns(taking, settings.pairs, warm_up_days=False)
    for one in pairs:
        for name in ("script", *sides):
            same(one["chain"], one[name])
    found.figures["day"] = pairs
    for name in (*sides, "script"):
        r = ratio(pairs, "chain", name, "wall_s")
        aimed = name != "script"
        told = f"against {name} {_version(settings, name)}" if aimed else "against the plain script they all call"
        found.rows.append(
            Row(
                f"one more day, start-up included, {told}",
                seconds(median(pairs, "chain", "wall_s")),
                seconds(median(pairs, name, "wall_s")),
                r,
                "< 1×" if aimed else "",
                r < 1 if aimed else None,
                len(pairs),
            )
        )
    found.remarks.append(
        "Peers write what the script writes and check nothing; the chain checks, quarantines, versions and delivers."
        " Kedro adds least to the script: one process, no record of a run. The chain's process is forked from"
        " the daemon's server, whose imports were made before; a peer's imports anew, as cron would start it, and takes"
        " its interpreter apart at the end, which the script leaves out."
    )
    return found


def _version(settings: Settings, name: str) -> str:
    python = settings.cache / "venvs" / name / "bin" / "python"
    asked = f"from importlib.metadata import version; print(version('{name}'))"
    return subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True).stdout.strip()


def _day(settings: Settings, number: int) -> str:
    return f"{CUT + timedelta(days=settings.pairs + 2 + number)}"


def _kedro(python: Path, work: Path, landing: Path, out: Path, settings: Settings) -> Callable[[int], dict[str, Any]]:
    project = shutil.copytree(HERE / "kedro_day", work / "project")
    (project / "conf" / "local").mkdir()

    def run(number: int) -> dict[str, Any]:
        given = f"landing={landing},out={out},day={_day(settings, number)},money={work / 'money.json'}"
        command = [str(python), "-m", "kedro", "run", "--params", given]
        return measured(command, work / f"run{number}", QUIET | {"PYTHONPATH": str(ROOT)}, cwd=project)

    return run


def _metaflow(
    python: Path, work: Path, landing: Path, out: Path, settings: Settings
) -> Callable[[int], dict[str, Any]]:
    def run(number: int) -> dict[str, Any]:
        given = {"landing": landing, "out": out, "day": _day(settings, number), "money": work / "money.json"}
        command = [str(python), str(HERE / "flow.py"), "--quiet", "run", *(f"--{k}={v}" for k, v in given.items())]
        return measured(command, work / f"run{number}", QUIET | {"PYTHONPATH": str(ROOT), "HOME": str(work)}, cwd=work)

    return run


def _dvc(python: Path, work: Path, landing: Path, out: Path, settings: Settings) -> Callable[[int], dict[str, Any]]:
    quiet = QUIET | {"DVC_SITE_CACHE_DIR": str(work / "site")}
    step = f"{python} -m bench.of_peers.steps"
    landed = [f"{s}/d=${{day}}" for s in SOURCES]
    outs = {"land": landed, "features": ["features/d=${day}"], "decide": ["decisions/d=${day}"]}
    deps = {"land": [], "features": outs["land"], "decide": outs["features"]}
    stages = {
        name: {
            "cmd": f"{step} {name} --landing {landing} --out {out} --day ${{day}} --money {work / 'money.json'}",
            "params": ["day"],
            "deps": [f"out/{d}" for d in deps[name]],
            "outs": [f"out/{o}" for o in outs[name]],
        }
        for name in outs
    }
    (work / "dvc.yaml").write_text(json.dumps({"stages": stages}, indent=1))
    (work / "params.yaml").write_text("day: none\n")
    subprocess.run(
        [str(python), "-m", "dvc", "init", "--no-scm", "--quiet"],
        cwd=work,
        check=True,
        capture_output=True,
        env={**os.environ, **quiet},
    )

    def run(number: int) -> dict[str, Any]:
        (work / "params.yaml").write_text(f"day: '{_day(settings, number)}'\n")
        command = [str(python), "-m", "dvc", "repro", "--quiet"]
        return measured(command, work / f"run{number}", quiet | {"PYTHONPATH": str(ROOT)}, cwd=work)

    return run


RUNNERS = {"kedro": _kedro, "metaflow": _metaflow, "dvc": _dvc}
