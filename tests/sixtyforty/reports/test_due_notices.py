"""Notices of due decisions: only unanswered live actions, one notice for each decision time."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from sixtyforty.decisions.decision_table import StoredDecision, decisions_dataset
from sixtyforty.reports import due_notices
from sixtyforty.reports.due_notices import find_due_decisions
from tests.helpers import make_workspace

NOON = datetime(2013, 3, 1, 17)  # in New York


def stored(number: int, decided_at: datetime, action: str = "act") -> StoredDecision:
    texts = ("model", "", "c", "d", "v", "p", "code")
    identity = (f"live-2013-03-01-{number:012}", "calls_in_time", "live", {"id": number})
    return StoredDecision(*identity, decided_at, action, "wait", None, *texts)  # type: ignore[arg-type]


@pytest.mark.parametrize(("minutes", "notices"), [(30, 1), (120, 2), (None, 0)])
def test_unanswered_actions_are_announced_by_decision_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minutes: int | None, notices: int
) -> None:
    ws = make_workspace(tmp_path, people={"answer_within_minutes": 60}, watch={"due_notice_minutes": minutes})
    hour = timedelta(hours=1)
    times = [NOON - hour * 2, NOON - hour / 2, NOON - hour / 2, NOON - hour / 2, NOON + hour / 2]
    decisions = [stored(number, time) for number, time in enumerate(times)] + [stored(9, times[1], "wait")]
    ws.lake.write(decisions_dataset("live"), "2013-03-01", pa.table({"x": [1]}), facts={})
    monkeypatch.setattr(due_notices, "now", lambda: NOON)
    monkeypatch.setattr(due_notices, "read_decisions", lambda *_: decisions)
    monkeypatch.setattr(due_notices, "answers_by_decision", lambda *_: {decisions[3].decision_id: "accepted"})
    alerts = find_due_decisions(ws, "live")
    assert len(alerts) == notices
    if alerts:
        assert alerts[0].text.startswith("2 decisions with action are due by 12:30, and nobody has answered.")
    assert find_due_decisions(ws, "replay") == []
