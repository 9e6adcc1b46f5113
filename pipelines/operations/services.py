"""The production set on one machine: code server, webserver, read-only webserver, desk and daemon, kept running.

Supervisor starts again what was killed. All that it needs lies in data/services: its configuration, written anew at
each start from `PROGRAMS`, its socket and the logs. Secrets stay in the environment, which the programs inherit.
Everything listens on 127.0.0.1 or on a socket that only its owner can open.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

import psutil

from pipelines.settings import ROOT, Profile, prepare, profile

MARK = "SIXTYFORTY_SERVICES"  # in the environment of all that the set starts: whose it is
LONGEST_SOCKET = 100  # bytes; the system allows some 108, and Supervisor adds a process id while it starts
PATIENCE = 120.0  # seconds until all are ready, or gone


class ServicesError(RuntimeError):
    """The set didn't come up, or didn't go down."""


@dataclass(frozen=True)
class Program:
    """One of the set: its command, with {port}, {socket} and the like to be filled in."""

    name: str
    command: str
    order: int
    drains: bool = False  # when stopped, the children it started may end what they are at


PROGRAMS = (
    Program("code", "dagster api grpc -m pipelines.definitions --socket {socket} --location-name sixtyforty", 1),
    Program("webserver", "dagster-webserver -h 127.0.0.1 -p {port} -w {workspace}", 2),
    Program("readonly", "dagster-webserver -h 127.0.0.1 -p {readonly_port} -w {workspace} --read-only", 2),
    Program("desk", "sixtyforty desk --port {desk_port}", 2),
    Program("daemon", "dagster-daemon run -w {workspace}", 3, drains=True),
    Program("watch", "sixtyforty watch", 4),  # alerts
)


def folder(chosen: Profile) -> Path:
    """Where configuration, sockets and logs of the set lie."""
    return chosen.home / "data" / "services"


def up(port: int, readonly_port: int, desk_port: int) -> dict[str, Any]:
    """Starts the set, waits until it is ready, and returns addresses, logs and the runs found dead.

    Does nothing where it already runs. Raises ServicesError naming what isn't ready, and the log to look at.
    """
    chosen = prepare()
    with _alone(chosen):
        return _up(chosen, {"port": port, "readonly_port": readonly_port, "desk_port": desk_port})


def _up(chosen: Profile, ports: dict[str, int]) -> dict[str, Any]:
    reaped: list[str] = []
    if not running(chosen):
        _sweep(chosen)
        config = _configure(chosen, ports)
        import dagster as dg

        from pipelines.automation.housekeeping import reap

        with dg.DagsterInstance.get() as instance:  # the storage exists before several services open it at once
            reaped = reap(instance, everything=True)
        supervisord = str(Path(sys.executable).with_name("supervisord"))
        marked = os.environ | {MARK: str(chosen.home), "PYTHONUNBUFFERED": "1"}
        subprocess.run([supervisord, "-c", str(config)], cwd=ROOT, env=marked, check=True)
    addresses = json.loads((folder(chosen) / "addresses.json").read_text())
    _await_ready(chosen, addresses)
    return {**addresses, "logs": str(folder(chosen) / "logs"), "programs": states(chosen), "reaped": reaped}


@contextmanager
def _alone(chosen: Profile) -> Iterator[None]:
    """One start at a time: the second finds the first one's set."""
    folder(chosen).mkdir(parents=True, exist_ok=True)
    with (folder(chosen) / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def down() -> dict[str, Any]:
    """Stops the set and whatever of it is left. Runs that don't end within 20 s continue at the next start."""
    chosen = profile()
    was = running(chosen)
    if was:
        _supervisor(chosen).supervisor.shutdown()
        _until(lambda: not running(chosen), "Supervisor doesn't stop", chosen)
    return {"was_running": was, "left_over": _sweep(chosen)}


def running(chosen: Profile) -> bool:
    """Whether the set's Supervisor is there, be it on its way out."""
    try:
        return bool(_supervisor(chosen).supervisor.getPID())
    except Fault:
        return True
    except (OSError, HTTPException):
        return False


def states(chosen: Profile) -> dict[str, str]:
    """Each program's state in Supervisor's word; RUNNING is what one hopes for. Empty when the set is down."""
    try:
        return {p["name"]: str(p["statename"]) for p in _supervisor(chosen).supervisor.getAllProcessInfo()}
    except (Fault, OSError, HTTPException):
        return {}


def _supervisor(chosen: Profile) -> Any:
    """Supervisor's interface. Raises OSError on use when nobody listens."""
    from supervisor.xmlrpc import SupervisorTransport

    socket = f"unix://{folder(chosen) / 'supervisor.sock'}"
    return ServerProxy("http://127.0.0.1", transport=SupervisorTransport(serverurl=socket))


def _configure(chosen: Profile, ports: dict[str, int]) -> Path:
    """Writes the set's files; returns Supervisor's configuration."""
    place = folder(chosen)
    (place / "logs").mkdir(parents=True, exist_ok=True)
    place.chmod(0o700)
    socket = place / "code.sock"
    if len(os.fsencode(place / "supervisor.sock")) > LONGEST_SOCKET:
        raise ServicesError(f"{place} is too long a path for sockets: set SIXTYFORTY_HOME to a shorter one")
    if "%" in f"{place}{sys.executable}":  # Supervisor expands it, in some of its settings twice
        raise ServicesError(f"{place}: the path can't hold a %")
    socket.unlink(missing_ok=True)
    workspace = place / "workspace.yaml"
    server = {"grpc_server": {"socket": str(socket), "location_name": "sixtyforty"}}
    workspace.write_text(json.dumps({"load_from": [server]}))  # JSON is YAML
    names = {"pages": "port", "read_only": "readonly_port", "desk": "desk_port"}
    addresses = {name: f"http://127.0.0.1:{ports[of]}" for name, of in names.items()}
    (place / "addresses.json").write_text(json.dumps(addresses))
    filled = ports | {"socket": shlex.quote(str(socket)), "workspace": shlex.quote(str(workspace))}
    sections = [
        f"[supervisord]\nlogfile={place}/logs/supervisord.log\nlogfile_maxbytes=5MB\nlogfile_backups=2\n"
        f"pidfile={place}/supervisord.pid\ndirectory={ROOT}\nnocleanup=true\n{'user=root' if not os.geteuid() else ''}",
        f"[unix_http_server]\nfile={place}/supervisor.sock\nchmod=0700",
        "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
    ]
    sections += [_section(p, place, p.command.format(**filled)) for p in PROGRAMS]
    config = place / "supervisord.conf"
    config.write_text("\n\n".join(sections) + "\n")
    return config


def _section(program: Program, place: Path, command: str) -> str:
    """A program as Supervisor wants it. Stopped, it has 20 seconds; then its process group is killed.

    The daemon waits for its runs so long: short ones end well, others are found dead at the next start and tried again.
    """
    word, _, rest = command.partition(" ")
    return (
        f"[program:{program.name}]\n"
        f"command={shlex.quote(str(Path(sys.executable).with_name(word)))} {rest}\n"
        f"priority={program.order}\nstartsecs=3\nautorestart=true\nstartretries=1000\n"
        f"stopasgroup={str(not program.drains).lower()}\nkillasgroup=true\nstopwaitsecs=20\nredirect_stderr=true\n"
        f"stdout_logfile={place}/logs/{program.name}.log\nstdout_logfile_maxbytes=5MB\nstdout_logfile_backups=2"
    )


def _await_ready(chosen: Profile, addresses: dict[str, str]) -> None:
    began = time.monotonic()
    missing: list[str] = []
    while time.monotonic() - began < PATIENCE:
        missing = list(_missing(chosen, addresses))
        if not missing:
            return
        time.sleep(0.5)
    raise ServicesError(f"not ready after {PATIENCE:.0f} s: {', '.join(missing)}; see {folder(chosen) / 'logs'}")


def _missing(chosen: Profile, addresses: dict[str, str]) -> Iterator[str]:
    """What isn't ready: a program that doesn't run, a page that doesn't answer or doesn't see the use cases."""
    found = states(chosen)
    yield from (p.name for p in PROGRAMS if found.get(p.name) != "RUNNING")
    for name, address in addresses.items():
        if not (answers(address) if name == "desk" else sees_definitions(address)):
            yield f"{name} ({address})"


def answers(address: str) -> bool:
    """Whether there is a page at the address."""
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def sees_definitions(address: str) -> bool:
    """Whether Dagster's pages at the address answer, and have loaded the use cases."""
    query = json.dumps({"query": "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"})
    asked = urllib.request.Request(f"{address}/graphql", query.encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return bool(json.load(answer)["data"]["repositoriesOrError"].get("nodes"))
    except (OSError, ValueError):
        return False


def _until(done: Callable[[], bool], problem: str, chosen: Profile) -> None:
    began = time.monotonic()
    while not done():
        if time.monotonic() - began > PATIENCE:
            raise ServicesError(f"{problem}; see {folder(chosen) / 'logs'}")
        time.sleep(0.2)


def _sweep(chosen: Profile) -> int:
    """Ends what is left of a set whose Supervisor was killed: two daemons on one storage would launch twice.

    Returns how many processes that were.
    """
    left = [p for p in psutil.process_iter() if _is_ours(p, chosen)]
    for process in left:
        process.kill()  # a run that is asked to end counts as cancelled, and isn't tried again; a killed one is
    psutil.wait_procs(left, timeout=10)
    return len(left)


def _is_ours(process: psutil.Process, chosen: Profile) -> bool:
    try:
        return process.pid != os.getpid() and process.environ().get(MARK) == str(chosen.home)
    except (psutil.Error, OSError):  # gone, or another user's
        return False
