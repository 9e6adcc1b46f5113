"""The desk on this machine: one process, on 127.0.0.1 only, which says where it is once it answers."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import sqlalchemy as sa
import uvicorn
from starlette.types import ASGIApp

from desk import accounts, tables
from desk.app import build
from sixtyforty.workspace import Workspace


class PortTaken(RuntimeError):
    """Somebody else listens there."""


class Server(uvicorn.Server):
    """Says when it is ready."""

    def __init__(self, app: ASGIApp, ready: Callable[[], None], proxied: bool) -> None:
        # No log of requests: what people look for isn't for others to read. Only a proxy knows who asks.
        super().__init__(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                server_header=False,
                ws="none",
                lifespan="off",
                proxy_headers=proxied,
                forwarded_allow_ips="127.0.0.1",
            )
        )
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts to listen."""
        await super().startup(sockets)
        self._ready()


def serve(workspaces: Mapping[str, Workspace], port: int, url: str | None, say: Callable[[str], None]) -> None:
    """Serves these use cases, of which there is at least one, until it is told to end. Raises PortTaken.

    `url`: where people reach it, if that isn't where it listens: behind a proxy that speaks https.
    """
    there = urlsplit(url or "")
    with listen(port) as listening:
        database = prepared(next(iter(workspaces.values())).database_url, say)
        here = f"http://127.0.0.1:{listening.getsockname()[1]}" + (f", for others {url}" if url else "")
        app = build(workspaces, database, there.hostname, there.scheme == "https")
        Server(app, lambda: say(f"The desk: {here}"), bool(url)).run([listening])
    database.dispose()


def prepared(url: str, say: Callable[[str], None]) -> sa.Engine:
    """The desk's database. The very first time it says the first accounts, with passwords that it can't say again."""
    database = tables.engine(url)
    if tables.prepare(database):
        for role, password in accounts.first(database).items():
            say(f"Account made: {role}, password {password} (shown this once)")
    return database


def listen(port: int) -> socket.socket:
    """A socket on 127.0.0.1; port 0 takes any that is free. Raises PortTaken."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise PortTaken(f"port {port} can't be listened on ({error.strerror}): choose another with --port") from error
