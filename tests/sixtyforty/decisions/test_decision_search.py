"""Decisions are found by the beginning of their key, day or id."""

from __future__ import annotations

from datetime import date, timedelta

from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_search import SearchFilter, search_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.decisions.provenance import trace_decision
from sixtyforty.workspace import Workspace
from tests.sixtyforty.decisions.conftest import KEY


def test_every_word_must_match_the_beginning_of_a_part(ready: Workspace) -> None:
    take_decisions(ready, [KEY], "replay", None)
    decision = read_decisions(ready, KEY, "replay")[3]
    (hit,) = search_decisions(ready, "replay", f"{KEY} {decision.unit['id']}")
    assert (hit.decision_id, hit.partition, hit.unit["id"]) == (decision.decision_id, KEY, decision.unit["id"])
    assert [h.decision_id for h in search_decisions(ready, "replay", decision.decision_id.upper())] == [
        decision.decision_id
    ]
    assert search_decisions(ready, "replay", f"{KEY} nothing") == []


def test_the_newest_decisions_come_first_up_to_the_limit(ready: Workspace) -> None:
    take_decisions(ready, [KEY], "replay", None)
    hits = search_decisions(ready, "replay", KEY, limit=7)
    assert len(hits) == 7
    assert {hit.decided_at for hit in hits} == {
        d.decided_at for d in sorted(read_decisions(ready, KEY, "replay"), key=lambda d: d.decided_at)[-7:]
    }


def test_days_and_open_outcomes_limit_a_search(ready: Workspace) -> None:
    take_decisions(ready, [KEY], "replay", None)
    decisions, day = read_decisions(ready, KEY, "replay"), date.fromisoformat(KEY)
    on_day = SearchFilter(first=day, last=day)
    assert {hit.decision_id for hit in search_decisions(ready, "replay", "", 999, on_day)} == {
        d.decision_id for d in decisions if ready.use_case.local_day(d.decided_at) == day
    }
    later = SearchFilter(first=day + timedelta(days=2))
    assert search_decisions(ready, "replay", "", 999, later) == []
    outcomes = ready.lake.entry("outcomes", KEY)
    still_open = search_decisions(ready, "replay", "", 999, SearchFilter(only_open=True))
    known = {d.decision_id for d in decisions} - {hit.decision_id for hit in still_open}
    traced = {d.decision_id: trace_decision(ready, d.decision_id).outcome for d in decisions}
    assert known == {i for i, outcome in traced.items() if outcome and outcome.known_at}
    assert bool(known) == (outcomes is not None)


def test_without_words_or_decisions_nothing_is_found(ready: Workspace) -> None:
    assert search_decisions(ready, "replay", KEY) == []
    take_decisions(ready, [KEY], "replay", None)
    assert search_decisions(ready, "replay", "  ") == []
    assert search_decisions(ready, "live", KEY) == []
