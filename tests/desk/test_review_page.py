"""The expert's page: the review queue by rank, worked through one by one."""

from __future__ import annotations

from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.decisions.responses import responses_to
from sixtyforty.decisions.review_queue import read_queue
from tests.desk.conftest import DAY, Person, RunningDesk, answers_of_day, decision_text, shown_ids, visible_text
from tests.words import assert_plain


def test_the_queue_is_shown_by_rank_with_the_money_at_stake(desk: RunningDesk, expert: Person) -> None:
    items, page = read_queue(desk.ws, DAY, "replay"), expert.get("/review").text
    assert_plain(page)
    assert shown_ids(page) == [i.decision_id for i in items] and len(items) > 5
    for item in items:
        text = f" {decision_text(page, item.decision_id)}"
        assert f" {item.rank}. id " in text
        assert item.why in text
        assert f"Up to EUR {item.value_of_information:,.0f} at stake" in text and f"Reviewer: {item.reviewer}" in text
    entry = desk.ws.lake.entry("review/replay", DAY)
    assert entry is not None
    progress = f"0 of {len(items)} decisions answered, about {5 * len(items)} minutes of review left."
    assert f"{progress} The reviewers have no time for {entry.facts['overflow']} more" in visible_text(page)


def test_an_answer_in_the_queue_is_an_experts_and_leads_to_the_next_decision(desk: RunningDesk, expert: Person) -> None:
    ids = shown_ids(expert.get("/review").text)
    done = expert.accept(ids[0], f"/review?date={DAY}")
    assert done.headers["location"] == f"/review?date={DAY}#{ids[1]}"
    done = expert.accept(ids[2], f"/review?date={DAY}")
    assert done.headers["location"].endswith(ids[3])
    assert expert.accept(ids[-1], f"/review?date={DAY}").headers["location"].endswith(ids[-1])
    assert {r.role for r in answers_of_day(desk.ws, DAY).values()} == {"expert"}
    progress = f"3 of {len(ids)} decisions answered, about {5 * len(ids) - 15} minutes of review left."
    assert progress in visible_text(expert.get("/review").text)


def test_of_two_reviewers_the_first_answer_counts(desk: RunningDesk, expert: Person) -> None:
    desk.add_accounts("bo", role="expert")
    bo, decision_id = desk.person("bo"), shown_ids(expert.get("/review").text)[0]
    alternative = read_queue(desk.ws, DAY, "replay")[0].alternative
    assert bo.override(decision_id, alternative, "seen it myself", "/review").status_code == 303
    late = expert.accept(decision_id, "/review")
    assert late.status_code == 409
    text = decision_text(late.text, decision_id)
    assert "Overridden by bo" in text and "already answered this decision" in text
    assert [(r.person, r.action) for r in responses_to(desk.ws, decision_id)] == [("bo", alternative)]


def test_a_decision_outside_the_queue_is_not_reviewed(desk: RunningDesk, expert: Person) -> None:
    queued = set(shown_ids(expert.get("/review").text))
    rows = read_decisions(desk.ws, DAY, "replay")
    decision_id = next(d.decision_id for d in rows if d.decision_id not in queued)
    assert expert.accept(decision_id, "/review").status_code == 404
    assert responses_to(desk.ws, decision_id) == []
