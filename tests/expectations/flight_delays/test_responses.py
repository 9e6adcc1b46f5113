"""Responses are validated like any source, and their personal data stays out of texts."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from expectations.data_docs import build_docs
from sixtyforty.decisions.responses import open_log
from sixtyforty.workspace import Workspace
from tests.flights import DAY, validate_landed

SECRET = "Ann Miller, who had a row with the captain"
SEEN = {"person": SECRET, "role": "decider", "at": datetime(2013, 6, 12, 9), "event": "seen", "simulated": True}


def insert(ws: Workspace, *changes: dict[str, Any]) -> None:
    """Insert sound responses to different decisions, with these changes, without the checks of the desk."""
    engine, table = open_log(ws)
    rows = [
        {
            **dict.fromkeys(("action", "reason", "rating")),
            "attempt": 1,
            "decision_id": f"replay-{DAY}-{i:012x}",
            "response_id": f"r{i}",
            **SEEN,
            **change,
        }
        for i, change in enumerate(changes)
    ]
    with engine.begin() as connection:
        connection.execute(sa.insert(table), rows)


UNDONE = {"decision_id": f"replay-{DAY}-{10**6:012x}"}
SOUND: list[dict[str, Any]] = [
    {},
    {"event": "accepted", "action": "standby"},
    {"event": "overridden", "action": "none", "reason": SECRET, "role": "expert", "simulated": False},
    {"event": "rated", "rating": 5},
    {"event": "accepted", "action": "standby"} | UNDONE,
    {"event": "withdrawn"} | UNDONE,
    {"event": "accepted", "action": "standby", "attempt": 2} | UNDONE,
    *[{}] * 13,
]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"event": "liked"}, "event: the kind of response is not seen"),
        ({"role": "boss"}, "role: the person's role is neither"),
        ({"event": "rated", "rating": 6}, "rating: the rating is not between 1 and 5"),
        ({"event": "rated"}, "unrated: a response of the kind rated must have a rating"),
        ({"rating": 3}, "unrated: a response of the kind rated must have a rating"),
        (
            {"event": "overridden", "action": "standby"},
            "unexplained: the person overrode the decision without a reason",
        ),
        ({"event": "accepted"}, "undone: a response that accepts or overrides must have an action"),
        ({"action": "none"}, "undone: a response that accepts or overrides must have an action"),
        ({"event": "accepted", "action": "fly"}, "action: the action is not one of this use case's actions"),
        ({"decision_id": f"replay-{DAY}-abc"}, "decision_id: the text in decision_id is not the id"),
        ({"person": " "}, "person: the response doesn't name the person"),
    ],
)
def test_an_impossible_response_is_quarantined_with_the_reason(ws: Workspace, change: dict, reason: str) -> None:
    insert(ws, *SOUND, change)
    verdict = validate_landed(ws, "responses", [DAY])[DAY]
    assert (verdict.accepted, verdict.landed, verdict.quarantined) == (True, len(SOUND) + 1, 1)
    (entry,) = ws.lake.entries("quarantine/responses").values()
    (bad,) = pq.read_table(ws.lake.local_file(entry)).to_pylist()
    assert (bad["response_id"], reason in bad["_reason"]) == (f"r{len(SOUND)}", True), bad["_reason"]


def test_sound_responses_pass_without_naming_anyone(ws: Workspace) -> None:
    insert(ws, *SOUND)
    verdict = validate_landed(ws, "responses", [DAY])[DAY]
    assert (verdict.accepted, verdict.quarantined, verdict.warnings) == (True, 0, [])
    assert next(r.observed for r in verdict.rules if r.column == "simulated" and r.severity == "info") == 0.95
    (entry,) = ws.lake.entries("validated/responses").values()
    rows = pq.read_table(ws.lake.local_file(entry)).to_pylist()
    assert {r["person"] for r in rows} == {SECRET}
    assert SECRET not in json.dumps(verdict.to_dict())
    folder = build_docs(ws.use_case, ws.lake, ws.reports / "docs")[0].parent
    for page in folder.rglob("*.html"):
        assert SECRET not in page.read_text()


def test_two_answers_to_one_decision_are_both_quarantined(ws: Workspace) -> None:
    insert(ws, *SOUND)
    engine, table = open_log(ws)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"drop index {table.name}_attempt_answered_once")
        twice = {
            "decision_id": f"replay-{DAY}-ffffffffffff",
            **SEEN,
            "event": "accepted",
            "action": "none",
            "attempt": 1,
        }
        connection.execute(sa.insert(table), [{"response_id": f"x{i}", **twice} for i in range(2)])
    verdict = validate_landed(ws, "responses", [DAY])[DAY]
    assert (verdict.accepted, verdict.quarantined) == (True, 2)
