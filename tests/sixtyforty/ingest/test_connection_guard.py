"""Connections: a name that leads to the metadata service, now or later, reads no secret of the machine."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sixtyforty.ingest.bucket import Bucket
from sixtyforty.ingest.connection_guard import refuse_machine_addresses

METADATA = "169.254.169.254"


class Redirect(BaseHTTPRequestHandler):
    """A file server that lists one file, and redirects its reader to the metadata service."""

    def do_GET(self) -> None:
        is_list = self.path == "/out/"
        content = b'<a href="/out/calls.csv">calls.csv</a>' if is_list else b""
        self.send_response(200 if is_list else 302)
        self.send_header("location", f"http://{METADATA}/latest/meta-data/")
        self.send_header("content-length", f"{len(content)}")
        self.end_headers()
        self.wfile.write(content)

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def server() -> Iterator[int]:
    """The port of the redirecting server."""
    running = ThreadingHTTPServer(("127.0.0.1", 0), Redirect)
    threading.Thread(target=running.serve_forever, args=[0.05], daemon=True).start()
    yield running.server_port
    running.shutdown()
    running.server_close()


@pytest.fixture
def resolved(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses to which every name leads, in turn; the last one for ever. No packet leaves the machine."""
    addresses = [METADATA]

    def resolve(host: Any, port: Any, *_: Any, **__: Any) -> list[Any]:
        address = addresses.pop(0) if len(addresses) > 1 else addresses[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, int(port or 0)))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return addresses


@pytest.mark.parametrize("url", ["http://files.example/out", "https://files.example/out", "ftp://files.example/out"])
def test_a_name_that_leads_to_the_metadata_service_is_refused(url: str, resolved: list[str]) -> None:
    with pytest.raises((OSError, RuntimeError)) as refusal:
        Bucket(url).list_files("*.csv")
    assert "link-local address" in f"{refusal.value} {refusal.value.__cause__}"


def test_a_name_that_leads_elsewhere_later_is_refused(server: int, resolved: list[str]) -> None:
    """DNS rebinding: the first answer is harmless, the second one isn't."""
    resolved[:] = ["127.0.0.1", METADATA]
    with refuse_machine_addresses():
        socket.create_connection(("rebinding.example", server)).close()
        with pytest.raises(PermissionError, match="metadata service"):
            socket.create_connection(("rebinding.example", server))


def test_a_server_that_redirects_to_the_metadata_service_is_refused(server: int, tmp_path: Path) -> None:
    bucket = Bucket(f"http://127.0.0.1:{server}/out")
    with pytest.raises(OSError, match="link-local address"):
        bucket.files.invalidate_cache()
        with bucket._guard():
            bucket.files.cat_file(f"http://127.0.0.1:{server}/out/calls.csv")


@pytest.mark.parametrize("host", [METADATA, "fe80::1", "fd00:ec2::254", "::ffff:169.254.169.254", "localhost"])
def test_only_addresses_of_servers_are_connected(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with refuse_machine_addresses(), socket.socket(family) as connection, pytest.raises(PermissionError):
        connection.connect((host, 80))


def test_other_connections_are_not_checked(server: int) -> None:
    with refuse_machine_addresses():
        pass
    with socket.create_connection(("localhost", server)) as connection:
        assert connection.getpeername()[1] == server
