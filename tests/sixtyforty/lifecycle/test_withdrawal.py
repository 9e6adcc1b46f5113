"""A withdrawn version never decides again; an earlier sound champion or the current process takes its place."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.lifecycle import champions
from sixtyforty.lifecycle.champions import ChampionError
from sixtyforty.lifecycle.stage_steps import retire_use_case
from sixtyforty.lifecycle.withdrawal import describe_successor, withdraw_model
from sixtyforty.modeling.challengers import list_challengers
from sixtyforty.modeling.gate import judge
from sixtyforty.modeling.gate_evidence import collect_evidence
from sixtyforty.spec.track import Track
from sixtyforty.storage.champion_ledger import GateVerdict
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace, publish_days, put_champion_in_force
from tests.trained_models import train_on

DAYS = [date(2013, 3, 1) + timedelta(days=i) for i in range(12)]
FIRST, SECOND = date(2013, 3, 9), date(2013, 3, 11)
KEY = SECOND.isoformat()


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    """A live home with two champions of one recipe."""
    ws = make_workspace(tmp_path, automation={"approval": "required"}, replay={"first_day": FIRST.isoformat()})
    publish_days(ws, DAYS, count=20)
    for track in ("replay", "live"):
        for day in (FIRST, SECOND):
            put_champion_in_force(ws, day, track)
    return ws


def deciders(ws: Workspace, track: Track) -> set[tuple[str | None, str]]:
    take_decisions(ws, [KEY], track, None)
    return {(row.champion_version, row.decided_by) for row in read_decisions(ws, KEY, track)}


@pytest.mark.parametrize("track", ["replay", "live"])
def test_the_earlier_sound_champion_decides_after_a_withdrawal(ws: Workspace, track: Track) -> None:
    first, second = (row.version for row in ws.champion_ledger.promotions("live"))
    now = ws.use_case.day_start(SECOND)
    row = withdraw_model(ws, second, by="Ada", why="it knew the future", now=now)
    assert (row.verdict, row.kind, row.by, row.reasons) == ("WITHDRAW", "withdrawn", "Ada", ["it knew the future"])
    assert describe_successor(ws, now) == f"{first} decides from now on."
    assert deciders(ws, track) == {(first, "model")}


def test_after_the_end_of_the_use_case_no_champion_succeeds(ws: Workspace) -> None:
    now = ws.use_case.day_start(SECOND)
    retire_use_case(ws, "Ada", "gone", now)
    withdraw_model(ws, ws.champion_ledger.promotions("live")[-1].version, by="Ada", why="the law", now=now)
    assert describe_successor(ws, now) == "The current process decides from now on."


@pytest.mark.parametrize("track", ["replay", "live"])
def test_without_an_earlier_one_the_current_process_decides_and_says_why(ws: Workspace, track: Track) -> None:
    version = ws.champion_ledger.promotions("live")[-1].version
    withdraw_model(ws, version, by="Ada", why="the law", now=ws.use_case.day_start(SECOND), whole_recipe=True)
    assert deciders(ws, track) == {(None, "current_process")}
    reasons = {row.reason for row in read_decisions(ws, KEY, track)}
    assert reasons == {"the champion was withdrawn on 2013-03-11: the law: the current process decides"}


def test_live_decisions_of_a_withdrawn_champion_stay_history(ws: Workspace) -> None:
    version = ws.champion_ledger.promotions("live")[-1].version
    before = deciders(ws, "live")
    withdraw_model(ws, version, by="Ada", why="an error", now=ws.use_case.day_start(SECOND), whole_recipe=True)
    assert deciders(ws, "live") == before == {(version, "model")}


def test_a_withdrawn_version_is_never_put_in_force_again(ws: Workspace) -> None:
    first, second = (row.version for row in ws.champion_ledger.promotions("live"))
    now = ws.use_case.day_start(SECOND)
    append_row(ws, first, "PENDING")
    withdraw_model(ws, first, by="Ada", why="the law", now=now)
    with pytest.raises(ChampionError, match=r"was withdrawn on 2013-03-11: the law\. This version never decides again"):
        champions.roll_back_champion(ws, first, by="Bo", why="again", now=now)
    with pytest.raises(ChampionError, match="This version never decides again"):
        champions.approve_challenger(ws, first, by="Bo", why="again", now=now)
    assert champions.list_pending(ws) == []
    with pytest.raises(ChampionError, match="There is nothing more to withdraw"):
        withdraw_model(ws, first, by="Ada", why="again", now=now)
    with pytest.raises(ChampionError, match="the gate never judged the model"):
        withdraw_model(ws, "2013-01-01-00000000", by="Ada", why="a guess", now=now)
    assert withdraw_model(ws, first, by="Ada", why="all of it", now=now, whole_recipe=True).seq > 0
    assert ws.champion_ledger.sound_promotions("live") == []
    assert second in ws.champion_ledger.rows()[-1].evidence["versions"]


def test_only_a_sound_champion_of_the_replay_is_adopted(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    publish_days(ws, DAYS, count=20)
    first, second = (put_champion_in_force(ws, day) for day in (FIRST, SECOND))
    now = ws.use_case.day_start(SECOND)
    withdraw_model(ws, second, by="Ada", why="a leak", now=now)
    with pytest.raises(ChampionError, match="This version never decides again"):
        champions.adopt_champion(ws, by="Ada", why="go", now=now, version=second)
    assert champions.adopt_champion(ws, by="Ada", why="go", now=now).version == first


def append_row(ws: Workspace, version: str, verdict: GateVerdict) -> None:
    ws.champion_ledger.append(
        track="live",
        version=version,
        verdict=verdict,
        kind="refresh",
        as_of=version[:10],
        effective_from=ws.use_case.day_start(FIRST).isoformat(),
        reasons=["better"],
        repeat=True,
    )


def test_a_mended_recipe_need_only_beat_the_current_process(ws: Workspace) -> None:
    version = ws.champion_ledger.promotions("live")[-1].version
    mended = make_mended(ws)
    challenger = train_on(mended, SECOND)
    assert judge_kind(mended, challenger) == "recipe"
    withdraw_model(ws, version, by="Ada", why="a leak", now=ws.use_case.day_start(SECOND), whole_recipe=True)
    assert judge_kind(mended, challenger) == "first"
    judged = list_challengers(mended.use_case, ws.lake, ws.models, ws.champion_ledger, "live", SECOND)
    assert [c.version for c in judged] == [challenger]


def test_the_gate_rejects_a_later_version_of_a_withdrawn_recipe(ws: Workspace) -> None:
    version = ws.champion_ledger.promotions("live")[-1].version
    withdraw_model(ws, version, by="Ada", why="a leak", now=ws.use_case.day_start(SECOND), whole_recipe=True)
    later = train_on(ws, DAYS[-1])
    evidence = collect_evidence(ws.use_case, ws.lake, ws.models, ws.champion_ledger, "live", later)
    judgement = judge(ws.use_case.gate, evidence, "EUR")
    assert (judgement.verdict, judgement.reasons) == (
        "REJECT",
        ["the challenger's version or recipe was withdrawn on 2013-03-11: a leak"],
    )


def make_mended(ws: Workspace) -> Workspace:
    model = ws.use_case.model.model_copy(update={"params": {**ws.use_case.model.params, "max_iter": 6}})
    return replace(ws, use_case=ws.use_case.model_copy(update={"model": model}))


def judge_kind(ws: Workspace, version: str) -> str:
    return collect_evidence(ws.use_case, ws.lake, ws.models, ws.champion_ledger, "live", version).kind
