"""The desk in a real browser: by mouse, by keyboard, on a phone, on paper, and for assistive technology."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.decisions.responses import add_responses, responses_to
from sixtyforty.decisions.review_queue import read_queue
from sixtyforty.reports import current_state, impact_report
from sixtyforty.reports.model_record import record_finding, write_record
from sixtyforty.reports.page_templates import page_environment
from sixtyforty.reports.row_preview import preview_rows
from sixtyforty.spec.money import format_money
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.storage.response_log import Response
from tests.desk.conftest import CODE_AS_TEXT, DAY, RunningDesk, Tabs, answers_of_day

pytestmark = pytest.mark.browser
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]  # of axe-core
COLORS = {"type": "rule", "values": ["color-contrast"]}  # all that another theme at the same width can change
LOOKS = ((1280, "light", RULES), (1280, "dark", COLORS), (390, "dark", RULES), (390, "light", COLORS))
PRINTED_WIDTH = 687  # pixels of an A4 page between its margins

CHART_POINTS = 9  # size of a chart's text, if it isn't scaled
SVG_SCALES = "[...document.querySelectorAll('svg')].map(s => s.getBoundingClientRect().width / s.viewBox.baseVal.width)"
SVG_COLORS = """[...new Set([...document.querySelectorAll('svg :is(path, use):not(defs *)')].flatMap(
    e => [getComputedStyle(e).fill, getComputedStyle(e).stroke]))].filter(color => color != 'none')"""
EMPTY_COLUMNS = """[...document.querySelectorAll('table:has(td)')].flatMap(t => [...t.querySelectorAll('thead th')]
    .filter((_, i) => [...t.tBodies[0].rows].every(r => r.cells[i] && !r.cells[i].textContent.trim()))
    .map(head => head.textContent))"""
PAGE_WIDTH = "document.documentElement.scrollWidth"
CUT_OFF = "[...document.querySelectorAll('.wide, main, pre')].filter(e => e.scrollWidth > e.clientWidth + 1).length"


def find_barriers(tab: Any, rules: Any = RULES) -> list[str]:
    """Return what axe reports about the page above minor impact: the rule, the impact and where."""
    violations = Axe().run(tab, options={"runOnly": rules, "resultTypes": ["violations"]}).response["violations"]
    return [
        f"{v['id']} ({v['impact']}): {' '.join(n['target'][0] for n in v['nodes'])}"
        for v in violations
        if v["impact"] != "minor"
    ]


def wait_for_focus(tab: Any, decision_id: str) -> None:
    """Wait until a decision has the keyboard focus: the page's script runs shortly after its text appears."""
    tab.locator(f'[id="{decision_id}"]:focus-within').wait_for()


def item(tab: Any, decision_id: str) -> Any:
    return tab.locator(f'[id="{decision_id}"]')


def test_a_decider_accepts_and_overrides_only_with_a_reason(desk: RunningDesk, tabs: Tabs) -> None:
    tab = tabs.open("decider")
    assert tab.url.endswith("/decisions")
    acting = [d.decision_id for d in read_decisions(desk.ws, DAY, "replay") if d.action == "act"]
    item(tab, acting[0]).get_by_role("button", name="Accept").click()
    item(tab, acting[0]).get_by_text("Accepted by decider").wait_for()

    other = item(tab, acting[1])
    other.get_by_text("Override").first.click()
    other.get_by_role("button", name="Override").click()
    assert other.get_by_label("Reason (required)").evaluate("e => e.validity.valueMissing")  # the browser says so
    other.get_by_label("Reason (required)").evaluate("e => e.required = false")
    other.get_by_role("button", name="Override").click()
    tab.get_by_role("alert").wait_for()  # and so does the desk
    assert "reason" in item(tab, acting[1]).get_by_role("alert").inner_text()
    assert set(answers_of_day(desk.ws, DAY)) == {acting[0]}
    tab.locator("[name=reason]:focus").wait_for()

    tab.keyboard.type("the road is closed")
    tab.keyboard.press("Enter")
    item(tab, acting[1]).get_by_text("Call nobody instead: the road is closed").wait_for()
    answer = answers_of_day(desk.ws, DAY)[acting[1]]
    assert (answer.event, answer.action, answer.reason, answer.person) == (
        "overridden",
        "wait",
        "the road is closed",
        "decider",
    )


