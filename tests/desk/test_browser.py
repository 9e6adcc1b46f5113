"""The desk in a real browser: by mouse, by keyboard, on a phone, on paper, and with eyes that see less."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from sixtyforty.decisions.deciding import decisions_of
from sixtyforty.decisions.responses import of, put
from sixtyforty.decisions.review_queue import queue
from sixtyforty.reports import impact_report
from sixtyforty.reports.model_record import note, write
from sixtyforty.storage.response_log import Response
from tests.desk.conftest import PASSWORD, P, Running, answered
from tests.desk.test_pages import PAYLOADS

pytestmark = pytest.mark.browser
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]  # of axe-core


def barriers(tab: Any) -> list[str]:
    """What axe finds on the page that is more than minor: the rule, how bad, and where."""
    found = Axe().run(tab, options={"runOnly": RULES, "resultTypes": ["violations"]}).response["violations"]
    return [
        f"{v['id']} ({v['impact']}): {' '.join(n['target'][0] for n in v['nodes'])}"
        for v in found
        if v["impact"] != "minor"
    ]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The system's Chromium."""
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    flags = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
    ]
    with sync_playwright() as play:
        one = play.chromium.launch(executable_path=chromium, args=flags)
        yield one
        one.close()


class Tabs:
    """Browser windows, each somebody's own; what goes wrong in any of them is kept."""

    def __init__(self, browser: Any, desk: Running) -> None:
        self._browser, self._desk = browser, desk
        self._contexts: list[Any] = []
        self.problems: list[str] = []

    def of(self, name: str, **how: Any) -> Any:
        """A window in which this person has logged in."""
        self._contexts.append(self._browser.new_context(base_url=self._desk.url, **how))
        tab = self._contexts[-1].new_page()
        tab.set_default_timeout(60_000)
        tab.on("pageerror", lambda e: self.problems.append(f"{e}"))
        tab.on("console", lambda m: self.problems.append(m.text) if m.type == "error" else None)
        tab.on("dialog", lambda d: (self.problems.append(f"dialog: {d.message}"), d.dismiss()))
        tab.on("request", lambda r: None if r.url.startswith(self._desk.url) else self.problems.append(r.url))
        tab.goto("/")
        tab.get_by_label("Name").fill(name)
        tab.get_by_label("Password").fill(PASSWORD)
        tab.keyboard.press("Enter")
        tab.get_by_role("button", name="Log out").wait_for()
        return tab

    def close(self) -> None:
        for context in self._contexts:
            context.close()


@pytest.fixture
def tabs(browser: Any, desk: Running) -> Iterator[Tabs]:
    one = Tabs(browser, desk)
    yield one
    one.close()
    assert [p for p in one.problems if "the server responded with a status of 4" not in p] == []


def focused(tab: Any, decision_id: str) -> None:
    """Waits until this decision has the keyboard: a page's script runs a moment after its text is there."""
    tab.locator(f'[id="{decision_id}"]:focus-within').wait_for()


def item(tab: Any, decision_id: str) -> Any:
    return tab.locator(f'[id="{decision_id}"]')


def test_a_decider_accepts_and_overrides_with_a_reason_only(desk: Running, tabs: Tabs) -> None:
    tab = tabs.of("decider")
    assert tab.url.endswith("/decisions")
    acting = [d["decision_id"] for d in decisions_of(desk.ws, P, "replay") if d["action"] == "act"]
    item(tab, acting[0]).get_by_role("button", name="Accept").click()
    item(tab, acting[0]).get_by_text("Accepted by decider").wait_for()

    other = item(tab, acting[1])
    other.get_by_text("Override").first.click()
    other.get_by_role("button", name="Override").click()
    assert other.get_by_label("Why (needed)").evaluate("e => e.validity.valueMissing")  # the browser says so
    other.get_by_label("Why (needed)").evaluate("e => e.required = false")
    other.get_by_role("button", name="Override").click()
    tab.get_by_role("alert").wait_for()  # and so does the desk
    assert "needs its reason" in item(tab, acting[1]).get_by_role("alert").inner_text()
    assert set(answered(desk.ws, P)) == {acting[0]}
    tab.locator("[name=reason]:focus").wait_for()

    tab.keyboard.type("the road is closed")
    tab.keyboard.press("Enter")
    item(tab, acting[1]).get_by_text("Call nobody instead: the road is closed").wait_for()
    kept = answered(desk.ws, P)[acting[1]]
    assert (kept.event, kept.action, kept.reason, kept.person) == (
        "overridden",
        "wait",
        "the road is closed",
        "decider",
    )


