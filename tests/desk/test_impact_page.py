"""The owner's page shows the impact report with the same figures."""

from __future__ import annotations

import html
import re

from sixtyforty.reports import impact_report
from tests.desk.conftest import RunningDesk, visible_text
from tests.words import assert_plain


def test_the_page_shows_the_same_figures_as_the_report(desk: RunningDesk) -> None:
    owner = desk.person("owner")
    page = owner.get("/impact").text
    report = impact_report.write_report(desk.ws, "replay").read_text()
    assert_plain(page)
    assert visible_text(report) in visible_text(page)
    assert "<style" not in page and "<svg" not in page
    images = re.findall(r'<img src="([^"]+)" alt="([^"]+)">', page)
    assert len(images) == report.count("<svg") >= 2
    for address, description in images:
        chart = owner.get(html.unescape(address))
        assert chart.headers["content-type"] == "image/svg+xml" and chart.text.startswith("<svg")
        assert "script-src" not in chart.headers["content-security-policy"] and description
        assert chart.headers["content-security-policy"].startswith("default-src 'none'")


def test_a_chart_or_an_impact_that_does_not_exist_is_explained(desk: RunningDesk) -> None:
    owner = desk.person("owner")
    assert owner.get("/impact/chart?name=summary").status_code == 404
    page = owner.get("/impact?track=live")
    assert page.status_code == 404
    assert "There is no impact to show yet" in page.text
