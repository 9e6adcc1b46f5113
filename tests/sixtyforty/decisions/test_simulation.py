"""Simulated responses: seeded, the same in parts as in one, by people who come and go, and marked in every row."""

from collections import Counter
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from sixtyforty.decisions.responses import open_log
from sixtyforty.decisions.simulation import draw_responses, simulate_responses
from sixtyforty.workspace import Workspace
from tests.helpers import WITH_RESPONSES, make_workspace

FIRST = "2013-04-01"


@pytest.fixture(scope="module")
def ws(tmp_path_factory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("home"), **WITH_RESPONSES)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Thirty weeks of decisions to act, all against the current process; half of them will prove wrong."""
    count, chance = 6000, np.random.default_rng(1)
    start, step = datetime(2013, 4, 1, 5), timedelta(weeks=30) / count
    return pd.DataFrame(
        {
            "decision_id": [f"replay-2013-04-01-{i:012x}" for i in range(count)],
            "decided_at": [start + i * step for i in range(count)],
            "action": "act",
            "current_action": "wait",
            "outcome": chance.integers(0, 2, count).astype(float),
        }
    )


def test_every_row_says_that_it_is_simulated(ws, rows):
    found = draw_responses(ws, rows, FIRST, 0)
    assert len(found) > 5000
    assert all(r.simulated and r.person.startswith("simulated") for r in found)
    assert all((r.reason or "").startswith("(simulated)") for r in found if r.event == "overridden")


def test_asked_for_in_parts_it_is_the_same_and_another_seed_is_another_world(ws, rows):
    whole = draw_responses(ws, rows, FIRST, 0)
    parts = [
        r
        for start in range(0, len(rows), 700)
        for r in draw_responses(ws, rows.iloc[start : start + 700].reset_index(drop=True), FIRST, 0)
    ]
    assert parts == whole
    assert draw_responses(ws, rows, FIRST, 1) != whole


def test_people_come_and_go_and_are_right_more_often_than_chance(ws, rows):
    found = draw_responses(ws, rows, FIRST, 0)
    week = {r.decision_id: (r.at - datetime(2013, 4, 1)).days // 7 for r in found}
    of = {n: {week[r.decision_id] for r in found if r.person == f"simulated person {n}"} for n in range(1, 7)}
    assert min(of[6]) == 9
    assert max(of[2]) == 19
    assert set(range(30)) <= of[1]
    wrong = dict(zip(rows["decision_id"], rows["outcome"] == 0, strict=True))
    over = Counter(wrong[r.decision_id] for r in found if r.event == "overridden")
    assert over[True] > 2 * over[False] > 0
    assert {r.rating for r in found if r.event == "rated"} <= {1, 2, 3, 4, 5}


def test_nothing_is_answered_that_was_not_seen_nor_answered_twice(ws, rows):
    found = draw_responses(ws, rows, FIRST, 0)
    events = Counter((r.decision_id, "answer" if r.event in ("accepted", "overridden") else r.event) for r in found)
    assert set(events.values()) == {1}
    seen = {r.decision_id for r in found if r.event == "seen"}
    assert {r.decision_id for r in found} == seen
    assert 0.45 < len(seen) / len(rows) < 0.55


def test_where_nothing_was_decided_it_says_what_to_do(ws):
    with pytest.raises(ValueError, match="run the chain first"):
        simulate_responses(ws, [FIRST])
    engine, table = open_log(ws)
    with engine.connect() as connection:
        assert connection.execute(table.select()).all() == []
