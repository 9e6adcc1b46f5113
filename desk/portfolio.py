"""The owners' page across use cases: what each is worth and costs, and what to do with it."""

from __future__ import annotations

import time
from threading import Lock
from typing import Any

from starlette.responses import Response

from desk.web import Asked
from sixtyforty.reports import portfolio

FRESH = 60.0  # seconds for which what was worked out once is shown again


class Portfolio:
    """Its facts, worked out once for all who look."""

    def __init__(self) -> None:
        self._at, self._found = 0.0, dict[str, Any]()
        self._lock = Lock()

    def page(self, asked: Asked) -> Response:
        """All use cases of the desk, at most FRESH seconds old."""
        with self._lock:
            if not self._found or time.monotonic() - self._at > FRESH:
                self._found = portfolio.facts(list(asked.desk.workspaces.values()))
                self._at = time.monotonic()
            return asked.page("portfolio.html", **self._found)
