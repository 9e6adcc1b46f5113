"""The roles of the desk, and the pages that each role may open. No other place grants access."""

from __future__ import annotations

MENU_LABELS = {  # address of a page: its label in the menu
    "/decisions": "Decisions",
    "/review": "Review",
    "/impact": "Impact",
    "/trace": "Trace",
    "/portfolio": "Portfolio",
    "/people": "People",
    "/maturity": "Maturity",
    "/record": "Model record",
}
PAGES_OF_ROLE = {  # role: addresses of its pages; the first page opens after the log-in
    "decider": ("/decisions", "/people", "/maturity"),
    "expert": ("/review", "/people", "/maturity", "/record"),
    "owner": ("/impact", "/portfolio", "/people", "/maturity", "/record"),
    "auditor": ("/trace", "/maturity", "/record"),
}
OUTPUT_OF_PAGE = {  # address of a page: the output that counts as read when it opens, see `reports.readership`
    "/decisions": "decisions",
    "/review": "review_queue",
    "/impact": "impact_report",
    "/record": "model_record",
}
