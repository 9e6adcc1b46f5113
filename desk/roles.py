"""Who may do what. The one table that says so; a page names the thing it needs (`app.ROUTES`)."""

from __future__ import annotations

PAGES = {  # a page's address -> its name in the menu
    "/decisions": "Decisions",
    "/review": "Review",
    "/impact": "Impact",
    "/thread": "Thread",
    "/portfolio": "Portfolio",
    "/people": "People",
    "/maturity": "Maturity",
    "/record": "Record",
}
MAY = {  # each role's pages; the first is the one it comes to
    "decider": ("/decisions", "/people", "/maturity"),
    "expert": ("/review", "/people", "/maturity", "/record"),
    "owner": ("/impact", "/portfolio", "/people", "/maturity", "/record"),
    "auditor": ("/thread", "/maturity", "/record"),
}
READS = {  # what of the outputs of a use case one reads on a page
    "/decisions": "decisions",
    "/review": "review_queue",
    "/impact": "impact_report",
    "/record": "model_record",
}