def test_reasons_that_are_code_are_text(desk: Running, tabs: Tabs) -> None:
    ids = [d["decision_id"] for d in decisions_of(desk.ws, P, "replay") if d["action"] == "act"][: len(PAYLOADS)]
    said = [Response(i, "<u>x</u>", "decider", "overridden", "wait", p) for i, p in zip(ids, PAYLOADS, strict=True)]
    at = decisions_of(desk.ws, P, "replay")[0]["decided_at"]
    put(desk.ws, [Response(**(r.__dict__ | {"at": at})) for r in said])
    tab = tabs.of("decider")
    for one, payload in zip(ids, PAYLOADS, strict=True):
        assert payload in item(tab, one).locator("q").inner_text()
    assert tab.locator("main script, main img, main u").count() == 0
    tab = tabs.of("auditor")
    tab.goto(f"/thread?id={ids[0]}")
    assert tab.locator("li q").inner_text() == PAYLOADS[0]
    assert tab.locator("main script").count() == 0


def test_a_review_queue_is_worked_off_by_keyboard(desk: Running, tabs: Tabs) -> None:
    ids = [i.decision_id for i in queue(desk.ws, P, "replay")]
    tab = tabs.of("expert")
    press = tab.keyboard.press
    focused(tab, ids[0])
    for key, place in (("j", 1), ("ArrowDown", 2), ("k", 1), ("ArrowUp", 0), ("ArrowUp", 0)):
        press(key)
        focused(tab, ids[place])
    press("?")
    assert tab.get_by_text("the one before").is_visible()
    press("?")
    assert not tab.get_by_text("the one before").is_visible()

    press("a")
    item(tab, ids[0]).get_by_text("Accepted by expert").wait_for()
    focused(tab, ids[1])  # on it goes
    press("o")
    tab.locator("[name=reason]:focus").wait_for()
    press("Enter")
    assert tab.evaluate("document.activeElement.validity.valueMissing")
    tab.keyboard.type("a jam on the bridge?")  # keys are text here
    press("Escape")
    focused(tab, ids[1])
    assert tab.evaluate("document.activeElement.name") is None
    press("o")
    press("Enter")
    item(tab, ids[1]).get_by_text("a jam on the bridge?").wait_for()
    focused(tab, ids[2])
    kept = answered(desk.ws, P)
    assert {i: (kept[i].event, kept[i].role) for i in kept} == {
        ids[0]: ("accepted", "expert"),
        ids[1]: ("overridden", "expert"),
    }


def test_of_two_reviewers_one_wins_and_the_other_is_told(desk: Running, tabs: Tabs) -> None:
    desk.account("bo", role="expert")
    one = queue(desk.ws, P, "replay")[0].decision_id
    first, second = tabs.of("bo"), tabs.of("expert")
    focused(first, one)
    focused(second, one)
    first.keyboard.press("a")
    item(first, one).get_by_text("Accepted by bo").wait_for()
    second.keyboard.press("a")
    item(second, one).get_by_role("alert").wait_for()
    assert "answered already" in item(second, one).get_by_role("alert").inner_text()
    assert item(second, one).get_by_text("Accepted by bo").is_visible()
    assert [r.person for r in of(desk.ws, one)] == ["bo"]


