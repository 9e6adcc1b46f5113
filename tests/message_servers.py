"""Servers that receive messages in tests: one takes JSON over HTTP, the other is a mailbox that speaks SMTP."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class MessageServer:
    """A server that messages are posted to.

    `address`: an Apprise URL. `status`: the HTTP status it answers. `received`: the path and JSON of each message.
    """

    address: str = ""
    status: int = 200
    received: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def texts(self, path: str) -> list[str]:
        """Return the texts of the messages that arrived at a path."""
        return [body["message"] for where, body in self.received if where == path]


@contextmanager
def run_message_server() -> Iterator[MessageServer]:
    """Run a message server on a free port during the block."""
    server = MessageServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if server.status == 200:
                server.received.append((self.path.rstrip("/"), body))
            self.send_response(server.status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http_server:
        server.address = f"json://127.0.0.1:{http_server.server_port}"
        thread = threading.Thread(target=http_server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        http_server.shutdown()
        thread.join()


@dataclass
class Mailbox:
    """A mail server that accepts every message. `full`: it refuses every message for now."""

    port: int = 0
    full: bool = False
    received: list[EmailMessage] = field(default_factory=list)

    @property
    def address(self) -> str:
        """The Apprise URL of the mailbox's owner."""
        return f"mailto://127.0.0.1:{self.port}/?from=chain@example.org&to=person@example.org&mode=insecure"

    def text(self, number: int) -> str:
        """Return the plain text of a message."""
        body = self.received[number].get_body(("plain",))
        assert body is not None
        return str(body.get_content())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one SMTP session (RFC 5321), as far as a client needs it that only delivers mail."""
        writer.write(b"220 ready\r\n")
        while line := await reader.readline():
            command = line.strip().upper()
            if command == b"DATA" and not self.full:
                writer.write(b"354 go on\r\n")
                self.received.append(await self._read_message(reader))
                writer.write(b"250 stored\r\n")
            elif command == b"DATA":
                writer.write(b"452 no room\r\n")
            else:
                writer.write(b"221 bye\r\n" if command == b"QUIT" else b"250 ok\r\n")
            await writer.drain()
            if command == b"QUIT":
                break
        writer.close()

    async def _read_message(self, reader: asyncio.StreamReader) -> EmailMessage:
        lines = []
        while (line := await reader.readline()) != b".\r\n":
            lines.append(line.removeprefix(b"."))
        return message_from_bytes(b"".join(lines), policy=policy.default)


@contextmanager
def run_mailbox() -> Iterator[Mailbox]:
    """Run a mailbox on a free port during the block, in a thread of its own."""
    mailbox, loop = Mailbox(), asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(mailbox.serve, "127.0.0.1", 0))
    mailbox.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield mailbox
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
