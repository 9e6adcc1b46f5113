"""Configure and control Supervisor, the program that keeps the services running."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from pipelines.settings import ROOT, Settings
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.files import create_folder
from sixtyforty.storage.private_files import PRIVATE_UMASK
from sixtyforty.storage.scratch import scratch_folder

# Maximum length of a socket's path, in bytes. The system allows about 108, and Supervisor appends a process id.
LONGEST_SOCKET = 100
ADDRESSES = "addresses.json"
LOG_FORMATS = {"text": "colored", "json": "json"}  # Dagster's name of each log format


class ServicesError(SixtyfortyError):
    """The services did not start or stop. The message names the service and the log to read."""


@dataclass(frozen=True)
class Program:
    """A service that Supervisor starts. Its command contains placeholders such as {port} and {socket}.

    order: programs with a smaller number start first.
    keeps_children: when the program is stopped, the runs that it started may finish.
    """

    name: str
    command: str
    order: int
    keeps_children: bool = False


FAILING_STATES = ("BACKOFF", "FATAL", "EXITED", "UNKNOWN")
SETTLED_SECONDS = 120
RECENT_RESTART = 70  # seconds; the watch looks once a minute
STOP_SECONDS = 6  # A stopped service has this time to end. Then it is killed, with the processes that it started.
CODE = "-m pipelines.definitions --socket {socket} --location-name sixtyforty --log-format {log_format}"
GUARDED_WEBSERVER = "python -m pipelines.operations.guarded_webserver -h 127.0.0.1 --log-format {log_format}"
SERVICE = "python -m pipelines.operations.dagster_service"
DAEMON = f"{SERVICE} daemon run"
PROGRAMS = (
    Program("code", f"{SERVICE} code api grpc {CODE}", 1),
    Program("webserver", GUARDED_WEBSERVER + " -p {port} -w {workspace}", 2),
    Program("readonly", GUARDED_WEBSERVER + " -p {readonly_port} -w {workspace} --read-only", 2),
    Program("desk", "sixtyforty desk --port {desk_port}", 2),
    Program("daemon", DAEMON + " -w {workspace} --log-format {log_format}", 3, keeps_children=True),
    Program("watch", "sixtyforty watch --port {watch_port}", 4),
)
# The services of `make ui`. Its code server imports edited code when somebody reloads the definitions on the pages.
UI_PROGRAMS = (
    Program("code", f"{SERVICE} code code-server start {CODE}", 1),
    *(program for program in PROGRAMS if program.name in ("webserver", "daemon")),
)


@dataclass(frozen=True)
class Ports:
    """Ports on 127.0.0.1 of Dagster's pages, of its read-only pages, of the desk, and of the watch's figures."""

    port: int
    readonly_port: int
    desk_port: int
    watch_port: int

    def addresses(self) -> dict[str, str]:
        """Return the address of each web server by its name: pages, read_only and desk."""
        ports = {"pages": self.port, "read_only": self.readonly_port, "desk": self.desk_port}
        return {page: f"http://127.0.0.1:{port}" for page, port in ports.items()}


def services_folder(settings: Settings) -> Path:
    """Return the folder with the configuration, sockets and logs of the services."""
    return settings.home / "data" / "services"


def control(settings: Settings) -> Any:
    """Return Supervisor's control interface. Its methods raise OSError if Supervisor is not running."""
    from supervisor.xmlrpc import SupervisorTransport

    socket = f"unix://{services_folder(settings) / 'supervisor.sock'}"
    return ServerProxy("http://127.0.0.1", transport=SupervisorTransport(serverurl=socket))


def is_running(settings: Settings) -> bool:
    """Return whether Supervisor is running or stopping."""
    try:
        return bool(control(settings).supervisor.getPID())
    except Fault:
        return True
    except (OSError, HTTPException):
        return False


def program_states(settings: Settings) -> dict[str, str]:
    """Return the state of each service by its name, such as RUNNING. Empty if the services are stopped."""
    try:
        programs = control(settings).supervisor.getAllProcessInfo()
    except (Fault, OSError, HTTPException):
        return {}
    return {program["name"]: str(program["statename"]) for program in programs}


def list_restarted(settings: Settings) -> list[str]:
    """Return the services that ended and were started again within RECENT_RESTART, or that can't be started.

    Empty until the watch has run for SETTLED_SECONDS, because all services start together.
    """
    try:
        programs = {program["name"]: program for program in control(settings).supervisor.getAllProcessInfo()}
    except (Fault, OSError, HTTPException):
        return []
    ages = {name: program["now"] - program["start"] for name, program in programs.items()}
    if ages.get("watch", 0) < SETTLED_SECONDS:
        return []
    return [
        name
        for name, program in programs.items()
        if program["statename"] in FAILING_STATES or ages[name] < RECENT_RESTART
    ]


