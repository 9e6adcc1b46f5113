"""Dagster's webserver, for the browser tests."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.authoring import catalog

MOST_TRIES = 400  # half a second apart: a busy machine takes minutes to start it


@contextmanager
def open_webserver(home: Path, *options: str, guarded: bool = True) -> Iterator[str]:
    """Start Dagster's webserver for a home on a free port, return its URL, and stop it after the block.

    options: further arguments, such as `--read-only`. guarded: False leaves out the project's guard.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    root = Path(catalog.FOLDER).parents[1]
    env = os.environ | {"DAGSTER_HOME": str(home / "data" / "dagster"), "SIXTYFORTY_HOME": str(home)}
    command = [
        *(sys.executable, "-m", "pipelines.operations.guarded_webserver" if guarded else "dagster_webserver"),
        "-w",
        str(root / "workspace.yaml"),
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
        *options,
    ]
    server = subprocess.Popen(command, cwd=root, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(MOST_TRIES):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=5).read()
                break
            except OSError:
                time.sleep(0.5)
        else:
            raise AssertionError("Dagster's webserver didn't start")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()