def test_code_in_a_reason_is_shown_as_text(desk: RunningDesk, tabs: Tabs) -> None:
    ids = [d.decision_id for d in read_decisions(desk.ws, DAY, "replay") if d.action == "act"][: len(CODE_AS_TEXT)]
    responses = [
        Response(i, "<u>x</u>", "decider", "overridden", "wait", p) for i, p in zip(ids, CODE_AS_TEXT, strict=True)
    ]
    at = read_decisions(desk.ws, DAY, "replay")[0].decided_at
    add_responses(desk.ws, [Response(**(r.__dict__ | {"at": at})) for r in responses])
    tab = tabs.open("decider")
    for decision_id, code in zip(ids, CODE_AS_TEXT, strict=True):
        assert code in item(tab, decision_id).locator("q").inner_text()
    assert tab.locator("main script, main img, main u").count() == 0
    tab = tabs.open("auditor")
    tab.goto(f"/trace?id={ids[0]}")
    assert tab.locator("li q").inner_text() == CODE_AS_TEXT[0]
    assert tab.locator("main script").count() == 0


def test_an_expert_works_through_the_queue_by_keyboard(desk: RunningDesk, tabs: Tabs) -> None:
    ids = [i.decision_id for i in read_queue(desk.ws, DAY, "replay")]
    tab = tabs.open("expert")
    press = tab.keyboard.press
    wait_for_focus(tab, ids[0])
    for key, place in (("j", 1), ("ArrowDown", 2), ("k", 1), ("ArrowUp", 0), ("ArrowUp", 0)):
        press(key)
        wait_for_focus(tab, ids[place])
    press("?")
    assert tab.get_by_text("previous decision").is_visible()
    press("?")
    assert not tab.get_by_text("previous decision").is_visible()

    press("a")
    item(tab, ids[0]).get_by_text("Accepted by expert").wait_for()
    wait_for_focus(tab, ids[1])  # the next decision
    press("o")
    tab.locator("[name=reason]:focus").wait_for()
    press("Enter")
    assert tab.evaluate("document.activeElement.validity.valueMissing")
    tab.keyboard.type("a jam on the bridge?")  # shortcuts are text in a field
    press("Escape")
    wait_for_focus(tab, ids[1])
    assert tab.evaluate("document.activeElement.name") is None
    press("o")
    press("Enter")
    item(tab, ids[1]).get_by_text("a jam on the bridge?").wait_for()
    wait_for_focus(tab, ids[2])
    answers = answers_of_day(desk.ws, DAY)
    assert {i: (answer.event, answer.role) for i, answer in answers.items()} == {
        ids[0]: ("accepted", "expert"),
        ids[1]: ("overridden", "expert"),
    }


def test_of_two_reviewers_the_second_reads_who_was_first(desk: RunningDesk, tabs: Tabs) -> None:
    desk.add_accounts("bo", role="expert")
    contested = read_queue(desk.ws, DAY, "replay")[0].decision_id
    first, second = tabs.open("bo"), tabs.open("expert")
    wait_for_focus(first, contested)
    wait_for_focus(second, contested)
    first.keyboard.press("a")
    item(first, contested).get_by_text("Accepted by bo").wait_for()
    second.keyboard.press("a")
    item(second, contested).get_by_role("alert").wait_for()
    assert "already answered" in item(second, contested).get_by_role("alert").inner_text()
    assert item(second, contested).get_by_text("Accepted by bo").is_visible()
    assert [r.person for r in responses_to(desk.ws, contested)] == ["bo"]


def test_an_undone_answer_is_followed_by_another_one(desk: RunningDesk, tabs: Tabs) -> None:
    tab = tabs.open("decider")
    decision_id = tab.locator("li.item").first.get_attribute("id")
    line = item(tab, decision_id)
    line.get_by_role("button", name="Accept").click()
    line.get_by_role("button", name="Undo").click()
    line.get_by_text("decider withdrew the answer").wait_for()
    line.locator("summary").first.click()
    line.get_by_label("Reason (required)").fill("the fitter is ill")
    line.get_by_role("button", name="Override", exact=True).click()
    line.get_by_text("the fitter is ill").wait_for()
    assert line.get_by_role("button", name="Undo").is_visible()
    answer = answers_of_day(desk.ws, DAY)[decision_id]
    assert (answer.event, answer.attempt) == ("overridden", 2)


