"""Servers that messages are sent to: a desk that takes JSON over HTTP, and a mailbox that speaks SMTP."""

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
from typing import Any, cast


@dataclass
class Desk:
    """A server that messages are posted to. `address`: an Apprise URL. `status`: what it answers."""

    address: str = ""
    status: int = 200
    got: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def texts(self, path: str) -> list[str]:
        """What arrived at a path."""
        return [body["message"] for where, body in self.got if where == path]


@contextmanager
def a_desk() -> Iterator[Desk]:
    """A desk on a free port."""
    desk = Desk()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if desk.status == 200:
                desk.got.append((self.path.rstrip("/"), body))
            self.send_response(desk.status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        desk.address = f"json://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield desk
        server.shutdown()
        thread.join()


@dataclass
class Mailbox:
    """A mail server that takes what comes. `full`: it refuses every message, for now."""

    port: int = 0
    full: bool = False
    got: list[EmailMessage] = field(default_factory=list)

    @property
    def address(self) -> str:
        """The Apprise URL of a person who has it."""
        return f"mailto://127.0.0.1:{self.port}/?from=chain@example.org&to=person@example.org&mode=insecure"

    def text(self, number: int) -> str:
        """A message's plain text."""
        body = self.got[number].get_body(("plain",))
        assert body is not None
        return str(body.get_content())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One SMTP session (RFC 5321), as far as a client that only hands over mail needs it."""
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            word = line.strip().upper()
            if word == b"DATA" and not self.full:
                writer.write(b"354 go on\r\n")
                lines = []
                while (data := await reader.readline()) != b".\r\n":
                    lines.append(data.removeprefix(b"."))
                self.got.append(cast(EmailMessage, message_from_bytes(b"".join(lines), policy=policy.default)))
                writer.write(b"250 kept\r\n")
            elif word == b"DATA":
                writer.write(b"452 no room\r\n")
            else:
                writer.write(b"221 bye\r\n" if word == b"QUIT" else b"250 yes\r\n")
            await writer.drain()
            if word == b"QUIT":
                break
        writer.close()


@contextmanager
def a_mailbox() -> Iterator[Mailbox]:
    """A mailbox on a free port, served by a thread of its own."""
    box, loop = Mailbox(), asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(box.serve, "127.0.0.1", 0))
    box.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield box
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
