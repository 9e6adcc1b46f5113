"""The roles of the desk and the pages that each may open: this table alone decides."""

from __future__ import annotations

MENU_LABELS = {  # address of a page -> its label in the menu
    "/decisions": "Decisions",
    "/review": "Review",
    "/impact": "Impact",
    "/trace": "Trace",
    "/portfolio": "Portfolio",
    "/people": "People",
    "/maturity": "Maturity",
    "/record": "Model record",
}
PAGES_OF_ROLE = {  # the first page opens after the log-in
    "decider": ("/decisions", "/people", "/maturity"),
    "expert": ("/review", "/people", "/maturity", "/record"),
    "owner": ("/impact", "/portfolio", "/people", "/maturity", "/record"),
    "auditor": ("/trace", "/maturity", "/record"),
}
OUTPUT_OF_PAGE = {  # the output of a use case that somebody reads by opening a page, see `reports.readership`
    "/decisions": "decisions",
    "/review": "review_queue",
    "/impact": "impact_report",
    "/record": "model_record",
}
