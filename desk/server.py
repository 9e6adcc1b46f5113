"""The server of the desk: one process that listens on 127.0.0.1 only, and prints its address once it is ready."""

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


class PortTakenError(SixtyfortyError):
    """The desk can't listen on its port."""


class DeskServer(uvicorn.Server):
    """A server that calls `on_ready` once it accepts connections.

    behind_proxy: whether to trust a proxy on this machine that passes on people's IP addresses.
    """

    def __init__(self, app: ASGIApp, on_ready: Callable[[], None], behind_proxy: bool) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,  # addresses contain what people search for, which must not be logged
                server_header=False,
                ws="none",
                lifespan="off",
                proxy_headers=behind_proxy,
                forwarded_allow_ips=HOST,
            )
        )
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept connections."""
        await super().startup(sockets)
        self._on_ready()


def serve_desk(workspaces: Mapping[str, Workspace], port: int, url: str | None, show: Callable[[str], None]) -> None:
    """Serve at least one use case until the process is asked to end. Raises PortTakenError.

    port: 0 chooses a free one. url: the address at which people reach the desk through a proxy; None without a proxy.
    show: prints a line.
    """
    public = urlsplit(url or "")
    with listen(port) as listening:
        database = prepare_database(next(iter(workspaces.values())).database_url, show)
        address = f"http://{HOST}:{listening.getsockname()[1]}" + (f" (for others: {url})" if url else "")
        app = build_app(workspaces, database, public.hostname, public.scheme == "https")
        DeskServer(app, lambda: show(f"The desk: {address}"), behind_proxy=bool(url)).run([listening])
    database.dispose()


def prepare_database(url: str, show: Callable[[str], None]) -> sa.Engine:
    """Return the desk's database with its tables. At the first start, create accounts and show their passwords."""
    database = open_database(url)
    if create_tables(database):
        for role, password in create_first_accounts(database).items():
            show(f"Account created: {role}, password {password} (shown only this once)")
    return database


def listen(port: int) -> socket.socket:
    """Return a socket that listens on 127.0.0.1; port 0 chooses a free one. Raises PortTakenError."""
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise PortTakenError(
            f"The desk can't listen on port {port} ({error.strerror}). Choose another port with --port."
        ) from error
