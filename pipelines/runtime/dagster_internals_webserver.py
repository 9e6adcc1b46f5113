"""Hold the private names of Dagster's web server that this project uses. See `dagster_internals` for all others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.middleware import Middleware

WEBSERVER_MODULE = "dagster_webserver"
DAEMON_MODULE = "dagster._daemon"


def put_middleware_first(middleware: Middleware) -> None:
    """Put ASGI middleware before every HTTP request and WebSocket of the web servers that this process starts.

    Purpose: guard Dagster's pages, for which Dagster has no setting. If Dagster removes `build_middleware`: start
    uvicorn with the application of `create_app_from_workspace_process_context`.
    """
    from dagster_webserver.webserver import DagsterWebserver

    build_middleware = DagsterWebserver.build_middleware

    def build_with_middleware(self: Any) -> list[Middleware]:
        return [middleware, *build_middleware(self)]

    DagsterWebserver.build_middleware = build_with_middleware  # type: ignore[method-assign]


def run_dev_services(arguments: Sequence[str], webserver_module: str) -> None:
    """Run `dagster dev` in this process until it ends, with another module in place of Dagster's web server.

    arguments: those of `dagster dev`. webserver_module: a module that takes the arguments of `dagster-webserver`.
    Raises RuntimeError if `dagster dev` starts a program that is neither its web server nor its daemon, because the
    program might open a port without the guard.

    Purpose: guard the pages of `make ui`. If Dagster removes `open_ipc_subprocess`: start the code server, the guarded
    web server and the daemon as three processes.
    """
    from dagster._cli import dev

    start_process = dev.open_ipc_subprocess

    def start_guarded(command: Sequence[str], **options: Any) -> Any:
        if WEBSERVER_MODULE not in command and DAEMON_MODULE not in command:
            raise RuntimeError(
                f"dagster dev starts an unknown program: {command[:3]}. Use `make up` until it is guarded."
            )
        return start_process([webserver_module if part == WEBSERVER_MODULE else part for part in command], **options)

    dev.open_ipc_subprocess = start_guarded
    dev.dev_command.main(list(arguments), standalone_mode=False)
