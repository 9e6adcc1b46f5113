"""Runs over a history too short to judge anything succeed, and say so; so do outcomes slower than the retraining."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.helpers import SQL, land_days
from tests.leaky_world import NAME, days_between, make_world
from tests.pipelines.conftest import RunCli
from tests.stage_declarations import STAGES

FIRST = date(2013, 3, 1)
SLOW = "select u.id, v.late, v.known_at + interval 240 hour as known_at from units u left join visits v using (id)"


@pytest.mark.parametrize(("days", "outcomes"), [(1, SQL["outcomes"]), (2, SQL["outcomes"]), (9, SLOW)])
def test_a_short_history_is_too_early_to_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: RunCli, days: int, outcomes: str
) -> None:
    monkeypatch.setitem(SQL, "outcomes", outcomes)
    world = make_world(
        tmp_path / "world",
        monkeypatch,
        **STAGES,
        replay={"first_day": "2013-03-01", "retrain": "day", "warm_up_days": 0},
        gate={"margin": 0, "max_rejected_share": 0.9},
    )
    all_days = [FIRST + timedelta(days=i) for i in range(days)]
    land_days(world.open(), all_days, count=12)
    finished = run_cli(f"run {NAME} {days_between(FIRST, all_days[-1])}")
    assert finished.code == 0, finished.err
    texts = [run_cli(command).out for command in (f"impact {NAME}", f"stage {NAME}", "portfolio")]
    ws = world.open()
    texts += [page.read_text() for page in ws.reports.glob("*.md")] + [
        page.read_text() for page in ws.reports.glob("*.html")
    ]
    for text in texts:
        assert not re.search(r"\bnan\b", re.sub(r"<svg.*?</svg>|<style.*?</style>", "", text, flags=re.DOTALL), re.I)
    assert ws.champion_ledger.promotions("replay") == []
    assert all(row.reasons[0].startswith("too early to judge") for row in ws.champion_ledger.rows())
