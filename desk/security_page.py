"""The auditor's page with the security log: who did what, from where and when."""

from __future__ import annotations

from starlette.responses import Response

from desk.page_request import PageRequest, Problem, page_number
from sixtyforty.storage.security_log import EVENT_KINDS, SecurityLogError

PAGE_SIZE = 100
MAX_PAGE = 10_000
MAX_AGE = 60.0  # seconds for which the check of the chain is cached


def security_page(request: PageRequest) -> Response:
    """Show the newest events of the security log that the person may see, and whether the log is unchanged.

    People whose role counts only in some use cases see only the events of these use cases.
    """
    kind, log = request.query.get("show", ""), request.desk.security_log
    if kind and kind not in EVENT_KINDS:
        raise Problem(404, "This kind of event doesn't exist", f"Choose one of: {', '.join(EVENT_KINDS)}.")
    number = page_number(request.query.get("page", "1"), MAX_PAGE)
    use_cases = None if request.sees_everything else [*request.page_workspaces]
    events = log.read(PAGE_SIZE + 1, (number - 1) * PAGE_SIZE, kind, use_cases)
    return request.render(
        "security.html",
        events=events[:PAGE_SIZE],
        kinds={"": "all events"} | {name: name for name in EVENT_KINDS},
        kind=kind,
        number=number,
        has_next=len(events) > PAGE_SIZE,
        change=request.desk.cache.get("security", "chain", lambda: _find_change(request), MAX_AGE),
        address_days=request.desk.address_days,
    )


def _find_change(request: PageRequest) -> str:
    """Return what the check of the log's hashes reports; empty if no row was changed."""
    try:
        request.desk.security_log.verify()
    except SecurityLogError as error:
        return str(error)
    return ""
