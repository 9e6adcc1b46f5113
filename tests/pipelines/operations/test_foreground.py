"""Services in the foreground end on SIGTERM and Ctrl-C, in a terminal, in the background and as process 1."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipelines.operations import foreground
from pipelines.operations.supervisor import STOP_SECONDS, ServicesError
from tests.dagster_runs import wait_for

# A service that writes its process id, and one that has a child and ignores SIGTERM, as a stuck daemon does.
OBEDIENT = "import os, pathlib, time; pathlib.Path('obedient').write_text(str(os.getpid())); time.sleep(600)"
STUBBORN = (
    "import os, pathlib, signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    " child = subprocess.Popen(['sleep', '600']); pathlib.Path('child').write_text(str(child.pid));"
    " pathlib.Path('stubborn').write_text(str(os.getpid())); time.sleep(600)"
)
SERVE = f"""
import os, pathlib, sys
from pipelines.operations import foreground
foreground.STOP_SECONDS = 1.0
commands = {{name: [sys.executable, "-c", text] for name, text in
    (("a", {OBEDIENT!r}), ("b", {STUBBORN!r}))}}
foreground.serve(commands, pathlib.Path.cwd(), os.environ)
print("closed")
"""
FILES = ("obedient", "stubborn", "child")


def in_background() -> None:
    """Ignore Ctrl-C, as a shell lets its background jobs do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def start(place: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start the services: in a terminal, in the background, or as process 1 of a container."""
    command = [sys.executable, "-c", SERVE]
    if place == "as process 1":
        if os.geteuid() or not shutil.which("unshare"):
            pytest.skip("A process becomes process 1 only with unshare and as root.")
        command = ["unshare", "--pid", "--fork", "--kill-child", *command]
    options: dict[str, Any] = {"cwd": folder, "stdout": subprocess.PIPE, "start_new_session": True}
    options["env"] = os.environ | {"PYTHONPATH": str(Path(foreground.__file__).parents[2])}
    if place == "in a terminal":
        options["stdin"] = pty.openpty()[1]
    if place == "in the background":
        options["preexec_fn"] = in_background
    return subprocess.Popen(command, **options)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("place", ["in a terminal", "in the background", "as process 1"])
def test_no_process_stays_after_the_end(place: str, number: signal.Signals, tmp_path: Path) -> None:
    """Once, `make ui` ignored both signals as a background job, and stayed with its port taken."""
    process = start(place, tmp_path)
    wait_for(lambda: all((tmp_path / name).exists() and (tmp_path / name).read_text() for name in FILES), pause=0.02)
    group = psutil.Process(process.pid).children(recursive=True)
    assert len(group) >= 3
    if place == "in a terminal" and number is signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        target = group[0].pid if place == "as process 1" else process.pid
        os.kill(target, number)
    assert process.communicate(timeout=60)[0] == b"closed\n"
    assert process.returncode == 0
    assert not [child for child in group if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def test_the_end_of_a_service_ends_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = {"a": [sys.executable, "-c", OBEDIENT], "b": [sys.executable, "-c", "raise SystemExit(3)"]}
    with pytest.raises(ServicesError, match=r"The service b ended by itself \(exit code 3\)"):
        foreground.serve(commands, tmp_path, os.environ)
    name = tmp_path / "obedient"
    assert not name.exists() or not psutil.pid_exists(int(name.read_text()))


def test_the_time_to_end_is_short() -> None:
    """The services have ten seconds to end, of which the commands themselves need some."""
    assert STOP_SECONDS < 10


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
def test_handlers_are_restored(handler: Callable[..., Any]) -> None:
    previous = signal.signal(signal.SIGTERM, handler)
    try:
        with pytest.raises(KeyboardInterrupt), foreground.interrupt_on_signals():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
        assert signal.getsignal(signal.SIGTERM) == handler
    finally:
        signal.signal(signal.SIGTERM, previous)


def test_a_service_goes_on_when_nobody_reads_its_output(tmp_path: Path) -> None:
    """Once, the watch ended with its first alert after Supervisor was killed."""
    text = (
        "import pathlib; from pipelines.operations.foreground import print_line; input();"
        " print_line('a'); print_line('b'); pathlib.Path('done').touch()"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(foreground.__file__).parents[2])}
    command = [sys.executable, "-c", text]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin and process.stdout
        process.stdout.close()
        process.stdin.write(b"\n")
        process.stdin.close()
    assert process.returncode == 0
    assert (tmp_path / "done").exists()
