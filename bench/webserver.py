"""Start Dagster's webserver on a copy of the project, and time the query of its asset graph."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.measure import BenchError, free_port
from bench.project_copy import environment_of

START_SECONDS = 180
STOP_SECONDS = 30
QUERY_SECONDS = 300
# The fields that the page of the asset graph queries.
ASSET_FIELDS = (
    "id",
    "groupName",
    "isMaterializable",
    "isExecutable",
    "isPartitioned",
    "hasMaterializePermission",
    "description",
    "computeKind",
    "kinds",
    "tags { key value }",
    "owners { __typename }",
    "jobNames",
    "opNames",
    "graphName",
    "repository { id name }",
    "assetKey { path }",
    "dependencyKeys { path }",
    "dependedByKeys { path }",
    "assetChecksOrError { __typename }",
)
ASSET_GRAPH_QUERY = f"{{ assetNodes {{ {' '.join(ASSET_FIELDS)} }} }}"


def time_asset_graph(folder: Path, queries: int) -> list[float]:
    """Start a webserver on a copy of the project, and return the seconds of each query of its asset graph.

    Raises BenchError if the webserver doesn't start, or if it answers with an error.
    """
    with _running_webserver(folder) as port:
        return [_time_query(port) for _ in range(queries)]


@contextmanager
def _running_webserver(folder: Path) -> Iterator[int]:
    """Run Dagster's webserver on a copy of the project, and yield the webserver's port."""
    port = free_port()
    program = str(Path(sys.executable).with_name("dagster-webserver"))
    command = [program, "-m", "pipelines.definitions", "-h", "127.0.0.1", "-p", f"{port}"]
    dagster_home = str(folder / "home" / "data" / "dagster")
    environment = {"DAGSTER_HOME": dagster_home, "DAGSTER_DISABLE_TELEMETRY": "1", **environment_of(folder)}
    log = folder / "webserver.log"
    with log.open("w") as output:
        server = subprocess.Popen(command, cwd=folder, env={**os.environ, **environment}, stdout=output, stderr=output)
        try:
            _wait_until_ready(port, server, log)
            yield port
        finally:
            server.terminate()
            server.wait(STOP_SECONDS)


def _wait_until_ready(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise BenchError(f"the webserver did not start: {log.read_text()[-1000:]}")


def _time_query(port: int) -> float:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        json.dumps({"query": ASSET_GRAPH_QUERY}).encode(),
        {"Content-Type": "application/json"},
    )
    started = time.perf_counter()
    with urllib.request.urlopen(request, timeout=QUERY_SECONDS) as response:
        answer = json.loads(response.read())
    if answer.get("errors") or not answer["data"]["assetNodes"]:
        raise BenchError(f"the webserver answered the query of the asset graph with: {json.dumps(answer)[:500]}")
    return time.perf_counter() - started
