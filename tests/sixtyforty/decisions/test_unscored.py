"""A champion is out of action while the newest decisions are unscored and no other champion has taken its place."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.decisions.champion_scores import unscored_reason
from sixtyforty.decisions.decision_facts import DecisionFacts, UnscoredDecisions
from sixtyforty.decisions.unscored import current_outage, summarize_unscored
from sixtyforty.workspace import Workspace
from tests.accounted_home import append_verdict

NOON = datetime(2013, 4, 10, 12)
NOW = datetime(2013, 4, 20)
REASON = "its file is missing"


def decisions(*rows: tuple[int, str, str | None]) -> pa.Table:
    """Return decisions as (hours after noon, decided_by, why the champion c1 can't score)."""
    return pa.table(
        {
            "decided_at": pa.array([NOON + timedelta(hours=hour) for hour, _, _ in rows], pa.timestamp("us")),
            "decided_by": pa.array([by for _, by, _ in rows], pa.string()),
            "champion_version": pa.array(["c1"] * len(rows), pa.string()),
            "reason": pa.array([unscored_reason(why) if why else "late" for _, _, why in rows], pa.string()),
        }
    )


def test_decisions_are_counted_by_reason_and_the_newest_are_marked() -> None:
    table = decisions((0, "fallback", "a"), (1, "model", None), (1, "fallback", "b"), (1, "fallback", "b"))
    assert summarize_unscored(table) == [
        UnscoredDecisions("c1", "a", 1, is_newest=False),
        UnscoredDecisions("c1", "b", 2, is_newest=True),
    ]


def test_other_fallbacks_are_not_unscored() -> None:
    assert summarize_unscored(decisions((0, "fallback", None), (0, "model", None))) == []
    assert summarize_unscored(decisions()) == []


@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["model", "fallback"]), st.sampled_from([None, "a", "b"])))
)
def test_every_unscored_decision_is_counted_once(rows: list[tuple[int, str, str | None]]) -> None:
    parts = summarize_unscored(decisions(*sorted(rows, key=lambda row: row[0])))
    expected = sum(by == "fallback" and why is not None for _, by, why in rows)
    assert sum(part.decisions for part in parts) == expected
    assert len({(part.champion, part.reason) for part in parts}) == len(parts)


def write_day(ws: Workspace, day: str, *unscored: UnscoredDecisions, model: int = 0) -> None:
    facts = DecisionFacts(model=model, fallback=sum(part.decisions for part in unscored), unscored=unscored).to_facts()
    ws.lake.write("decisions/live", day, pa.table({"x": [day]}), facts=facts)


@pytest.fixture
def champion(workspace: Workspace) -> str:
    return append_verdict(workspace, "2013-04-01", track="live").version


def unscored(champion: str, count: int = 5, is_newest: bool = True) -> Sequence[UnscoredDecisions]:
    return [UnscoredDecisions(champion, REASON, count, is_newest)]


def test_an_outage_says_since_when_and_how_many_decisions(workspace: Workspace, champion: str) -> None:
    write_day(workspace, "2013-04-09", model=5)
    write_day(workspace, "2013-04-10", *unscored(champion, 2), model=3)
    write_day(workspace, "2013-04-11", *unscored(champion, 5, is_newest=False))
    write_day(workspace, "2013-04-12", *unscored(champion))
    outage = current_outage(workspace, "live", NOW)
    assert outage is not None
    assert (outage.champion, outage.since, outage.decisions, outage.reason) == (champion, "2013-04-10", 12, REASON)
    assert outage.text.startswith(f"The champion {champion} can't score: {REASON}. Since 2013-04-10, ")


def test_an_outage_ends_with_the_next_scored_decision(workspace: Workspace, champion: str) -> None:
    write_day(workspace, "2013-04-10", *unscored(champion))
    assert current_outage(workspace, "live", NOW)
    write_day(workspace, "2013-04-11", *unscored(champion, is_newest=False), model=5)
    assert current_outage(workspace, "live", NOW) is None


def test_an_outage_ends_with_the_next_champion(workspace: Workspace, champion: str) -> None:
    write_day(workspace, "2013-04-10", *unscored(champion))
    append_verdict(workspace, "2013-04-11", track="live")
    assert current_outage(workspace, "live", NOW) is None
    assert current_outage(workspace, "live", datetime(2013, 4, 10)) is not None


def test_without_champion_or_decisions_there_is_no_outage(workspace: Workspace) -> None:
    assert current_outage(workspace, "live", NOW) is None
    append_verdict(workspace, "2013-04-01", track="live")
    assert current_outage(workspace, "live", NOW) is None
