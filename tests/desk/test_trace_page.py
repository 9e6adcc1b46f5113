"""The auditor's page: a decision is found by words or id, and traced to its files."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import pytest

from sixtyforty.decisions.column_labels import ColumnLabels
from sixtyforty.decisions.decision_table import decisions_dataset, read_decisions
from sixtyforty.decisions.decision_trace import UnknownFiles, UnknownVerdict
from sixtyforty.decisions.delivery import deliver_decisions
from sixtyforty.decisions.provenance import trace_decision
from sixtyforty.spec.kpi_wording import describe_action
from sixtyforty.storage.duckdb_session import QueryTooSlowError
from tests.desk.conftest import DAY, PREVIOUS_DAY, Person, RunningDesk, Tabs, visible_text


def test_a_decision_is_found_by_words_and_traced_by_id(desk: RunningDesk, auditor: Person) -> None:
    row = read_decisions(desk.ws, DAY, "replay")[3]
    decision_id = row.decision_id
    for words in (f"{row.unit['id']}", f"{DAY} {row.unit['id']}", f"{decision_id[:-3]}"):
        page = auditor.get(f"/trace?q={words}")
        assert f"id={decision_id}" in html.unescape(page.text), words
    empty = visible_text(auditor.get("/trace?q=nothing+like+it").text)
    assert "0 decisions with “nothing like it”" in empty and "Try fewer words" in empty
    entry = desk.ws.lake.entry(decisions_dataset("replay"), DAY)
    assert entry is not None
    deliver_decisions(desk.ws, {DAY: entry}, "replay")
    action = "wait" if row.action == "act" else "act"
    desk.person("decider").override(decision_id, action, "<b>why not</b>", "/decisions?show=all")
    for address in (f"/trace?id={decision_id}", f"/trace?q={decision_id}"):
        text = visible_text(auditor.get(address).text)
        for expected in (
            row.champion_version,
            row.verdict_id,
            row.data_version,
            "<b>why not</b>",
            "overridden by decider (decider)",
            "seen by decider",
            f"calls_{DAY}.csv",
            "Delivery delivered",
            "for the test",
        ):
            assert expected in text, expected


def test_the_whole_thread_is_exported(desk: RunningDesk, auditor: Person) -> None:
    row = read_decisions(desk.ws, DAY, "replay")[3]
    desk.person("decider").accept(row.decision_id)
    page = auditor.get(f"/trace?id={row.decision_id}").text
    link = re.search(r'href="([^"]+)">Export the whole thread', page)
    assert link
    answer = auditor.get(html.unescape(link[1]))
    assert f'filename="thread_{row.decision_id}.json"' in answer.headers["content-disposition"]
    thread = answer.json()
    assert thread["trace"]["decision"]["decision_id"] == thread["decision_id"] == row.decision_id
    assert ("accepted", "decider") in [(r["event"], r["person"]) for r in thread["responses"]]
    assert thread["exported_by"] == "auditor"
    assert thread["in_words"]["action"] == describe_action(row.action, desk.ws.use_case.kpi) != row.action
    assert thread["in_words"]["outcome"] in ("late", "not late", "not known yet")
    assert auditor.get("/trace/export?id=replay-nothing").status_code == 404
    assert desk.person("owner").get(f"/trace/export?id={row.decision_id}").status_code == 403


@pytest.mark.browser
def test_an_auditor_filters_by_day_and_saves_the_thread(desk: RunningDesk, tabs: Tabs) -> None:
    tab = tabs.open("auditor")
    tab.goto("/trace")
    tab.get_by_label("From day").fill(DAY)
    tab.get_by_label("To day").fill(DAY)
    tab.get_by_role("button", name="Search").click()
    links = tab.locator("main table a")
    links.first.wait_for()
    decision_id = links.first.inner_text()
    assert f"-{DAY}-" in decision_id
    links.first.click()
    with tab.expect_download() as download:
        tab.get_by_role("link", name="Export the whole thread").click()
    assert download.value.suggested_filename == f"thread_{decision_id}.json"


def test_days_and_open_decisions_are_filters(desk: RunningDesk, auditor: Person) -> None:
    page = auditor.get(f"/trace?from={DAY}&to={DAY}").text
    assert f"replay-{DAY}-" in page and f"replay-{PREVIOUS_DAY}-" not in page
    assert "outcome not known yet" in visible_text(auditor.get("/trace?show=open").text)
    for query, status in (("from=yesterday", 400), ("to=9999-12-31", 400), ("from=0001-01-01", 200), ("show=x", 404)):
        assert auditor.get(f"/trace?{query}").status_code == status, query


def test_the_trace_says_which_parts_are_no_longer_stored(desk: RunningDesk, auditor: Person) -> None:
    decision_id = read_decisions(desk.ws, DAY, "replay")[0].decision_id
    trace = trace_decision(desk.ws, decision_id)
    without_parts = replace(
        trace,
        features=None,
        verdicts=[UnknownVerdict("features"), *trace.verdicts[1:]],
        inputs=[UnknownFiles("validated/calls", DAY), *trace.inputs],
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("desk.trace_page.trace_decision", lambda ws, requested_id: without_parts)
        text = visible_text(auditor.get(f"/trace?id={decision_id}").text)
    assert "The features were restated after the decision" in text
    assert "features the manifest of the version that the decision used is no longer stored \u2013 \u2013" in text
    assert f"calls, validated the manifest of the version that the decision used is no longer stored {DAY}" in text
    assert "1 of the verdicts did not accept the data" in text


def test_an_unknown_id_is_explained(auditor: Person) -> None:
    for decision_id in ("replay-2013-03-14-000000000000", "live-2013-03-14-000000000000", "x", "../../etc"):
        page = auditor.get(f"/trace?id={decision_id}")
        assert page.status_code == 404 and "Search by words instead" in page.text, decision_id


def test_a_search_is_bounded_in_words_and_time(auditor: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each word is a condition of the query, so a search of thousands of words would occupy the desk."""
    searched: list[str] = []

    def search(_: object, __: object, words: str, *___: object) -> list[object]:
        searched.append(words)
        raise QueryTooSlowError("The query took longer than 20 seconds.")

    monkeypatch.setattr("desk.trace_page.search_decisions", search)
    page = auditor.get(f"/trace?q={'ab+' * 3000}")
    assert page.status_code == 503 and "Search for the decision&#39;s id" in page.text
    auditor.get(f"/trace?q={'x' * 6000}")
    assert searched == [" ".join(["ab"] * 10), "x" * 200]


def test_people_read_labels_instead_of_codes(
    desk: RunningDesk, auditor: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision = read_decisions(desk.ws, DAY, "replay")[0]
    texts = {"id": {f"{decision.unit['id']}": "The mill"}, "site": {"north": "A wharf", "south": "A wharf"}}
    monkeypatch.setattr("desk.page_request.read_labels", lambda _: ColumnLabels(texts))
    text = visible_text(auditor.get(f"/trace?id={decision.decision_id}").text)
    assert "The mill" in text and "A wharf" in text
    assert "The mill" in visible_text(auditor.get(f"/trace?q={decision.unit['id']}").text)


def test_numbers_are_rounded_for_reading_and_exact_in_the_thread(desk: RunningDesk, auditor: Person) -> None:
    decisions = read_decisions(desk.ws, DAY, "replay")
    decision = next(each for each in decisions if re.search(r"\.\d{5,}", f"{each.expected}"))
    page = auditor.get(f"/trace?id={decision.decision_id}").text
    assert f"{decision.expected}" in html.unescape(page)
    assert re.findall(r"\d\.\d{5,}", visible_text(re.sub(r"(?s)<pre.*?</pre>", "", page))) == []
