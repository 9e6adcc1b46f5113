"""A service waits until the code server of its workspace listens, and not for ever."""

from __future__ import annotations

import json
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.operations.code_server_wait import wait_for_code_server
from pipelines.operations.supervisor import PROGRAMS, UI_PROGRAMS
from pipelines.settings import ROOT


@pytest.fixture
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:  # pytest's folder may be too long for a socket
        yield Path(folder) / "code.sock"


def arguments_for(path: Path) -> list[str]:
    """Write a workspace file for a socket, and return the arguments of a service that reads it."""
    workspace = path.with_name("workspace.yaml")
    server = {"grpc_server": {"socket": str(path), "location_name": "sixtyforty"}}
    workspace.write_text(json.dumps({"load_from": [server]}))
    return ["dagster-daemon", "run", "-w", str(workspace)]


def test_it_waits_until_the_code_server_listens(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        timer = threading.Timer(0.3, server.listen)
        timer.start()
        started = time.monotonic()
        assert wait_for_code_server(arguments_for(path), seconds=30)
        assert time.monotonic() - started >= 0.3, "it waited, though the socket existed before anybody listened"
        timer.join()


def test_it_gives_up_in_one_line_and_lets_the_service_report(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not wait_for_code_server(arguments_for(path), seconds=0.1)
    assert capsys.readouterr().err == f"code server: silent for 0 s at {path}\n"


def test_without_a_workspace_there_is_nothing_to_wait_for() -> None:
    assert wait_for_code_server(["dagster-daemon", "liveness-check"], seconds=0)


def test_a_workspace_of_modules_has_nothing_to_wait_for() -> None:
    assert wait_for_code_server(["-w", str(ROOT / "workspace.yaml")], seconds=0)


def test_each_service_that_loads_the_code_waits() -> None:
    waiting = ("pipelines.operations.dagster_service ", "pipelines.operations.guarded_webserver ")
    for program in (*PROGRAMS, *UI_PROGRAMS):
        if "{workspace}" in program.command:
            assert any(module in program.command for module in waiting), program.name
