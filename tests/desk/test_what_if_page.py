"""What if on the desk: without JavaScript, by links within bounds, signed by owners and seen by auditors."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from sixtyforty.accounting.assumption_ledger import open_assumption_ledger
from sixtyforty.accounting.kpi_summary import summarize_kpi
from sixtyforty.reports.verification import list_ledgers
from sixtyforty.spec.money import format_money
from sixtyforty.workspace import Workspace
from tests.desk.conftest import CODE_AS_TEXT, RunningDesk, Tabs, visible_text
from tests.words import assert_plain


@pytest.fixture
def signing_desk(ws: Workspace, tmp_path: Path) -> Iterator[RunningDesk]:
    """A desk with a home of its own, because signatures stay."""
    shutil.copytree(ws.home / "data", tmp_path / "data")
    running = RunningDesk({ws.use_case.name: replace(ws, home=tmp_path)})
    yield running
    running.stop()


def gain_in(page: str) -> str:
    match = re.search(r"<b>([^<]+)</b><span>gain over the current process</span>", page)
    assert match, visible_text(page)
    return html.unescape(match[1])


def test_the_page_opens_with_the_account(desk: RunningDesk) -> None:
    page = desk.person("owner").get("/what-if").text
    assert_plain(page)
    summary = summarize_kpi(desk.ws, "replay")
    assert gain_in(page) == format_money(summary.gain, "EUR")
    text = visible_text(page)
    assert "Nothing is assumed: these are the figures of the account." in text
    assert "Which action each of the" in text and "What happened." in text
    assert "Nobody has signed an assumption yet." in text


def test_a_link_keeps_the_assumption(desk: RunningDesk) -> None:
    owner = desk.person("owner")
    page = owner.get("/what-if?cost.act=4.5&gain.act=&tea=1").text
    assert gain_in(page) != gain_in(owner.get("/what-if").text)
    assert "Cost: call a second fitter in: EUR 4.50 instead of EUR 3" in visible_text(page)
    link = re.search(r'<a href="([^"]+)">Link to this assumption', page)
    assert link and html.unescape(link[1]).endswith("&cost.act=4.5")
    assert gain_in(owner.get(html.unescape(link[1])).text) == gain_in(page)
    assert 'value="4.5"' in page


def test_a_number_out_of_bounds_is_explained(desk: RunningDesk) -> None:
    owner = desk.person("owner")
    for text in ("-1", "nan", "1e5", "1_0", "9" * 400, "10000000001", "١", *CODE_AS_TEXT):
        page = owner.get(f"/what-if?cost.act={quote(text)}")
        assert page.status_code == 400
        assert "Enter a number from EUR 0 to EUR 1,000,000,000" in visible_text(page.text)
        assert "<script>alert" not in page.text and "<img src=x" not in page.text


@pytest.mark.browser
def test_an_owner_signs_with_a_button(browser: Any, signing_desk: RunningDesk) -> None:
    tabs = Tabs(browser, signing_desk)
    tab = tabs.open("owner")
    tab.goto("/what-if?cost.act=4")
    tab.get_by_role("button", name="Sign this assumption").click()
    tab.get_by_text("Cost: call a second fitter in: EUR 4 instead of EUR 3").nth(1).wait_for()
    (row,) = open_assumption_ledger(signing_desk.ws).rows()
    assert (row.by, row.assumed) == ("owner", {"cost.act": 4.0}) and tabs.problems == []
    tabs.close()


def test_an_owner_signs_once_and_an_auditor_sees_who_assumed_what(signing_desk: RunningDesk) -> None:
    desk = signing_desk
    owner, address = desk.person("owner"), "/what-if?cost.act=4"
    account = summarize_kpi(desk.ws, "replay").to_dict()
    for _ in range(2):
        answer = owner.send(address, **{"cost.act": "4", "why": "the <b>offer</b> of May"})
        assert answer.status_code == 303
    (row,) = open_assumption_ledger(desk.ws).rows()
    assert (row.by, row.assumed, row.declared, row.why) == (
        "owner",
        {"cost.act": 4.0},
        {"cost.act": 3.0},
        "the <b>offer</b> of May",
    )
    assert row.declared_gain == summarize_kpi(desk.ws, "replay").gain != row.gain
    assert open_assumption_ledger(desk.ws).path in [ledger.path for ledger in list_ledgers(desk.ws)]
    auditor = desk.person("auditor")
    page = auditor.get("/what-if").text
    assert "Cost: call a second fitter in: EUR 4 instead of EUR 3 : the <b>offer</b> of May" in visible_text(page)
    assert "Sign this assumption" not in auditor.get(address).text
    assert auditor.send(address, **{"cost.act": "4"}).status_code == 403
    assert owner.send(address, why="nothing").status_code == 400
    assert owner.send(address, **{"cost.act": "-4"}).status_code == 400
    assert len(open_assumption_ledger(desk.ws).rows()) == 1
    assert summarize_kpi(desk.ws, "replay").to_dict() == account


def test_without_outcomes_the_page_says_what_comes_next(desk: RunningDesk) -> None:
    page = desk.person("owner").get("/what-if?track=live")
    assert page.status_code == 404
    assert "once the first outcomes are known" in page.text