def test_an_owner_sees_the_impact_and_an_auditor_traces_a_decision(desk: RunningDesk, tabs: Tabs) -> None:
    owner = tabs.open("owner")
    summary = impact_report.collect_facts(desk.ws, "replay").summary
    assert owner.get_by_text(format_money(summary.gain, summary.unit)).first.is_visible()
    assert owner.evaluate("document.querySelectorAll('svg').length") >= 2
    assert owner.locator("h1").evaluate("e => getComputedStyle(e).fontWeight") == "700"  # the style got through

    row = read_decisions(desk.ws, DAY, "replay")[0]
    auditor = tabs.open("auditor")
    auditor.get_by_label("Decision id or words").fill(f"{row.unit['id']} {DAY}")
    auditor.keyboard.press("Enter")
    auditor.get_by_role("link", name=row.decision_id).click()
    auditor.get_by_text(row.champion_version).first.wait_for()
    auditor.get_by_text("Input files", exact=True).click()
    assert auditor.get_by_text(f"calls_{DAY}.csv").first.is_visible()


def test_the_text_of_charts_is_legible_on_a_phone(tabs: Tabs) -> None:
    tab = tabs.open("owner", viewport={"width": 390, "height": 844})
    tab.goto("/impact")
    scales = tab.evaluate(SVG_SCALES)
    assert scales and min(scales) * CHART_POINTS >= 9  # pixels
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390  # a chart scrolls in a frame of its own


