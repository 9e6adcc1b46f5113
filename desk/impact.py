"""The owner's page: the impact report itself, with its figures as of now, in the desk's frame."""

from __future__ import annotations

import time
from threading import Lock
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup
from starlette.responses import Response

from desk.web import Asked, Problem
from sixtyforty.accounting import kpi_ledger
from sixtyforty.reports import impact_report
from sixtyforty.reports.charts import Chart
from sixtyforty.workspace import Workspace

FRESH = 60.0  # seconds for which what was worked out once is shown again
# A picture comes as a file of its own, which may style itself: the page's policy stays strict.
PICTURE = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}


def _picture(asked: Asked, name: str, chart: Chart) -> Markup:
    where = urlencode({"use_case": asked.ws.use_case.name, "track": asked.track, "name": name})
    return Markup('<p class="wide"><img src="{}" alt="{}"></p>').format(f"/impact/picture?{where}", chart.shows)


class Impact:
    """The report's facts, worked out once for all who look; matplotlib, too, wants one at a time."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[float, dict[str, Any]]] = {}
        self._lock = Lock()

    def facts(self, ws: Workspace, track: str) -> dict[str, Any]:
        """What `report.facts` says, at most FRESH seconds old. Raises Problem when no outcome is known yet."""
        with self._lock:
            at, found = self._kept.get((ws.use_case.name, track), (0.0, {}))
            if not found or time.monotonic() - at > FRESH:
                if not kpi_ledger.days(ws, track):
                    raise Problem(404, "Nothing to account for yet", "Money appears here once outcomes are known.")
                found = impact_report.facts(ws, track)
                self._kept[ws.use_case.name, track] = time.monotonic(), found
            return found

    def page(self, asked: Asked) -> Response:
        """The report, its pictures by their addresses."""
        found = self.facts(asked.ws, asked.track)
        charts = {k: _picture(asked, k, v) for k, v in found.items() if isinstance(v, Chart)}
        return asked.page("impact.html", **found | charts)

    def picture(self, asked: Asked) -> Response:
        """One of the report's pictures."""
        found = self.facts(asked.ws, asked.track).get(asked.query.get("name", ""))
        if not isinstance(found, Chart):
            raise Problem(404, "There is no such picture", "Open the page again.")
        return Response(found.svg, media_type="image/svg+xml", headers=PICTURE)
