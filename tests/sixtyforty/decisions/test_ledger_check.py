"""Live decisions follow no ledger that differs from its anchors, and no lost ledger stops them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipelines.demo.drill import manipulations
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.decisions.due_decisions import count_due, live_since
from sixtyforty.decisions.ledger_check import LEDGER_DIFFERS, check_deciding_ledgers
from sixtyforty.storage.champion_ledger import ChampionLedger
from sixtyforty.storage.databases import open_engine
from sixtyforty.storage.ledger_anchors import TABLE, LedgerAnchors
from sixtyforty.workspace import Workspace
from tests.sixtyforty.decisions.conftest import KEY, adopt_at

START, NOON, END = datetime(2013, 3, 13, 11), datetime(2013, 3, 13, 12), datetime(2013, 3, 13, 14, 30)


@pytest.fixture
def live(ready: Workspace) -> Workspace:
    """Return a live home whose model took the decisions up to noon. None is ever late."""
    automation = ready.use_case.automation.model_copy(update={"late_after_minutes": 100_000})
    ws = replace(ready, use_case=ready.use_case.model_copy(update={"automation": automation}))
    adopt_at(ws, START)
    take_decisions(ws, [KEY], "live", NOON)
    assert {decision.decided_by for decision in read_decisions(ws, KEY, "live")} == {"model"}
    return ws


def delete_ledger(ws: Workspace) -> None:
    Path(str(ws.champion_ledger.path)).unlink()


def delete_ledger_and_head(ws: Workspace) -> None:
    delete_ledger(ws)
    Path(str(ws.champion_ledger.path)).with_suffix(".head").unlink()


def postpone_champion(ws: Workspace) -> None:
    """Let the champion start in 2099, with all hashes calculated again."""
    rows = ws.champion_ledger.rows()
    forged = ChampionLedger(ws.champion_ledger.path, ws.champion_ledger.use_case)
    delete_ledger_and_head(ws)
    for row in rows:
        forged.append_row(row.model_copy(update={"effective_from": "2099-01-01T00:00:00"}), lambda _: None)


MANIPULATIONS = [
    manipulations.cut_tail,
    manipulations.change_row,
    manipulations.rewrite_chain,
    manipulations.forge_approval,
    manipulations.replay_backup,
    manipulations.swap_ledgers,
    delete_ledger,
    delete_ledger_and_head,
    postpone_champion,
]


@pytest.mark.parametrize("manipulate", MANIPULATIONS, ids=lambda function: function.__name__)
def test_the_current_process_decides_while_a_ledger_differs(
    live: Workspace, manipulate: Callable[[Workspace], None]
) -> None:
    before = read_decisions(live, KEY, "live")
    manipulate(live)
    check = check_deciding_ledgers(live)
    assert list(check.problems) == ["champion.jsonl"]
    assert live_since(live, "live") is not None, "the sensor still counts due decisions"
    assert count_due(live, [KEY], "live", END)
    taken = take_decisions(live, [KEY], "live", END)[KEY]
    decisions = read_decisions(live, KEY, "live")
    new = [decision for decision in decisions if decision not in before]
    assert len(new) == taken.new > 0
    assert len(decisions) == len(before) + len(new), "no earlier decision changed"
    assert all(d.action == d.current_action and d.reason.startswith(LEDGER_DIFFERS) for d in new)
    assert {(d.decided_by, d.champion_version) for d in new} == {("current_process", None)}


def test_a_sound_ledger_is_followed_and_a_database_out_of_reach_stops_nothing(live: Workspace) -> None:
    assert check_deciding_ledgers(live).problems == {}
    unreachable = replace(live, database_url="postgresql://nobody@127.0.0.1:1/none")
    check = check_deciding_ledgers(unreachable)
    assert (check.problems, check.reason) == ({}, "")
    assert "127.0.0.1" in check.unread
    take_decisions(unreachable, [KEY], "live", END)
    assert {decision.decided_by for decision in read_decisions(live, KEY, "live")} == {"model"}


def test_a_table_of_anchors_that_can_not_be_read_stops_nothing(live: Workspace) -> None:
    with open_engine(live.database_url).begin() as connection:
        connection.execute(sa.text(f"alter table {TABLE} rename column hash to other"))
    check = check_deciding_ledgers(live)
    assert (check.problems, "hash" in check.unread) == ({}, True)
    assert take_decisions(live, [KEY], "live", END)[KEY].new > 0


def test_a_changed_hash_is_found_without_the_database(live: Workspace) -> None:
    manipulations.change_row(live)
    check = check_deciding_ledgers(replace(live, database_url="postgresql://nobody@127.0.0.1:1/none"))
    assert check.reason and check.unread


def test_a_row_that_is_appended_during_the_comparison_is_no_difference(
    live: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = LedgerAnchors.read
    pending = [lambda: live.rollout_ledger.take_step("full", by="ann", why="now", effective_from="2013-03-20T00:00:00")]

    def read_before_an_append(anchors: LedgerAnchors, *arguments: object) -> object:
        read_anchors = read(anchors, *arguments)  # type: ignore[arg-type]
        if pending:
            pending.pop()()
        return read_anchors

    live.rollout_ledger.take_step("shadow", by="ann", why="first", effective_from="2013-03-19T00:00:00")
    monkeypatch.setattr(LedgerAnchors, "read", read_before_an_append)
    assert check_deciding_ledgers(live).problems == {}


def test_a_forged_stage_leaves_no_unit_undecided(live: Workspace) -> None:
    Path(str(live.stage_ledger.path)).write_text("forged\n")
    taken = take_decisions(live, [KEY], "live", END)[KEY]
    assert taken.new > 0
    assert count_due(live, [KEY], "live", END) == {}