def luminance(color: str) -> float:
    """Return the relative luminance of `rgb(…)`, as WCAG 2.2 defines it."""
    shares = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_lines_of_charts_stand_out_in_both_themes(tabs: Tabs) -> None:
    tab = tabs.open("owner")
    for theme in ("light", "dark"):
        tab.emulate_media(color_scheme=theme)
        paper = luminance(tab.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert (paper > 0.5) == (theme == "light")
        contrasts = sorted(
            (max(paper, lum) + 0.05) / (min(paper, lum) + 0.05) for lum in map(luminance, tab.evaluate(SVG_COLORS))
        )
        assert contrasts[0] < 2 and len(contrasts) > 3  # the grid
        assert min(contrasts[1:]) >= 3, theme


def test_a_decider_opens_no_page_of_an_owner(tabs: Tabs) -> None:
    tab = tabs.open("decider")
    for address in ("/impact", "/review", "/trace", "/record"):
        tab.goto(address)
        assert tab.locator("h1").inner_text() == "You don't have access to this page"
        menu = tab.get_by_role("navigation").get_by_role("link").all_inner_texts()
        assert menu == ["Decisions", "Afterwards", "People", "Maturity"]
    tab.get_by_role("button", name="Log out").click()
    tab.get_by_role("heading", name="Log in").wait_for()
    tab.go_back()
    tab.goto("/decisions")
    assert tab.get_by_role("heading", name="Log in").is_visible()


def test_the_main_paths_work_without_javascript(desk: RunningDesk, tabs: Tabs) -> None:
    row = next(d for d in read_decisions(desk.ws, DAY, "replay") if d.action == "act")
    tab = tabs.open("decider", java_script_enabled=False)
    decision = item(tab, row.decision_id)
    decision.get_by_text("Override").first.click()
    decision.get_by_label("Reason (required)").fill("by hand")
    decision.get_by_role("button", name="Override").click()
    decision.get_by_text("by hand").wait_for()
    tab = tabs.open("expert", java_script_enabled=False)
    last = read_queue(desk.ws, DAY, "replay")[-1].decision_id
    item(tab, last).get_by_role("button", name="Accept").click()
    item(tab, last).get_by_text("Accepted by expert").wait_for()


def look_at(tab: Any) -> list[str]:
    """Return the barriers of a page at each width and theme, and the widths at which the page itself scrolls."""
    problems = []
    for width, theme, rules in LOOKS:
        tab.set_viewport_size({"width": width, "height": 844})
        tab.emulate_media(color_scheme=theme)
        problems += [f"{width} {theme}: {barrier}" for barrier in find_barriers(tab, rules)]
        problems += [f"{width}: wider than the window"] * (tab.evaluate(PAGE_WIDTH) > width)
    tab.set_viewport_size({"width": 640, "height": 422})  # 1280x844 at 200% zoom
    return problems + ["640: wider than the window"] * (tab.evaluate(PAGE_WIDTH) > 640)


def check_print(tab: Any) -> None:
    """Check that paper has the whole content, light colors and no controls, although the screen is dark."""
    tab.emulate_media(media="print", color_scheme="dark")
    tab.set_viewport_size({"width": PRINTED_WIDTH, "height": 1017})
    assert tab.locator("header.top").is_hidden() and tab.locator("main").is_visible()
    assert tab.locator(":is(button, input, select, .no-print):visible").count() == 0, tab.url
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.evaluate(CUT_OFF) == 0, tab.url
    tab.emulate_media(media="screen")


PAGES = {
    "decider": ["/decisions", "/decisions?show=all&q=nothing", "/afterwards", "/impact", "/people", "/account"],
    "expert": ["/review", "/record"],
    "owner": ["/impact", "/what-if", "/portfolio", "/maturity", "/record?q=gate"],
    "auditor": ["/trace", "/trace?q=2013", "/trace?id={decision_id}", "/security"],
}


def test_every_page_is_accessible_fits_a_phone_and_prints(desk: RunningDesk, tabs: Tabs) -> None:
    row = read_decisions(desk.ws, DAY, "replay")[0]
    at = row.decided_at
    add_responses(
        desk.ws, [Response(row.decision_id, "x" * 40, "decider", "accepted", row.action, at=at, simulated=True)]
    )
    record_finding(desk.ws, "ann", f"{'x' * 300} gate", "Gate")
    write_record(desk.ws, "replay")
    problems: dict[str, list[str]] = {}
    for role, addresses in PAGES.items():
        tab = tabs.open(role)
        for address in addresses:
            tab.goto(address.format(decision_id=row.decision_id))
            tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            assert tab.evaluate(EMPTY_COLUMNS) == [], address
            problems[address] = look_at(tab)
            check_print(tab)
        tab.set_viewport_size({"width": 1280, "height": 844})
        for _ in range(6):  # each stop shows where it is
            tab.keyboard.press("Tab")
            assert tab.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 2
    assert {page: texts for page, texts in problems.items() if texts} == {}


def test_reports_in_files_are_accessible_and_fit_a_phone(desk: RunningDesk, tabs: Tabs) -> None:
    ws, at = desk.ws, datetime(2013, 3, 15)
    rows = {"use_case": ws.use_case, "dataset": "validated/calls", "preview": preview_rows(ws, "validated/calls")}
    pages = {
        "impact": impact_report.write_report(ws, "replay").read_text(),
        "state": current_state.write_report(ws, current_state.describe_current_state(ws, [], at), at).read_text(),
        "rows": page_environment().get_template("rows.html").render(rows | {"nearby": [DAY], "snapshot": SNAPSHOT}),
    }
    tab = tabs.open("owner")
    tab.goto("about:blank")  # the desk's policy would forbid the styles within a report
    for name, page in pages.items():
        tab.set_content(page)
        assert look_at(tab) == [], name
        check_print(tab)


def test_axe_reports_barriers(tabs: Tabs) -> None:
    tab = tabs.open("decider")
    tab.goto("/decisions")
    assert find_barriers(tab) == []
    tab.evaluate(
        """document.querySelector('main').insertAdjacentHTML('beforeend',
        '<img src="/static/desk.svg"><input name="x"><button></button>')"""
    )
    assert {b.split(" ")[0] for b in find_barriers(tab)} >= {"image-alt", "label", "button-name"}


@pytest.mark.parametrize("has_scripts", [True, False])
def test_from_the_log_in_an_owner_asks_what_if_in_three_clicks(tabs: Tabs, has_scripts: bool) -> None:
    tab = tabs.open("owner", press_log_in=True, java_script_enabled=has_scripts)  # the first click
    tab.get_by_role("link", name="What if", exact=True).click()  # the second one
    before = tab.locator("#answer .card b").first.inner_text()
    tab.get_by_label("Cost: call a second fitter in", exact=True).click()  # the third one
    tab.keyboard.press("Control+A")
    tab.keyboard.type("4.5")
    if not has_scripts:
        tab.keyboard.press("Enter")  # "Calculate" would be a fourth click
    tab.get_by_text("Cost: call a second fitter in: EUR 4.50 instead of EUR 3").wait_for()
    assert tab.locator("#answer .card b").first.inner_text() != before
    assert "cost.act=4.5" in tab.url


def test_a_slider_answers_at_once_and_what_was_assumed_can_be_signed(tabs: Tabs) -> None:
    tab = tabs.open("owner")
    tab.goto("/what-if")
    cost = tab.get_by_label("Cost: call a second fitter in", exact=True)
    cost.fill("4.5")
    tab.get_by_role("button", name="Calculate").click()
    tab.get_by_text("Cost: call a second fitter in: EUR 4.50 instead of EUR 3").wait_for()
    assert find_barriers(tab) == []
    tab.get_by_label("Cost: call a second fitter in (slider)").press("End")
    tab.get_by_text("Cost: call a second fitter in: EUR 6 instead of EUR 3").wait_for()
    assert cost.input_value() == "6" and "cost.act=6" in tab.url
    assert tab.get_by_role("button", name="Sign this assumption").is_visible()
