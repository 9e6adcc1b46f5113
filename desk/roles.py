"""Who may do what. The one table that says so; a page names the thing it needs (`app.ROUTES`)."""

from __future__ import annotations

PAGES = {  # a page's address -> its name in the menu
    "/decisions": "Decisions",
    "/review": "Review",
    "/impact": "Impact",
    "/thread": "Thread",
    "/record": "Record",
}
MAY = {  # each role's pages; the first is the one it comes to
    "decider": ("/decisions",),
    "expert": ("/review", "/record"),
    "owner": ("/impact", "/record"),
    "auditor": ("/thread", "/record"),
}
