"""The roles of the desk's accounts, and the pages that each role may open. No other module grants access to pages."""

from __future__ import annotations

MENU_LABELS = {  # label in the menu, by address of the page
    "/decisions": "Decisions",
    "/review": "Review",
    "/impact": "Impact",
    "/trace": "Trace",
    "/portfolio": "Portfolio",
    "/people": "People",
    "/maturity": "Maturity",
    "/record": "Model record",
}
PAGES_OF_ROLE = {  # addresses of the pages that a role may open; the first page opens after the log-in
    "decider": ("/decisions", "/people", "/maturity"),
    "expert": ("/review", "/people", "/maturity", "/record"),
    "owner": ("/impact", "/portfolio", "/people", "/maturity", "/record"),
    "auditor": ("/trace", "/maturity", "/record"),
}
# For each page's address: the output that a person has read once the page has opened. See `reports.readership`.
OUTPUT_OF_PAGE = {
    "/decisions": "decisions",
    "/review": "review_queue",
    "/impact": "impact_report",
    "/record": "model_record",
}
