"""Slow clients: their connections are closed, and other people notice nothing."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from desk import connections, forms
from tests.desk.conftest import RunningDesk


@pytest.fixture
def short_limits(monkeypatch: pytest.MonkeyPatch) -> float:
    """The seconds that these tests give a client for the headers, and for the body."""
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.5)
    monkeypatch.setattr(forms, "BODY_SECONDS", 0.5)
    return 0.5


@pytest.fixture
def connect(desk: RunningDesk) -> Iterator[socket.socket]:
    """A connection to the desk."""
    with socket.create_connection(("127.0.0.1", int(desk.url.rpartition(":")[2])), timeout=30) as connection:
        yield connection


def read_all(connection: socket.socket) -> bytes:
    """Return what the desk sends until it closes the connection."""
    content = b""
    try:
        while part := connection.recv(65_536):
            content += part
    except ConnectionError:
        pass
    return content


@pytest.mark.parametrize("start", [b"", b"G", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "])
def test_headers_that_never_end_close_the_connection(
    start: bytes, short_limits: float, desk: RunningDesk, connect: socket.socket
) -> None:
    connect.sendall(start)
    assert read_all(connect) == b""
    assert desk.client().get("/").status_code == 200


def test_headers_that_drip_have_the_same_deadline(short_limits: float, connect: socket.socket) -> None:
    """Slowloris: a byte now and then doesn't keep a connection open."""
    started = time.monotonic()
    with pytest.raises(ConnectionError):
        for byte in b"GET / HTTP/1.1\r\nX-Slow: " + b"x" * 1000:
            connect.sendall(bytes([byte]))
            time.sleep(0.05)
    assert time.monotonic() - started < 1000 * 0.05


def test_a_second_request_has_the_deadline_too(short_limits: float, connect: socket.socket) -> None:
    connect.sendall(b"GET /static/desk.svg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    answer = b""
    while not answer.endswith(b"</svg>\n"):
        answer += connect.recv(65_536)
    connect.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
    assert read_all(connect) == b""


def test_a_body_that_never_ends_is_refused(short_limits: float, connect: socket.socket) -> None:
    connect.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\nConnection: close\r\n\r\na=")
    answer = read_all(connect)
    assert answer.startswith(b"HTTP/1.1 408") and b"Nothing was saved" in answer


def test_long_headers_are_refused(connect: socket.socket) -> None:
    connect.sendall(b"GET / HTTP/1.1\r\nX-Long: " + b"x" * 2 * connections.MAX_HEADER_BYTES)
    assert not read_all(connect).startswith(b"HTTP/1.1 200")


def test_a_flood_of_connections_is_answered_with_busy(desk: RunningDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk._server.config.limit_concurrency = 3
    address = ("127.0.0.1", int(desk.url.rpartition(":")[2]))
    idle = [socket.create_connection(address) for _ in range(3)]
    assert desk.client().get("/").status_code == 503
    for connection in idle:
        connection.close()
    deadline = time.monotonic() + 20
    while desk.client().get("/").status_code == 503:
        assert time.monotonic() < deadline
