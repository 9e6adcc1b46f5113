"""Start and stop the services of one machine: code server, webservers, desk, daemon and watch.

Supervisor keeps the services running: it restarts a service that was killed (see `supervisor.py`). The files of the
services are in data/services: the configuration, which each start writes again, the sockets and the logs. Secrets stay
in the environment, which the services inherit. Every service listens on 127.0.0.1 or on a socket that only its owner
can open.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import psutil

from pipelines.operations.foreground import serve
from pipelines.operations.service_health import find_unhealthy
from pipelines.operations.supervisor import (
    Ports,
    ServicesError,
    control,
    is_running,
    program_states,
    read_addresses,
    services_folder,
    ui_commands,
    write_configuration,
)
from pipelines.settings import ROOT, Settings, load_settings, prepare_dagster_home
from sixtyforty.storage.locks import exclusive_lock

OWNER_VARIABLE = "SIXTYFORTY_SERVICES"  # Environment variable with the home, set in every process of the services.
START_SECONDS = 120.0


@dataclass(frozen=True)
class RunningServices:
    """The running services: addresses of the pages, folder of the logs, and state of each program.

    `reaped`: ids of runs that were marked failed, because their process had ended.
    """

    pages: str
    read_only: str
    desk: str
    logs: Path
    programs: dict[str, str]
    reaped: list[str]


@dataclass(frozen=True)
class StoppedServices:
    """Whether the services were running when they were stopped, and how many leftover processes were ended."""

    was_running: bool
    left_over: int


def up(port: int, readonly_port: int, desk_port: int, watch_port: int) -> RunningServices:
    """Start the services, wait until they are ready, and return their addresses.

    If the services already run, start nothing. A second start at the same time waits for the first start.
    Raises ServicesError, which names the services that are not ready and the folder of the logs.
    """
    settings = prepare_dagster_home()
    with exclusive_lock(services_folder(settings) / "up.lock", "start the services"):
        dead_runs = [] if is_running(settings) else _start(settings, Ports(port, readonly_port, desk_port, watch_port))
        addresses = read_addresses(settings)
        _wait_until_ready(settings, addresses)
        return RunningServices(**addresses, logs=_logs(settings), programs=program_states(settings), reaped=dead_runs)


def serve_ui(port: int) -> None:
    """Serve Dagster's pages and daemon until SIGTERM or Ctrl-C, then end them and their runs.

    Raises ServicesError if the services already run or one of them ends by itself, and LockTimeoutError if another
    process already serves the pages of this home.
    """
    settings = prepare_dagster_home()
    if is_running(settings):
        raise ServicesError(f"Already served at {read_addresses(settings)['pages']}. To stop that: sixtyforty down")
    with _ui_lock(settings):
        _end_leftover_processes(settings)
        _fail_dead_runs()
        serve(ui_commands(settings, port), ROOT, _environment(settings))


def _ui_lock(settings: Settings) -> AbstractContextManager[None]:
    """Return the lock that `serve_ui` holds, as two daemons on one storage would launch each run twice."""
    return exclusive_lock(services_folder(settings) / "ui.lock", "serve Dagster's pages: sixtyforty ui", timeout=0)


def _fail_dead_runs() -> list[str]:
    """Mark runs as failed whose process has ended, and return their ids. No service may run.

    Opening the instance also creates its storage. Services that start at the same time would each create it.
    """
    import dagster as dg

    from pipelines.automation.housekeeping import fail_dead_runs

    with dg.DagsterInstance.get() as instance:
        return fail_dead_runs(instance, nothing_can_start=True)


def _environment(settings: Settings) -> dict[str, str]:
    return os.environ | {OWNER_VARIABLE: str(settings.home), "PYTHONUNBUFFERED": "1"}


def _prepare_start(settings: Settings, ports: Ports) -> tuple[list[str], list[str]]:
    """Prepare a start of Supervisor: end leftover processes, write the configuration, and mark dead runs as failed.

    Return Supervisor's command, and the ids of the marked runs. Raises LockTimeoutError while `serve_ui` runs.
    """
    with _ui_lock(settings):
        _end_leftover_processes(settings)
    configuration = write_configuration(settings, ports)
    dead_runs = _fail_dead_runs()
    return [str(Path(sys.executable).with_name("supervisord")), "-c", str(configuration)], dead_runs


def _start(settings: Settings, ports: Ports) -> list[str]:
    """Start Supervisor and the services. Return the ids of runs that were marked failed, as their process had ended."""
    command, dead_runs = _prepare_start(settings, ports)
    subprocess.run(command, cwd=ROOT, env=_environment(settings), check=True)
    return dead_runs


def run_in_foreground(port: int, readonly_port: int, desk_port: int, watch_port: int) -> NoReturn:
    """Replace this process by Supervisor, which ends with its services on SIGTERM or Ctrl-C.

    Use this under systemd or in a container, which then see when Supervisor ends. Raises ServicesError if the services
    already run.
    """
    settings = prepare_dagster_home()
    if is_running(settings):
        raise ServicesError("The services of this home already run. To stop them: sixtyforty down")
    command, _ = _prepare_start(settings, Ports(port, readonly_port, desk_port, watch_port))
    os.chdir(ROOT)
    os.execve(command[0], [*command, "--nodaemon"], _environment(settings))


def down() -> StoppedServices:
    """Stop the services and kill leftover processes. A run that doesn't end within STOP_SECONDS is retried later.

    Raises ServicesError if Supervisor does not stop.
    """
    settings = load_settings()
    was_running = is_running(settings)
    if was_running:
        control(settings).supervisor.shutdown()
        _wait_until_stopped(settings)
    return StoppedServices(was_running, _end_leftover_processes(settings))


def _logs(settings: Settings) -> Path:
    return services_folder(settings) / "logs"


def _wait_until_ready(settings: Settings, addresses: Mapping[str, str]) -> None:
    missing: list[str] = []

    def nothing_is_missing() -> bool:
        missing[:] = find_unhealthy(settings, addresses)
        return not missing

    if not _wait(nothing_is_missing):
        services = ", ".join(missing)
        raise ServicesError(f"Services not ready after {START_SECONDS:.0f} s: {services}. See {_logs(settings)}.")


def _wait_until_stopped(settings: Settings) -> None:
    if not _wait(lambda: not is_running(settings)):
        raise ServicesError(f"Supervisor has not stopped after {START_SECONDS:.0f} s. See {_logs(settings)}.")


def _wait(condition: Callable[[], bool]) -> bool:
    """Wait up to START_SECONDS for a condition to become true. Return whether it became true."""
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.3)
    return True


def _end_leftover_processes(settings: Settings) -> int:
    """Kill leftover processes of services whose Supervisor was killed. Return the number of processes.

    Two daemons on one storage would launch each run twice. The processes are killed, because a run that is asked to
    end counts as canceled and is not retried.
    """
    leftovers = [process for process in psutil.process_iter() if belongs_to_services(process, settings)]
    for process in leftovers:
        process.kill()
    psutil.wait_procs(leftovers, timeout=10)
    return len(leftovers)


def belongs_to_services(process: psutil.Process, settings: Settings) -> bool:
    """Return whether the services of this home started a process. False if the process has ended or can't be read."""
    try:
        return process.pid != os.getpid() and process.environ().get(OWNER_VARIABLE) == str(settings.home)
    except (psutil.Error, OSError):
        return False