def write_configuration(settings: Settings, ports: Ports) -> Path:
    """Write the configuration of the services, and return the path of Supervisor's configuration file.

    Raises ServicesError if Supervisor or a socket cannot use the path of the home.
    """
    folder = services_folder(settings)
    _check_path(folder)
    create_folder(folder / "logs")
    placeholders = {
        "log_format": LOG_FORMATS[settings.log_format],
        **vars(ports),
        **_write_workspace(folder, folder / "code.sock", "workspace.yaml"),
    }
    (folder / ADDRESSES).write_text(json.dumps(ports.addresses()))
    file = folder / "supervisord.conf"
    file.write_text(_configuration(folder, placeholders))
    return file


def ui_commands(settings: Settings, port: int) -> dict[str, list[str]]:
    """Write the workspace of `make ui`, and return the command of each service by its name.

    The code server's socket is in the scratch folder of this process, because the path of a socket must be short.
    """
    socket = scratch_folder(None) / "ui.sock"
    placeholders = {
        "log_format": LOG_FORMATS[settings.log_format],
        "port": port,
        **_write_workspace(services_folder(settings), socket, "ui_workspace.yaml"),
    }
    return {program.name: shlex.split(_full_command(program, placeholders)) for program in UI_PROGRAMS}


def _write_workspace(folder: Path, socket: Path, workspace_name: str) -> dict[str, str]:
    """Write Dagster's workspace file for a code server on a socket. Return both paths, quoted for a command."""
    create_folder(folder)
    folder.chmod(0o700)
    workspace = folder / workspace_name
    socket.unlink(missing_ok=True)
    server = {"grpc_server": {"socket": str(socket), "location_name": "sixtyforty"}}
    workspace.write_text(json.dumps({"load_from": [server]}))  # JSON is valid YAML.
    return {"socket": shlex.quote(str(socket)), "workspace": shlex.quote(str(workspace))}


def _full_command(program: Program, placeholders: Mapping[str, object]) -> str:
    """Return a program's command with the path of its executable, quoted for a shell."""
    executable, _, arguments = program.command.format(**placeholders).partition(" ")
    return f"{shlex.quote(str(Path(sys.executable).with_name(executable)))} {arguments}"


def read_addresses(settings: Settings) -> dict[str, str]:
    """Return the address of each web server, from the file that the newest start of the services wrote."""
    addresses: dict[str, str] = json.loads((services_folder(settings) / ADDRESSES).read_text())
    return addresses


def _check_path(folder: Path) -> None:
    if len(os.fsencode(folder / "supervisor.sock")) > LONGEST_SOCKET:
        raise ServicesError(f"{folder} is too long for the path of a socket. Set SIXTYFORTY_HOME to a shorter path.")
    # Supervisor expands "%" in its configuration, in some settings twice, so escaping is not reliable.
    if "%" in f"{folder}{sys.executable}":
        raise ServicesError(f"{folder} or {sys.executable} contains a %. Use paths without %.")


def _configuration(folder: Path, placeholders: Mapping[str, object]) -> str:
    sections = [
        f"[supervisord]\nlogfile={folder}/logs/supervisord.log\nlogfile_maxbytes=5MB\nlogfile_backups=2\n"
        f"pidfile={folder}/supervisord.pid\ndirectory={ROOT}\nnocleanup=true\numask={PRIVATE_UMASK:03o}\n"
        + ("" if os.geteuid() else "user=root"),
        f"[unix_http_server]\nfile={folder}/supervisor.sock\nchmod=0700",
        "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
        f"[group:sixtyforty]\nprograms={','.join(program.name for program in PROGRAMS)}",
        *(_program_section(program, folder, _full_command(program, placeholders)) for program in PROGRAMS),
    ]
    return "\n\n".join(sections) + "\n"


def _program_section(program: Program, folder: Path, command: str) -> str:
    """Return the section of a program in Supervisor's configuration.

    All programs are in one group, so Supervisor stops them at the same time. A run that the daemon started may finish
    within STOP_SECONDS. A longer run is killed, and the next start retries it.
    """
    return (
        f"[program:{program.name}]\n"
        f"command={command}\n"
        f"priority={program.order}\nstartsecs=3\nautorestart=true\nstartretries=1000\n"
        f"stopasgroup={str(not program.keeps_children).lower()}\nkillasgroup=true\nstopwaitsecs={STOP_SECONDS}\n"
        f"redirect_stderr=true\nstdout_logfile={folder}/logs/{program.name}.log\n"
        "stdout_logfile_maxbytes=20MB\nstdout_logfile_backups=5"
    )
