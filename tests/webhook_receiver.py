"""A web server that takes decisions, and decisions to send to it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any, Literal

import pyarrow as pa

from sixtyforty.decisions.decision_table import decision_schema
from sixtyforty.decisions.delivery_table import insert_decisions
from sixtyforty.decisions.webhook import send_due
from sixtyforty.spec.operation import Webhook
from sixtyforty.spec.track import Track
from sixtyforty.storage.stored_tables import TableStore
from sixtyforty.workspace import Workspace

DAY = "2013-03-13"
WEBHOOK = Webhook(url="HOOK_URL", secret="HOOK_SECRET", batch_size=4)
SECRET = "a-secret-of-enough-characters"
Moment = Literal["received", "stored", "answered"]


def deliver(ws: Workspace, count: int, track: Track = "live") -> list[str]:
    """Deliver some decisions, and return their ids."""
    key = ws.use_case.decision.key
    schema = decision_schema(ws, pa.schema([(column, pa.int64()) for column in key]))
    ids = [f"{track}-{DAY}-{number:012x}" for number in range(count)]
    texts = {"decision_id": ids, "action": ["call"] * count, "decided_by": ["model"] * count, "reason": ["x"] * count}
    numbers = {column: list(range(count)) for column in key}
    rows = {**texts, **numbers, "decided_at": [datetime(2013, 3, 13, 9)] * count}
    columns = [pa.array(rows.get(field.name, [None] * count), field.type) for field in schema]
    store = TableStore(ws.lake.scratch)
    table = store.keep(pa.Table.from_arrays(columns, schema=schema))
    insert_decisions(ws, track, {DAY: table})
    return ids


def send_from_process(ws: Workspace, url: str, now: datetime) -> None:
    """Send the due decisions: what a process does that a test may kill. now: UTC, naive."""
    os.environ.update(HOOK_URL=url, HOOK_SECRET=SECRET)
    send_due(ws, now)


@contextmanager
def running_receiver(
    status: int, at_moment: Callable[[Moment], None] = lambda _: None
) -> Iterator[tuple[str, list[bytes]]]:
    """Serve a web address on this machine. Yield it, with the bodies that it gets.

    at_moment: is called at the moments of each request. The request isn't stored or answered if it raises an error.
    """
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            with suppress(ConnectionError):
                at_moment("received")
                bodies.append(body)
                at_moment("stored")
                self.send_response(status)
                self.send_header("location", "/elsewhere")
                self.send_header("retry-after", "90")
                self.end_headers()
                at_moment("answered")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hook", bodies
        server.shutdown()
