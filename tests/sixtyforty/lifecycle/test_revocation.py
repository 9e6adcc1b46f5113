"""A champion that learned from data whose taint is found later is revoked; a cured recipe can replace it."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import pytest

from assets import data, model, value
from expectations import suites
from sixtyforty.accounting.kpi_summary import summarize_kpi
from sixtyforty.accounting.refused_figures import RefusedFiguresError
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.lifecycle.champions import adopt_champion, approve_challenger, roll_back_champion
from sixtyforty.lifecycle.revocation import revoke_tainted_champions
from sixtyforty.modeling.gate import promote_challengers
from sixtyforty.modeling.taint import find_tainted
from sixtyforty.reports.alert_rules import RULES
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.ledger_anchors import delete_anchors
from sixtyforty.workspace import Workspace
from tests.assets.conftest import make_run
from tests.helpers import SQL, day_range, make_workspace, publish_days, put_champion_in_force
from tests.leaky_world import LEAK
from tests.trained_models import train_on

FIRST, LAST = date(2013, 3, 11), date(2013, 4, 9)
DAYS = [date.fromisoformat(day) for day in day_range(FIRST, LAST)]
KEYS = [day.isoformat() for day in DAYS]
DECIDED = KEYS[-9:]  # from 1 April on
NOW = datetime(2013, 4, 10, 12)


@pytest.fixture
def leaky(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A leak that no check has seen: its champion of 1 April decided nine days of the replay."""
    ws = make_workspace(tmp_path, replay={"first_day": "2013-04-01", "retrain": "week", "warm_up_days": 20})
    (ws.use_case.folder / "features.sql").write_text(LEAK)
    rules = tmp_path / "suites" / "calls_in_time"
    rules.mkdir(parents=True)
    (rules / "features.yaml").write_text("description: for the test\n")
    monkeypatch.setattr(suites, "HERE", tmp_path / "suites")
    publish_days(ws, DAYS, count=12)
    put_champion_in_force(ws, date(2013, 4, 1))
    take_decisions(ws, DECIDED, "replay", None)
    assert {d.decided_by for d in read_decisions(ws, DECIDED[0], "replay")} == {"model"}
    return ws


def rebuild_features(ws: Workspace) -> Workspace:
    """Build the features by their stage, which checks them; return the workspace as the next command opens it."""
    data.build_features(make_run(ws, KEYS, as_of=NOW.isoformat()))
    return Workspace(ws.use_case, ws.home, ws.database_url)


def cure(ws: Workspace) -> Workspace:
    (ws.use_case.folder / "features.sql").write_text(SQL["features"])
    use_case = type(ws.use_case).model_validate(ws.use_case.model_dump() | {"folder": ws.use_case.folder})
    return rebuild_features(Workspace(use_case, ws.home, ws.database_url))


def test_a_champion_is_revoked_when_its_data_turn_out_to_be_tainted(leaky: Workspace) -> None:
    (promoted,) = leaky.champion_ledger.promotions("replay")
    adopt_champion(leaky, "Ada", "it pays", NOW.replace(hour=1))
    ws = rebuild_features(leaky)
    row = ws.champion_ledger.withdrawal_of(promoted.version)
    assert row is not None
    assert (row.kind, row.by, row.effective_from) == ("revoked", "chain", "2013-04-10T12:00:00")
    assert "late_today (" in row.reasons[0] and "2013-03-11" in row.reasons[0]
    assert ws.champion_ledger.champion_at("replay", NOW) is None
    assert ws.champion_ledger.champion_at("live", NOW) is None
    assert revoke_tainted_champions(ws, NOW) == [], "it is revoked once"
    assert RULES["champion revoked"](ws, "live")[0].subject == promoted.version
    for change in (approve_challenger, roll_back_champion):
        with pytest.raises(SixtyfortyError, match="revoked on 2013-04-10"):
            change(ws, promoted.version, "Ada", "again", NOW)


def test_the_current_process_decides_on_tainted_partitions(leaky: Workspace) -> None:
    ws = rebuild_features(leaky)
    ws.champion_ledger.path.unlink()
    ws.champion_ledger.path.with_suffix(".head").unlink()
    delete_anchors(ws.database_url, ws.use_case.first_name)
    put_in_force_again(ws, leaky)
    taken = take_decisions(ws, [DECIDED[0]], "live", None)
    assert taken[DECIDED[0]].by_model == 0
    decisions = read_decisions(ws, DECIDED[0], "live")
    assert {d.decided_by for d in decisions} == {"fallback"}
    assert all(d.action == d.current_action for d in decisions)
    assert decisions[0].reason.startswith("features know the future: 2013-04-01: late_today (")


def put_in_force_again(ws: Workspace, leaky: Workspace) -> None:
    (version,) = ws.models.versions()
    ws.champion_ledger.append(
        track="live",
        version=version,
        verdict="PROMOTE",
        kind="first",
        as_of="2013-04-01",
        effective_from=ws.use_case.day_start(date(2013, 4, 1)).isoformat(),
        reasons=["for the test"],
    )


def test_neither_the_gate_nor_adoption_nor_a_figure_uses_tainted_data(leaky: Workspace) -> None:
    ws = rebuild_features(leaky)
    with pytest.raises(SixtyfortyError, match="revoked on"):
        adopt_champion(ws, "Ada", "it pays", NOW)
    with pytest.raises(RefusedFiguresError, match=r"9 partitions know the future \(2013-04-01: late_today"):
        summarize_kpi(ws, "replay")
    run = make_run(ws, DECIDED)
    result = value.account_kpi(run)
    assert result.checks == [] or not {c.name: c.passed for c in result.checks}["figures_sound"]
    with pytest.raises(SixtyfortyError, match="no challenger was trained"):
        promote_challengers(ws.use_case, ws.lake, ws.models, ws.champion_ledger, "replay", [date(2013, 4, 8)])


def test_after_the_cure_training_works_and_its_recipe_need_only_beat_the_current_process(leaky: Workspace) -> None:
    ws = cure(rebuild_features(leaky))
    assert find_tainted(ws.lake) == []
    with pytest.raises(RefusedFiguresError, match="--rebuild-replay"):
        summarize_kpi(ws, "replay")  # its decisions are still those of the leaky model
    planned = model.plan_trainings(make_run(ws))
    assert planned.plans and not planned.refusals
    for day in ("2013-03-25", "2013-04-01", "2013-04-08"):
        train_on(ws, date.fromisoformat(day))
    (row,) = promote_challengers(ws.use_case, ws.lake, ws.models, ws.champion_ledger, "replay", [date(2013, 4, 8)])
    assert row.kind == "first", "the leaky champion isn't its rival"
    assert "gain over the current process" in row.reasons[0]
