"""Pages, digests and model records claim no earned money for replays, null results and retired use cases."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from sixtyforty.lifecycle.stage_steps import retire_use_case
from sixtyforty.reports import digest_sections, impact_report
from sixtyforty.spec.track import Track
from sixtyforty.workspace import Workspace
from tests.accounted_home import FIRST, LAST, append_verdict, make_daily_value, write_accounts
from tests.helpers import day_range, make_workspace
from tests.sixtyforty.reports.test_portfolio import NOW
from tests.sixtyforty.value.test_standing import EARNED
from tests.words import read_words

KPI = {"costs": {"build": 100, "per_month": 10}, "target": 500}
GATE = {"stages": {"poc": {"target": 500, "minimum_gain": 100, "stop_date": "2013-12-01"}}}


def make_home(folder: Path, track: Track, gain: float) -> Workspace:
    """Return a home with six months of accounts that gain about `gain` a day, and with a champion."""
    ws = make_workspace(folder, kpi=KPI, **GATE)
    days = [
        make_daily_value(partition, gain + (i * 7 % 11 - 5))
        for i, partition in enumerate(day_range(FIRST, LAST + timedelta(days=60)))
    ]
    write_accounts(ws, [day.__class__(**day.__dict__ | {"candidates": {}}) for day in days], track)
    append_verdict(ws, f"{date(2013, 4, 1)}", track=track)
    return ws


def read_texts(ws: Workspace, track: Track) -> str:
    """Return the words of the impact page and of the owner's digest."""
    page = read_words(impact_report.write_report(ws, track).read_text())
    return page + "\n".join(digest_sections.owner_section(ws, track, ["2013-06-30"]))


@pytest.mark.parametrize(
    ("track", "gain", "is_retired"),
    [("replay", 20.0, False), ("live", 0.0, False), ("live", 20.0, True), ("live", 20.0, False)],
)
def test_only_live_gains_above_zero_are_claimed(tmp_path: Path, track: Track, gain: float, is_retired: bool) -> None:
    ws = make_home(tmp_path, track, gain)
    if is_retired:
        retire_use_case(ws, "Ada", "the process is gone", NOW)
    claims = EARNED.findall(read_texts(ws, track))
    is_earned = track == "live" and gain > 0 and not is_retired
    assert bool(claims) == is_earned, claims
