"""The web server of the desk: one process that listens on 127.0.0.1 only, and prints its address when it is ready."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import sqlalchemy as sa
import uvicorn
from starlette.types import ASGIApp

from desk.accounts import create_first_accounts
from desk.app import build_app
from desk.connections import MAX_CONNECTIONS, MAX_HEADER_BYTES, TimedProtocol
from desk.oidc import OidcProvider
from desk.oidc_settings import ProviderSettings
from desk.tables import create_tables, open_database
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.security_log import DEFAULT_ADDRESS_DAYS
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
                http=TimedProtocol,
                h11_max_incomplete_event_size=MAX_HEADER_BYTES,
                limit_concurrency=MAX_CONNECTIONS,
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


@dataclass(frozen=True)
class PublicDesk:
    """How people reach the desk, and how they log in.

    - url: the address at which people reach the desk through a proxy; None without a proxy.
    - provider: the OpenID provider through which people can log in; None without one.
    - address_days: the days after which the security log deletes the addresses of clients.
    """

    url: str | None = None
    provider: ProviderSettings | None = None
    address_days: int = DEFAULT_ADDRESS_DAYS


def serve_desk(workspaces: Mapping[str, Workspace], port: int, public: PublicDesk, show: Callable[[str], None]) -> None:
    """Serve the desk of some use cases until the process is asked to end.

    port: 0 chooses a free port. show: a function that prints a line. Raises NoUseCaseError without a use case, and
    PortTakenError if the desk can't listen on the port.
    """
    if not workspaces:
        raise NoUseCaseError(
            "No use case is complete, so the desk has nothing to show. See what is missing: sixtyforty doctor."
        )
    url = urlsplit(public.url or "")
    with listen(port) as listening:
        database = prepare_database(next(iter(workspaces.values())).database_url, show)
        local = f"http://{HOST}:{listening.getsockname()[1]}"
        address = local + (f" (for others: {public.url})" if public.url else "")
        app = build_app(
            workspaces,
            database,
            url.hostname,
            secure=url.scheme == "https",
            address_days=public.address_days,
            provider=OidcProvider(public.provider, public.url or local) if public.provider else None,
        )
        DeskServer(app, lambda: show(f"The desk: {address}"), behind_proxy=bool(public.url)).run([listening])
    database.dispose()


def prepare_database(url: str, show: Callable[[str], None]) -> sa.Engine:
    """Return the desk's database, with its tables. At the first start, create one account per role.

    Each account's password must be changed at its first log-in. show: a function that prints a line with the name and
    the password of a new account.
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
