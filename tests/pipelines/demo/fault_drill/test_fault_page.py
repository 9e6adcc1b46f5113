"""The page of the drilled faults: a partial rerun updates single rows."""

from __future__ import annotations

from pipelines.demo.fault_drill.fault import FaultReport
from pipelines.demo.fault_drill.fault_page import is_failed, make_row, parse_rows, render_page

FULL = FaultReport("disk: full", "no run was due", "", "owner", 1, 0.26, "disk nearly full")
SILENT = FaultReport("feed: silent", "0 decisions | none\ntaken", "3 due decisions missing", "", 0, 0.0)
NAMES = ["disk: full", "feed: silent", "run: killed"]


def test_the_page_has_a_row_for_each_drilled_fault() -> None:
    rows = {report.name: make_row(report, "abc") for report in (SILENT, FULL)}
    page = render_page(rows, NAMES)
    assert "Drilled: 2 faults, 1 of them lost something or alerted nobody. Not drilled yet: 1 fault." in page
    assert page.splitlines()[-4:] == [
        "| fault | what happened | lost | recipient, after how long | drilled at |",
        "| --- | --- | --- | --- | --- |",
        "| disk: full | no run was due | nothing | owner, look 1 (0.3 s): disk nearly full | abc |",
        "| feed: silent | 0 decisions / none taken | 3 due decisions missing | nobody | abc |",
    ]
    assert [is_failed(row) for row in parse_rows(page).values()] == [False, True]


def test_a_partial_rerun_replaces_only_its_rows() -> None:
    before = render_page({report.name: make_row(report, "abc") for report in (SILENT, FULL)}, NAMES)
    cured = FaultReport("feed: silent", "taken", "", "owner", 2, 1.0, "silent feed")
    page = render_page(parse_rows(before) | {cured.name: make_row(cured, "def")}, NAMES)
    assert "Drilled: 2 faults, nothing lost, each one reported. Not drilled yet: 1 fault." in page
    assert parse_rows(page)["disk: full"][-1] == "abc"
    assert parse_rows(page)["feed: silent"][2:] == ["nothing", "owner, look 2 (1.0 s): silent feed", "def"]
