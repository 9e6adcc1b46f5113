"""A small live home with decisions, deliveries, ledgers and responses, built once and copied for each test."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from sixtyforty.decisions.answering import answer_decision
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import decisions_dataset, read_decisions
from sixtyforty.decisions.delivery import deliver_decisions
from sixtyforty.reports.findings import add_finding
from sixtyforty.storage.hash_chain import HashChain
from sixtyforty.storage.response_log import Response
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace, publish_days, put_champion_in_force

TRAINED = [date(2013, 3, 16) + timedelta(days=i) for i in range(10)]
DAYS = [date(2013, 3, 26), date(2013, 3, 27)]


@lru_cache(maxsize=1)
def _verified_home(folder: Path) -> Workspace:
    ws = make_workspace(folder / "verified_home")
    publish_days(ws, [*TRAINED, *DAYS], count=10)
    version = put_champion_in_force(ws, DAYS[0], "live")
    start = ws.use_case.day_start(DAYS[0]).isoformat()
    ws.champion_ledger.append(
        track="live",
        version=version,
        verdict="HOLD",
        kind="refresh",
        as_of="2013-03-27",
        effective_from=start,
        reasons=["no gain yet"],
    )
    ws.rollout_ledger.take_step("shadow", by="ann", why="for the test", effective_from="2013-05-01T00:00:00")
    add_finding(ws, "ann", "Heavy loads are late.")
    partitions = [str(day) for day in DAYS]
    take_decisions(ws, partitions, "live", None)
    deliver_decisions(ws, ws.lake.entries(decisions_dataset("live"), partitions), "live")
    decision = read_decisions(ws, partitions[0], "live")[0]
    answer_decision(ws, Response(decision.decision_id, "bo", "decider", "accepted", at=decision.decided_at))
    return ws


def copy_verified_home(factory: pytest.TempPathFactory) -> Workspace:
    """Return a copy of the home, for one test."""
    ws = _verified_home(factory.getbasetemp())
    home = factory.mktemp("copy") / "home"
    shutil.copytree(ws.home, home)
    return replace(ws, home=home, database_url=f"sqlite:///{home / 'deliveries.db'}")


def forge_row(ledger: HashChain[Any]) -> None:
    """Repeat the last row of a ledger with a valid chain, as a writer of the files could."""
    forged = type(ledger)(ledger.path, ledger.use_case)
    forged.append_row(ledger.rows()[-1], lambda _: None)
