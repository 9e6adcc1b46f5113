"""The owner's page on the desk: the impact report with current figures."""

from __future__ import annotations

import csv
import io
import math

from starlette.responses import Response

from desk.page_request import PageRequest, Problem
from sixtyforty.accounting.kpi_ledger import read_daily_values
from sixtyforty.accounting.refused_figures import RefusedFiguresError
from sixtyforty.reports.impact_report import ImpactFacts, collect_facts
from sixtyforty.value.lift import Interval

MAX_AGE = 60.0  # seconds for which the figures are cached

CSV_COLUMNS = (  # after the name of the period; money in the KPI's currency
    "decisions",
    "actions",
    "value_of_the_decisions",
    "value_of_the_current_process",
    "gain_over_the_current_process",
    "gain_per_1000",
    "gain_per_1000_low_95",
    "gain_per_1000_high_95",
)


def impact_page(request: PageRequest) -> Response:
    """Show the impact report of a use case."""
    return request.render("impact.html", **vars(_load_facts(request)))


def impact_csv(request: PageRequest) -> Response:
    """Return the table of months or years of the impact report as a CSV file, with a line for the total."""
    facts = _load_facts(request)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([facts.period, *CSV_COLUMNS])
    for period in facts.periods:
        amounts = (period.model, period.current_process, period.gain)
        writer.writerow([period.name, period.decisions, period.acted, *amounts_of(amounts, period.per_1000)])
    summary = facts.summary
    totals = (summary.totals["model"] or 0.0, summary.totals["current_process"] or 0.0, summary.gain)
    interval = summary.lift_vs_current.to_interval()
    writer.writerow(["total", summary.decisions, summary.acted, *amounts_of(totals, interval)])
    name = f"impact_{request.ws.use_case.name}_{request.track}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text.getvalue(), media_type="text/csv", headers=headers)


def amounts_of(amounts: tuple[float, float, float], per_1000: Interval) -> list[str]:
    """Return amounts of money to the cent, as programs write them. An unknown amount is empty."""
    numbers = (*amounts, per_1000.value, per_1000.low, per_1000.high)
    return ["" if math.isnan(number) else f"{number:.2f}" for number in numbers]


def _load_facts(request: PageRequest) -> ImpactFacts:
    """Return the facts of the impact report, at most MAX_AGE seconds old.

    Raises Problem if no outcome is known, or if the figures are refused.
    """
    ws, track = request.ws, request.track

    def compute() -> ImpactFacts:
        if not read_daily_values(ws, track):
            text = "The impact report appears here once the first outcomes are known."
            raise Problem(404, "There is no impact to show yet", text)
        try:
            return collect_facts(ws, track)
        except RefusedFiguresError as error:
            raise Problem(409, "No figures are shown", str(error)) from error

    return request.desk.cache.get("impact", (ws.use_case.name, track), compute, MAX_AGE)
