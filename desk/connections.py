"""Limits of the desk's connections, so that slow or many clients can't keep others out.

A connection is closed if it doesn't send a request's headers in time, or doesn't take its answer in time. `forms`
limits the time and the size of a request's body.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 10.0  # for the headers of a request
ANSWER_SECONDS = 60.0  # for a client to take the rest of an answer after it was sent
MAX_HEADER_BYTES = 16_384
MAX_CONNECTIONS = 500  # at the same time; uvicorn answers the next one with status 503


class TimedProtocol(H11Protocol):
    """uvicorn's HTTP protocol, with a deadline for the headers of a request and for the end of an answer."""

    header_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for the first request."""
        super().connection_made(transport)
        self._expect_headers()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request. Once the headers are complete, they have no deadline."""
        if not self._is_answering() and self.header_deadline is None:
            self._expect_headers()
        super().data_received(data)
        if self._is_answering():
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline of a connection that is closed."""
        self._stop_waiting()
        super().connection_lost(exc)

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection. If the client doesn't take the rest of its answer, cut the connection."""
        super().timeout_keep_alive_handler()
        self.loop.call_later(ANSWER_SECONDS, self.transport.abort)

    def _is_answering(self) -> bool:
        cycle: Any = self.cycle  # None until the first request
        return cycle is not None and not cycle.response_complete

    def _expect_headers(self) -> None:
        self.header_deadline = self.loop.call_later(HEADER_SECONDS, self._close_unfinished)

    def _stop_waiting(self) -> None:
        if self.header_deadline is not None:
            self.header_deadline.cancel()
            self.header_deadline = None

    def _close_unfinished(self) -> None:
        self.header_deadline = None
        if not self._is_answering():
            self.transport.abort()
