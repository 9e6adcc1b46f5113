"""Candidates for review: nearly equal actions, and actions that an expert's rule would change."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import decisions_dataset, read_decisions
from sixtyforty.decisions.review_candidates import find_review_candidates
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace, publish_days, put_champion_in_force

DAYS = [date(2013, 3, 1) + timedelta(days=i) for i in range(13)]
KEY = DAYS[-1].isoformat()
BUSY = {
    "description": "Call a second fitter wherever it is busy.",
    "action": "case when load > 0.2 then 'act' else 'wait' end",
}
REVIEW = {"reviewers": {"ann": 4, "bo": 2}, "minutes_per_review": 5, "abstain_below": 2, "rule": "busy"}


def make_reviewed_home(folder: Path, **review: Any) -> Workspace:
    """Return a home with reviewers, a rule and a champion."""
    ws = make_workspace(folder, people={"review": {**REVIEW, **review}}, kpi={"candidates": {"busy": BUSY}})
    publish_days(ws, DAYS, count=20)
    put_champion_in_force(ws, DAYS[-1])
    return ws


def test_nearly_equal_actions_and_disagreements_are_candidates(tmp_path: Path) -> None:
    ws = make_reviewed_home(tmp_path)
    entry = take_decisions(ws, [KEY], "replay", None)[KEY].entry
    decisions = {d.decision_id: d for d in read_decisions(ws, KEY, "replay")}
    features = ws.lake.entry("features", KEY)
    assert features and ws.use_case.people.review
    load = {row["id"]: row["load"] for row in pq.read_table(ws.lake.local_file(features)).to_pylist()}
    rule = {i: "act" if load[d.unit["id"]] > 0.2 else "wait" for i, d in decisions.items()}
    nearly_equal = {i for i, d in decisions.items() if abs(10 * d.expected - 3) < 2}
    (portion,) = find_review_candidates(ws, ws.use_case.people.review, {KEY: entry})
    candidates = portion[KEY]
    disagreements = {i for i, d in decisions.items() if rule[i] != d.action}
    assert {c.decision_id for c in candidates} == nearly_equal | disagreements
    for candidate in candidates:
        assert candidate.action == decisions[candidate.decision_id].action != candidate.alternative
        assert ("differ by only EUR" in candidate.why) == (candidate.decision_id in nearly_equal)
        assert ("Another rule would call" in candidate.why) == (candidate.decision_id in disagreements)


def test_a_vetoed_decision_is_no_candidate(tmp_path: Path) -> None:
    veto = {"when": "load > 0.5", "never": "act", "why": "so"}
    ws = make_workspace(
        tmp_path,
        people={"review": {**REVIEW, "abstain_below": 1000}},
        kpi={"candidates": {"busy": BUSY}},
        model={"vetoes": {"v": veto}},
    )
    publish_days(ws, DAYS, count=20)
    put_champion_in_force(ws, DAYS[-1])
    take_decisions(ws, [KEY], "replay", None)
    decisions = read_decisions(ws, KEY, "replay")
    vetoed = {d.decision_id for d in decisions if d.reason.startswith("veto ")}
    entries = ws.lake.entries(decisions_dataset("replay"), [KEY])
    assert vetoed and ws.use_case.people.review
    (portion,) = find_review_candidates(ws, ws.use_case.people.review, entries)
    candidates = portion[KEY]
    assert {c.decision_id for c in candidates} == {d.decision_id for d in decisions} - vetoed
