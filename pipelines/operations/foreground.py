"""Run services in the foreground until the process is asked to end. No process and no taken port stays behind.

The terminal sends Ctrl-C to all processes of its group at once. A shell starts background jobs with Ctrl-C ignored. The
kernel ignores signals without a handler for process 1 of a container. So this process handles both signals itself.
The services run in sessions of their own, and end in an order that this process decides.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from pipelines.operations.supervisor import STOP_SECONDS, ServicesError

POLL_SECONDS = 0.1
SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def interrupt_on_signals() -> Iterator[None]:
    """Raise KeyboardInterrupt in the block on SIGTERM and on Ctrl-C, even if this process inherited to ignore them."""
    previous = {number: signal.signal(number, signal.default_int_handler) for number in SIGNALS}
    try:
        yield
    finally:
        _set_handlers(previous)


def print_line(text: str) -> None:
    """Print a line. If nobody reads the output any more, because Supervisor was killed, go on without output."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 (it stays open for the rest of the process)


def serve(commands: Mapping[str, Sequence[str]], folder: Path, environment: Mapping[str, str]) -> None:
    """Start a command for each service, and wait until this process gets SIGTERM or Ctrl-C. Then end all services.

    Services that don't end within STOP_SECONDS are killed, with all processes that they started.
    folder: the working folder of the services. environment: their environment variables.
    Raises ServicesError if a service ends by itself. The other services are then ended, too.
    """
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        with interrupt_on_signals():
            for name, command in commands.items():
                processes[name] = subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True)
            _wait_for_an_end(processes)
    except KeyboardInterrupt:
        pass
    finally:
        previous = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
        _end(list(processes.values()))
        _set_handlers(previous)


def _set_handlers(handlers: Mapping[signal.Signals, object]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)  # type: ignore[arg-type]


def _wait_for_an_end(processes: Mapping[str, subprocess.Popen[bytes]]) -> None:
    while True:
        for name, process in processes.items():
            if process.poll() is not None:
                raise ServicesError(
                    f"The service {name} ended by itself (exit code {process.returncode}), so the others were ended."
                    " Read its last lines above, then start again."
                )
        time.sleep(POLL_SECONDS)


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """End services: ask each one, wait up to STOP_SECONDS, and kill whatever their sessions still hold."""
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=max(deadline - time.monotonic(), 0))
    for process in processes:
        with suppress(ProcessLookupError):  # every process of the session has ended
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