def test_an_owner_sees_impact_and_an_auditor_finds_a_thread(desk: Running, tabs: Tabs) -> None:
    owner = tabs.of("owner")
    gain = impact_report.facts(desk.ws, "replay")["found"]["gain"]
    assert owner.get_by_text(f"{gain:+,.0f}").first.is_visible()
    assert owner.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 200)")
    assert owner.locator("h1").evaluate("e => getComputedStyle(e).fontWeight") == "700"  # the style got through

    row = decisions_of(desk.ws, P, "replay")[0]
    auditor = tabs.of("auditor")
    auditor.get_by_label("Id, or words").fill(f"{row['id']} {P}")
    auditor.keyboard.press("Enter")
    auditor.get_by_role("link", name=row["decision_id"]).click()
    auditor.get_by_text(row["champion_version"]).first.wait_for()
    auditor.get_by_text("Files", exact=True).click()
    assert auditor.get_by_text(f"calls_{P}.csv").first.is_visible()


def test_a_decider_comes_to_no_owners_page(tabs: Tabs) -> None:
    tab = tabs.of("decider")
    for address in ("/impact", "/review", "/thread", "/record"):
        tab.goto(address)
        assert tab.locator("h1").inner_text() == "This page isn't yours"
        menu = tab.get_by_role("navigation").get_by_role("link").all_inner_texts()
        assert menu == ["Decisions", "People", "Maturity"]
    tab.get_by_role("button", name="Log out").click()
    tab.get_by_role("heading", name="Log in").wait_for()
    tab.go_back()
    tab.goto("/decisions")
    assert tab.get_by_role("heading", name="Log in").is_visible()


def test_the_main_paths_work_without_javascript(desk: Running, tabs: Tabs) -> None:
    row = next(d for d in decisions_of(desk.ws, P, "replay") if d["action"] == "act")
    tab = tabs.of("decider", java_script_enabled=False)
    one = item(tab, row["decision_id"])
    one.get_by_text("Override").first.click()
    one.get_by_label("Why (needed)").fill("by hand")
    one.get_by_role("button", name="Override").click()
    one.get_by_text("by hand").wait_for()
    tab = tabs.of("expert", java_script_enabled=False)
    last = queue(desk.ws, P, "replay")[-1].decision_id
    item(tab, last).get_by_role("button", name="Accept").click()
    item(tab, last).get_by_text("Accepted by expert").wait_for()


PAGES = {
    "decider": ["/decisions", "/decisions?show=all&q=nothing", "/impact", "/people"],
    "expert": ["/review", "/record"],
    "owner": ["/impact", "/portfolio", "/maturity", "/record?q=gate"],
    "auditor": ["/thread", "/thread?q=2013", "/thread?id={one}"],
}


def test_every_page_is_accessible_fits_a_phone_and_prints(desk: Running, tabs: Tabs) -> None:
    row = decisions_of(desk.ws, P, "replay")[0]
    at = row["decided_at"]
    put(desk.ws, [Response(row["decision_id"], "x" * 40, "decider", "accepted", row["action"], at=at, simulated=True)])
    note(desk.ws, "ann", f"{'x' * 300} gate", "Gate")
    write(desk.ws, "replay")
    wrong: dict[str, Any] = {}
    for role, addresses in PAGES.items():
        tab = tabs.of(role)
        for address in addresses:
            tab.goto(address.format(one=row["decision_id"]))
            tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            for width in (1280, 390):
                tab.set_viewport_size({"width": width, "height": 844})
                wrong[f"{address} {width}"] = barriers(tab)
                assert tab.evaluate("document.documentElement.scrollWidth") <= width, (address, width)
            tab.emulate_media(media="print")
            assert tab.locator("header.top").is_hidden() and tab.locator("main").is_visible()
            assert tab.locator("button:visible").count() == 0, address
            tab.emulate_media(media="screen")
        tab.set_viewport_size({"width": 1280, "height": 844})
        for _ in range(6):  # each stop shows where it is
            tab.keyboard.press("Tab")
            assert tab.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 2
    assert {k: v for k, v in wrong.items() if v} == {}


def test_a_barrier_is_found(tabs: Tabs) -> None:
    tab = tabs.of("decider")
    tab.goto("/decisions")
    assert barriers(tab) == []
    tab.evaluate(
        """document.querySelector('main').insertAdjacentHTML('beforeend',
        '<img src="/static/desk.svg"><input name="x"><button></button>')"""
    )
    assert {b.split(" ")[0] for b in barriers(tab)} >= {"image-alt", "label", "button-name"}
