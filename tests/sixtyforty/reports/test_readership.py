"""Readership: which outputs of a use case nobody opens."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

from sixtyforty.reports.readership import last_read_days, record_reading, unread_outputs
from tests.accounted_home import append_verdict, write_decisions
from tests.helpers import make_workspace

NOW = datetime(2013, 7, 1, 12)


def test_outputs_that_nobody_opened_for_a_month_are_unread(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    append_verdict(ws, "2013-04-01")
    write_decisions(ws, "2013-06-29")
    (ws.reports / "impact.html").parent.mkdir(parents=True)
    (ws.reports / "impact.html").write_text("x")
    recorded = datetime.fromisoformat(ws.champion_ledger.rows()[0].recorded_at).replace(tzinfo=None)
    assert unread_outputs(ws, recorded + timedelta(days=29)) == []  # the use case is too young
    late = recorded + timedelta(days=40)
    assert unread_outputs(ws, late) == ["decisions", "review_queue", "impact_report"]
    for output in ("decisions", "review_queue"):
        record_reading(ws, output, late - timedelta(days=3))
    record_reading(ws, "impact_report", late - timedelta(days=33))
    assert unread_outputs(ws, late) == ["impact_report"]


def test_a_second_reading_on_the_same_day_is_not_written(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    record_reading(ws, "decisions", NOW)
    path = next((tmp_path / "data" / "reads").glob("*.json"))
    written = path.stat().st_mtime_ns
    record_reading(ws, "decisions", NOW + timedelta(minutes=5))
    assert path.stat().st_mtime_ns == written
    assert last_read_days(ws) == {"decisions": date(2013, 7, 1)}
