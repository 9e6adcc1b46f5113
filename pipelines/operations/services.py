"""Start and stop the services of one machine: code server, webservers, desk, daemon and watch.

Supervisor keeps them running: it restarts what was killed (see `supervisor.py`). Everything they need is in
data/services: the configuration, written again at each start, the sockets and the logs. Secrets stay in the
environment, which the programs inherit. Every program listens on 127.0.0.1 or on a socket that only its owner can open.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from pipelines.operations.supervisor import (
    PROGRAMS,
    Ports,
    ServicesError,
    control,
    is_running,
    program_states,
    read_addresses,
    services_folder,
    write_configuration,
)
from pipelines.settings import ROOT, Settings, load_settings, prepare_dagster_home
from sixtyforty.storage.locks import exclusive_lock

OWNER_VARIABLE = "SIXTYFORTY_SERVICES"  # Marks every process that the services start with their home.
START_SECONDS = 120.0


@dataclass(frozen=True)
class RunningServices:
    """The running services."""

    pages: str
    read_only: str
    desk: str
    logs: Path
    programs: dict[str, str]
    reaped: list[str]


@dataclass(frozen=True)
class StoppedServices:
    """Whether the services ran before they were stopped, and how many processes of an earlier set were ended."""

    was_running: bool
    left_over: int


def up(port: int, readonly_port: int, desk_port: int) -> RunningServices:
    """Start the services, wait until they are ready, and return their addresses.

    Start nothing where they already run. A second start at the same time waits for the first.
    Raises ServicesError naming what is not ready, and the logs.
    """
    settings = prepare_dagster_home()
    with exclusive_lock(services_folder(settings) / "up.lock", "start the services"):
        dead_runs = [] if is_running(settings) else _start(settings, Ports(port, readonly_port, desk_port))
        addresses = read_addresses(settings)
        _wait_until_ready(settings, addresses)
        return RunningServices(**addresses, logs=_logs(settings), programs=program_states(settings), reaped=dead_runs)


def _start(settings: Settings, ports: Ports) -> list[str]:
    """Start Supervisor and its programs; return the runs whose process was gone and that were marked failed."""
    _end_leftover_processes(settings)
    configuration = write_configuration(settings, ports)
    import dagster as dg

    from pipelines.automation.housekeeping import fail_dead_runs

    # This also creates the storage: several services that open it at once would each create it.
    with dg.DagsterInstance.get() as instance:
        dead_runs = fail_dead_runs(instance, nothing_can_start=True)
    supervisord = str(Path(sys.executable).with_name("supervisord"))
    environment = os.environ | {OWNER_VARIABLE: str(settings.home), "PYTHONUNBUFFERED": "1"}
    subprocess.run([supervisord, "-c", str(configuration)], cwd=ROOT, env=environment, check=True)
    return dead_runs


def down() -> StoppedServices:
    """Stop the services and end what is left of them. A run that does not end within 20 s is retried at the next start.

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
        missing[:] = missing_services(settings, addresses)
        return not missing

    if not _wait(nothing_is_missing):
        raise ServicesError(f"Not ready after {START_SECONDS:.0f} s: {', '.join(missing)}. See {_logs(settings)}.")


def _wait_until_stopped(settings: Settings) -> None:
    if not _wait(lambda: not is_running(settings)):
        raise ServicesError(f"Supervisor has not stopped after {START_SECONDS:.0f} s. See {_logs(settings)}.")


def _wait(condition: Callable[[], bool]) -> bool:
    """Wait up to START_SECONDS for a condition; return whether it came true."""
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.3)
    return True


def missing_services(settings: Settings, addresses: Mapping[str, str]) -> Iterator[str]:
    """Yield what is not ready: programs that do not run, pages that do not answer or do not show the use cases."""
    states = program_states(settings)
    yield from (program.name for program in PROGRAMS if states.get(program.name) != "RUNNING")
    for name, address in addresses.items():
        if not (answers(address) if name == "desk" else shows_use_cases(address)):
            yield f"{name} ({address})"


def answers(address: str) -> bool:
    """Return whether a page answers at an address."""
    try:
        with urllib.request.urlopen(address, timeout=10) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def shows_use_cases(address: str) -> bool:
    """Return whether Dagster's pages answer at an address and have loaded the use cases."""
    query = json.dumps({"query": "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"})
    request = urllib.request.Request(f"{address}/graphql", query.encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return bool(json.load(response)["data"]["repositoriesOrError"].get("nodes"))
    except (OSError, ValueError):
        return False


def _end_leftover_processes(settings: Settings) -> int:
    """End what is left of services whose Supervisor was killed; return the number of processes.

    Two daemons on one storage would launch each run twice. The processes are killed, because a run that is asked to
    end counts as cancelled and is not retried.
    """
    leftovers = [process for process in psutil.process_iter() if belongs_to_services(process, settings)]
    for process in leftovers:
        process.kill()
    psutil.wait_procs(leftovers, timeout=10)
    return len(leftovers)


def belongs_to_services(process: psutil.Process, settings: Settings) -> bool:
    """Return whether the services of this home started a process. False if it is gone or another user's."""
    try:
        return process.pid != os.getpid() and process.environ().get(OWNER_VARIABLE) == str(settings.home)
    except (psutil.Error, OSError):
        return False
