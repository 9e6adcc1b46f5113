"""One, ten and a hundred use cases declared: loading the definitions, a sensor's tick, the UI's asset graph.

The project's own packages are copied with so many copies of the use case and its suites, and loaded as they are here. A
tick is the second one of each use case's own sensor, with a day of hourly files landed; sensors have 60 s each. The
asset graph is asked of a running webserver with the fields that its page asks for.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import date
from pathlib import Path
from typing import Any

from bench.chain import CASE
from bench.measure import ROOT, BenchError, Found, Row, Settings, measured, seconds

PACKAGES = ("assets", "bench", "desk", "expectations", "pipelines", "sixtyforty")
MANY = (1, 10, 100)
LIMIT, LOADED = 60, 5  # seconds
GRAPH = """{ assetNodes { id groupName isMaterializable isExecutable isPartitioned hasMaterializePermission description
  computeKind kinds tags { key value } owners { __typename } jobNames opNames graphName repository { id name }
  assetKey { path } dependencyKeys { path } dependedByKeys { path } assetChecksOrError { __typename } } }"""


def measure(settings: Settings) -> Found:
    """Each number of use cases in a project of its own."""
    from pipelines.demo import flights

    found = Found("How many use cases: definitions, a tick, the UI's graph")
    landing = settings.work / "landing-1"
    flights.land(landing, date(2013, 5, 1), date(2013, 5, 1), hourly=True)
    many = MANY[:2] if settings.small else MANY
    figures = {n: _of(settings, landing, n, 1 if settings.small else settings.pairs) for n in many}
    found.figures = {str(n): f for n, f in figures.items()}
    first, most = figures[many[0]], figures[many[-1]]
    for n in many:
        one, aimed = figures[n], n == 100
        load = statistics.median(one["load_s"])
        found.rows.append(
            Row(
                f"definitions of {n}, {one['assets']} assets: load",
                seconds(load),
                seconds(statistics.median(first["load_s"])),
                load / statistics.median(first["load_s"]),
                f"< {LOADED} s" if aimed else "",
                load < LOADED if aimed else None,
                len(one["load_s"]),
            )
        )
    for n in many:
        one = figures[n]
        tick = statistics.median(one["tick_s"])
        found.rows.append(
            Row(
                f"a sensor's tick among {n}",
                seconds(tick),
                seconds(statistics.median(first["tick_s"])),
                tick / statistics.median(first["tick_s"]),
                f"{tick / LIMIT:.1%} of its {LIMIT} s",
                tick < LIMIT,
                len(one["tick_s"]),
            )
        )
    for n in many:
        one = figures[n]
        graph = statistics.median(one["graph_s"])
        found.rows.append(
            Row(
                f"asset graph of {n} in the UI",
                seconds(graph),
                seconds(statistics.median(first["graph_s"])),
                graph / statistics.median(first["graph_s"]),
                runs=len(one["graph_s"]),
            )
        )
    found.remarks.append(
        f"“Other” is one use case. Importing Dagster and the project comes before loading: {most['import_s']:.1f} s,"
        f" however many. All {many[-1]} sensors tick one after the other in {sum(most['tick_s']):.1f} s. The first"
        f" answer of the UI's graph takes {seconds(most['first_graph_s'])} with {many[-1]}."
    )
    return found


def _of(settings: Settings, landing: Path, n: int, times: int) -> dict[str, Any]:
    """The figures with n use cases."""
    root = project(settings.work / f"declared-{n}", n, landing)
    surrounds = {"PYTHONPATH": str(root), "SIXTYFORTY_HOME": str(root / "home"), "PYTHONWARNINGS": "ignore"}
    found = measured([sys.executable, "-m", "bench.loaded", f"{times}"], root / "loaded", surrounds, cwd=root)["said"]
    return found | _graph(root, surrounds, times)


def project(root: Path, n: int, landing: Path) -> Path:
    """A copy of the project with n copies of the use case, each with the same files landed."""
    copied(root)
    cases, suites = root / "pipelines" / "use_cases", root / "expectations"
    kept = {"case": shutil.move(cases / CASE, root / "case"), "suites": shutil.move(suites / CASE, root / "suites")}
    for number in range(n):
        name = f"{CASE}_{number:03}"
        shutil.copytree(kept["case"], cases / name)
        shutil.copytree(kept["suites"], suites / name)
        declared = (cases / name / "defs.yaml").read_text()
        (cases / name / "defs.yaml").write_text(declared.replace(f"name: {CASE}\n", f"name: {name}\n"))
        place = root / "home" / "data" / "landing"
        place.mkdir(parents=True, exist_ok=True)
        (place / name).symlink_to(landing, target_is_directory=True)
    return root


def copied(root: Path) -> None:
    """A copy of the project with this one use case."""
    shutil.rmtree(root, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__", "results.json")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, root / package, ignore=ignored)
    for file in ("dagster.yaml", "pyproject.toml"):
        shutil.copy(ROOT / file, root / file)
    for other in (root / "pipelines" / "use_cases").glob("*/defs.yaml"):
        if other.parent.name != CASE:
            shutil.rmtree(other.parent)


def _graph(root: Path, surrounds: dict[str, str], times: int) -> dict[str, Any]:
    """Seconds of the UI's asset-graph query on a running webserver: the first, and those after it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        str(Path(sys.executable).with_name("dagster-webserver")),
        "-m",
        "pipelines.definitions",
        "-h",
        "127.0.0.1",
        "-p",
        f"{port}",
    ]
    env = {
        **os.environ,
        **surrounds,
        "DAGSTER_HOME": str(root / "home" / "data" / "dagster"),
        "DAGSTER_DISABLE_TELEMETRY": "1",
    }
    with (root / "webserver.log").open("w") as log:
        server = subprocess.Popen(command, cwd=root, env=env, stdout=log, stderr=log)
        try:
            _until_it_answers(port, server, root / "webserver.log")
            took = [_asked(port) for _ in range(times + 1)]
        finally:
            server.terminate()
            server.wait(30)
    return {"first_graph_s": took[0], "graph_s": took[1:]}


def _until_it_answers(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise BenchError(f"the webserver didn't come up: {log.read_text()[-1000:]}")


def _asked(port: int) -> float:
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql", json.dumps({"query": GRAPH}).encode(), {"Content-Type": "application/json"}
    )
    begun = time.perf_counter()
    with urllib.request.urlopen(asked, timeout=300) as answer:
        said = json.loads(answer.read())
    if said.get("errors") or not said["data"]["assetNodes"]:
        raise BenchError(f"the webserver answered {json.dumps(said)[:500]}")
    return time.perf_counter() - begun
