"""The web server of the desk: one process that listens on 127.0.0.1 only, and prints its address when it is ready."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import sqlalchemy as sa
import uvicorn
from starlette.types import ASGIApp

from desk.accounts import create_first_accounts
from desk.app import build_app
from desk.tables import create_tables, open_database
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.workspace import Workspace

HOST = "127.0.0.1"
GRACE_SECONDS = 5  # A request that is still open so long after the request to stop is cut off.


class PortTakenError(SixtyfortyError):
    """The desk can't listen on the requested port, for example because another program uses it."""


class NoUseCaseError(SixtyfortyError):
    """No use case is complete, so the desk has nothing to show."""


class DeskServer(uvicorn.Server):
    """A web server that calls `on_ready` when it accepts connections.

    behind_proxy: whether a proxy on this machine passes on people's IP addresses and is to be trusted.
    """

    def __init__(self, app: ASGIApp, on_ready: Callable[[], None], behind_proxy: bool) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,  # a log of addresses would contain the words that people search for
                server_header=False,
                ws="none",
                lifespan="off",
                timeout_graceful_shutdown=GRACE_SECONDS,
                proxy_headers=behind_proxy,
                forwarded_allow_ips=HOST,
            )
        )
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept connections, then call `on_ready`."""
        await super().startup(sockets)
        self._on_ready()


def serve_desk(workspaces: Mapping[str, Workspace], port: int, url: str | None, show: Callable[[str], None]) -> None:
    """Serve the desk of some use cases until the process is asked to end.

    port: 0 chooses a free port. url: the address at which people reach the desk through a proxy; None without a proxy.
    show: a function that prints a line. Raises NoUseCaseError without a use case, and PortTakenError if the desk can't
    listen on the port.
    """
    if not workspaces:
        raise NoUseCaseError(
            "No use case is complete, so the desk has nothing to show. See what is missing: sixtyforty doctor."
        )
    public = urlsplit(url or "")
    with listen(port) as listening:
        database = prepare_database(next(iter(workspaces.values())).database_url, show)
        address = f"http://{HOST}:{listening.getsockname()[1]}" + (f" (for others: {url})" if url else "")
        app = build_app(workspaces, database, public.hostname, public.scheme == "https")
        DeskServer(app, lambda: show(f"The desk: {address}"), behind_proxy=bool(url)).run([listening])
    database.dispose()


def prepare_database(url: str, show: Callable[[str], None]) -> sa.Engine:
    """Return the desk's database, with its tables. At the first start, create one account per role.

    show: a function that prints a line with the name and the password of a new account.
    """
    database = open_database(url)
    if create_tables(database):
        for role, password in create_first_accounts(database).items():
            show(f"Account created: {role}, password {password} (shown only this once)")
    return database


def listen(port: int) -> socket.socket:
    """Return a socket that listens on a port of 127.0.0.1; 0 chooses a free port. Raises PortTakenError."""
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise PortTakenError(
            f"The desk can't listen on port {port} ({error.strerror}). Choose another port with --port."
        ) from error
