"""Simulated responses: seeded, equal in parts and as a whole, by people who come and go, and marked in every row."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from sixtyforty.decisions.responses import open_log
from sixtyforty.decisions.simulation import SimulationError, draw_responses, simulate_responses
from sixtyforty.workspace import Workspace
from tests.helpers import WITH_RESPONSES, make_workspace

FIRST = "2013-04-01"


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("home"), **WITH_RESPONSES)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Return thirty weeks of decisions to act, against the current process; half of them turn out wrong."""
    count, rng = 6000, np.random.default_rng(1)
    start, step = datetime(2013, 4, 1, 5), timedelta(weeks=30) / count
    return pd.DataFrame(
        {
            "decision_id": [f"replay-2013-04-01-{i:012x}" for i in range(count)],
            "decided_at": [start + i * step for i in range(count)],
            "action": "act",
            "current_action": "wait",
            "outcome": rng.integers(0, 2, count).astype(float),
        }
    )


def test_every_response_says_that_it_is_simulated(ws: Workspace, rows: pd.DataFrame) -> None:
    responses = draw_responses(ws, rows, FIRST, 0)
    assert len(responses) > 5000
    assert all(r.simulated and r.person.startswith("simulated") for r in responses)
    assert all((r.reason or "").startswith("(simulated)") for r in responses if r.event == "overridden")


def test_parts_give_the_responses_of_the_whole_and_another_seed_gives_others(ws: Workspace, rows: pd.DataFrame) -> None:
    responses = draw_responses(ws, rows, FIRST, 0)
    parts = [
        response
        for start in range(0, len(rows), 700)
        for response in draw_responses(ws, rows.iloc[start : start + 700].reset_index(drop=True), FIRST, 0)
    ]
    assert parts == responses
    assert draw_responses(ws, rows, FIRST, 1) != responses


def test_people_come_and_go_and_overrides_are_right_more_often_than_chance(ws: Workspace, rows: pd.DataFrame) -> None:
    responses = draw_responses(ws, rows, FIRST, 0)
    weeks: dict[str, set[int]] = {}
    for response in responses:
        assert response.at
        weeks.setdefault(response.person, set()).add((response.at - datetime(2013, 4, 1)).days // 7)
    assert min(weeks["simulated person 6"]) == 9
    assert max(weeks["simulated person 2"]) == 19
    assert set(range(30)) <= weeks["simulated person 1"]
    is_wrong = dict(zip(rows["decision_id"], rows["outcome"] == 0, strict=True))
    overrides = Counter(is_wrong[r.decision_id] for r in responses if r.event == "overridden")
    assert overrides[True] > 2 * overrides[False] > 0
    assert {r.rating for r in responses if r.event == "rated"} <= {1, 2, 3, 4, 5}


def test_each_decision_is_answered_at_most_once_and_only_after_it_was_seen(ws: Workspace, rows: pd.DataFrame) -> None:
    responses = draw_responses(ws, rows, FIRST, 0)
    kinds = Counter((r.decision_id, "answer" if r.event in ("accepted", "overridden") else r.event) for r in responses)
    assert set(kinds.values()) == {1}
    seen = {r.decision_id for r in responses if r.event == "seen"}
    assert {r.decision_id for r in responses} == seen
    assert 0.45 < len(seen) / len(rows) < 0.55


def test_without_decisions_the_error_says_what_to_do(ws: Workspace) -> None:
    with pytest.raises(SimulationError, match=r"have no replayed decisions.* Run the chain on these partitions first"):
        simulate_responses(ws, [FIRST])
    engine, table = open_log(ws)
    with engine.connect() as connection:
        assert connection.execute(table.select()).all() == []
