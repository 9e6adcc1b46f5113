"""The model and a vendor are compared on the units on which both could decide, and on no others."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from sixtyforty.accounting import kpi_ledger
from sixtyforty.accounting.build_or_buy import SourcingError, score_build_or_buy
from sixtyforty.accounting.comparable_units import count_units, read_comparable_values
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.reports.portfolio_line import accounted_track
from sixtyforty.spec.track import Track
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace, publish_days, put_champion_in_force
from tests.sixtyforty.accounting.test_build_or_buy import with_vendors

TRAINING = [date(2013, 3, 12) + timedelta(days=i) for i in range(14)]
LIVE = [date(2013, 3, 26) + timedelta(days=i) for i in range(6)]
KEYS = [str(day) for day in LIVE]
ROLLOUT: dict[str, Any] = {"automation": {"rollout": {"holdout_share": 0.5, "min_days": 3}}}


def make_home(folder: Path, **changes: Any) -> Workspace:
    """Return a home with published days and a vendor that gives the model's own numbers."""
    declared = with_vendors({"oracle": {"per_decision": 0.01}})
    ws = make_workspace(folder, **declared, **changes)
    publish_days(ws, [*TRAINING, *LIVE], count=30)
    return ws


def decide(ws: Workspace, track: Track = "live") -> None:
    take_decisions(ws, KEYS, track, None)
    kpi_ledger.write_accounts(ws, KEYS, track)


def test_days_without_a_champion_give_the_vendor_no_lead(tmp_path: Path) -> None:
    ws = make_home(tmp_path)
    put_champion_in_force(ws, LIVE[2], "replay")
    decide(ws, "replay")
    everything, comparable = kpi_ledger.read_daily_values(ws, "replay"), read_comparable_values(ws, "replay")
    assert (len(everything), comparable) == (6, everything[2:])
    without_model = everything[:2]
    assert all(d.model == d.current_process < d.candidates["oracle"] for d in without_model), "the vendor would lead"
    scorecard = score_build_or_buy(ws, "replay")
    gains = [
        sum(money - d.current_process for d, money in pairs) / sum(d.decisions for d in comparable) * 1000
        for pairs in ([(d, d.model) for d in comparable], [(d, d.candidates["oracle"]) for d in comparable])
    ]
    assert [way.gain_per_1000 for way in scorecard.ways] == [pytest.approx(gain, abs=0.01) for gain in gains]
    assert scorecard.units_a_month == round(30 * 365.25 / 12), "all decided units count as the volume"


def test_a_day_with_a_champion_from_noon_on_counts_from_noon_on(tmp_path: Path) -> None:
    ws = make_home(tmp_path)
    version = put_champion_in_force(ws, LIVE[0], "live")
    noon = {"as_of": KEYS[0], "effective_from": "2013-03-26T12:30:00", "reasons": ["for the test"]}
    ws.champion_ledger.append(track="replay", version=version, verdict="PROMOTE", kind="first", **noon)
    decide(ws, "replay")
    rows = [d for d in read_decisions(ws, KEYS[0], "replay") if d.decided_by == "model"]
    first, *later = read_comparable_values(ws, "replay")
    assert 0 < first.decisions == len(rows) < 30
    assert later == kpi_ledger.read_daily_values(ws, "replay")[1:]
    assert first.differ == sum(d.action != d.current_action for d in rows)


def test_without_any_champion_nothing_can_be_compared(tmp_path: Path) -> None:
    ws = make_home(tmp_path)
    decide(ws, "replay")
    with pytest.raises(SourcingError, match="no champion was in force for any replay decision"):
        score_build_or_buy(ws, "replay")


def test_a_careful_rollout_changes_neither_the_gain_nor_the_volume(tmp_path: Path) -> None:
    careful, bold = (make_home(tmp_path / name, **changes) for name, changes in (("a", ROLLOUT), ("b", {})))
    for ws in (careful, bold):
        put_champion_in_force(ws, LIVE[0], "live")
    start = careful.use_case.day_start(LIVE[3]).isoformat()
    careful.rollout_ledger.take_step("full", by="ann", why="for the test", effective_from=start, evidence={})
    for ws in (careful, bold):
        decide(ws)
    assert count_units(careful, "live") == count_units(bold, "live") == dict.fromkeys(KEYS, 30)
    same_days = [d for d in read_comparable_values(bold, "live") if d.partition >= KEYS[3]]
    assert read_comparable_values(careful, "live") == same_days
    scorecards = [score_build_or_buy(ws, "live") for ws in (careful, bold)]
    assert scorecards[0].units_a_month == scorecards[1].units_a_month == round(30 * 365.25 / 12)


def test_shadow_alone_is_no_comparison_and_the_portfolio_shows_the_replay(tmp_path: Path) -> None:
    ws = make_home(tmp_path, **ROLLOUT)
    put_champion_in_force(ws, LIVE[0], "live")
    decide(ws)
    assert accounted_track(ws) == "replay"
    with pytest.raises(SourcingError, match="in shadow or held out, so the model can't be compared yet"):
        score_build_or_buy(ws, "live")
