"""The lists, filters and search of a day's decisions."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from desk.decision_day import DecisionDay, ShownDecision, show_decision, sort_decisions
from desk.decision_filters import FactFilter, filter_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.decisions.listed_units import ListedUnit
from sixtyforty.spec.decision_list import DecisionList
from sixtyforty.workspace import Workspace
from tests.desk.conftest import DAY

LIST = DecisionList(show={"due": "x", "site": "y"}, sort="due", filter=["due", "site"])


def shown(ws: Workspace, hour: int = 12, site: str | None = "north") -> ShownDecision:
    """Return the first decision of the day, for a unit that is due at an hour (UTC) of the day."""
    use_case = ws.use_case.model_copy(update={"decision_list": LIST})
    facts = {"due": datetime(2013, 3, 14, hour, 5), "site": site}
    unit = ListedUnit("Call 7", facts)
    return show_decision(use_case, read_decisions(ws, DAY, "replay")[0], ["id"], [], "ann", unit)


def test_each_word_of_a_search_begins_a_part_of_the_line_or_the_id(home: Workspace) -> None:
    decision = shown(home)
    day = DecisionDay(DAY, [DAY], {}, [decision])
    for words in ("", f"{decision.unit['id']} {decision.id[:9].upper()}", "call nor 08:0"):
        assert filter_decisions(day.decisions, day, words=words) == [decision]
    assert filter_decisions(day.decisions, day, words=f"{decision.unit['id']} zebra") == []


def test_a_filter_compares_times_by_their_local_hour_and_other_facts_as_text(home: Workspace) -> None:
    decision = shown(home)
    day = DecisionDay(DAY, [DAY], {}, [decision])
    matches = {
        (name, chosen): len(filter_decisions(day.decisions, day, [FactFilter(name, {}, chosen)]))
        for name, chosen in [("due", "2013-03-14T08"), ("due", "2013-03-14T12"), ("site", "north"), ("site", "south")]
    }
    assert list(matches.values()) == [1, 0, 1, 0]


def test_times_to_come_are_listed_before_times_that_have_passed(home: Workspace, freeze_clock: object) -> None:
    ws = Workspace(home.use_case.model_copy(update={"decision_list": LIST}), home.home, home.database_url)
    unlisted = replace(shown(home), facts={}, due=None)
    decisions = [unlisted, *(shown(home, hour) for hour in (18, 12, 20, 14))]
    freeze_clock(datetime(2013, 3, 14, 16))  # type: ignore[operator]
    assert [d.due and d.due.hour for d in sort_decisions(ws, decisions)] == [14, 16, 8, 10, None]
