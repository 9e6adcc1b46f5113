"""Let a service wait for the code server, so that a clean start logs no stack trace.

Dagster's pages and its daemon log several pages of errors if they start before the code server has loaded the use
cases, though nothing is wrong. They import their code first and wait afterwards: a busy machine imports at the same
time.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import yaml

LONGEST_WAIT = 90.0  # seconds; after that, the service starts, and reports itself that the code server is missing
PAUSE = 0.2  # seconds between two attempts
WORKSPACE_OPTION = "-w"


def wait_for_code_server(arguments: Sequence[str], seconds: float = LONGEST_WAIT) -> bool:
    """Wait until the code servers of a workspace listen. Return whether they do, or whether there is none to wait for.

    arguments: those of Dagster's command, with the path of its workspace file after `-w`.
    """
    deadline = time.monotonic() + seconds
    for path in _read_sockets(arguments):
        while not _listens(path):
            if time.monotonic() > deadline:
                print(f"code server: silent for {seconds:.0f} s at {path}", file=sys.stderr, flush=True)
                return False
            time.sleep(PAUSE)
    return True


def _read_sockets(arguments: Sequence[str]) -> list[str]:
    """Return the sockets that the workspace file names. Dagster starts the servers of other locations itself."""
    if WORKSPACE_OPTION not in arguments[:-1]:
        return []
    workspace = yaml.safe_load(Path(arguments[arguments.index(WORKSPACE_OPTION) + 1]).read_bytes())
    servers = [location.get("grpc_server", {}) for location in workspace.get("load_from", [])]
    return [server["socket"] for server in servers if "socket" in server]


def _listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(path)
        except OSError:
            return False
    return True
