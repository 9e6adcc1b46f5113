"""Champions in live running: adoption, approval and rollback in the ledger, and when retraining is due."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sixtyforty.lifecycle import champions
from sixtyforty.lifecycle.champions import ChampionError
from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.modeling.trainer import train_models
from sixtyforty.modeling.training_plan import plan_training
from sixtyforty.spec.track import Track
from sixtyforty.storage.champion_ledger import GateVerdict
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.workspace import Workspace
from tests.accounted_home import write_accounts
from tests.helpers import make_workspace, publish_days

DAYS = [date(2013, 3, 1) + timedelta(days=i) for i in range(12)]
AS_OF = date(2013, 3, 13)
NOON = datetime(2013, 3, 13, 12)


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    """A home with a trained model that was promoted in the replay."""
    ws = make_workspace(tmp_path, automation={"approval": "required", "decay_days": 3})
    publish_days(ws, DAYS, count=20)
    append_verdict(ws, train(ws, AS_OF))
    return ws


def train(ws: Workspace, as_of: date) -> str:
    plan = plan_training(ws.use_case, ws.lake, as_of)
    ws.models.write_training_set(ws.use_case, ws.lake, plan)
    list(train_models(ws.models, ws.use_case.kpi, [plan.version]))
    return plan.version


def append_verdict(
    ws: Workspace, version: str, track: Track = "replay", verdict: GateVerdict = "PROMOTE", at: datetime = NOON
) -> None:
    ws.champion_ledger.append(
        track=track,
        version=version,
        verdict=verdict,
        kind="refresh",
        as_of=version[:10],
        effective_from=at.isoformat(),
        reasons=["better"],
    )


def champion_version(ws: Workspace, at: datetime) -> str | None:
    row = ws.champion_ledger.champion_at("live", at)
    return row.version if row else None


def test_going_live_adopts_the_replays_champion_once(ws: Workspace) -> None:
    row = champions.adopt_champion(ws, by="Ada", why="it pays", now=NOON)
    assert (row.track, row.kind, row.by, row.reasons) == ("live", "adopted", "Ada", ["it pays"])
    assert champion_version(ws, NOON) == row.version
    assert champion_version(ws, NOON - timedelta(seconds=1)) is None
    with pytest.raises(ChampionError, match="is already live"):
        champions.adopt_champion(ws, by="Ada", why="again", now=NOON)


def test_only_a_champion_of_the_replay_can_be_adopted(ws: Workspace, tmp_path: Path) -> None:
    with pytest.raises(ChampionError, match="never champion of the replay"):
        champions.adopt_champion(ws, by="Ada", why="a hunch", now=NOON, version="2013-01-01-00000000")
    with pytest.raises(ChampionError, match="the replay has no champion yet"):
        champions.adopt_champion(make_workspace(tmp_path / "new"), by="Ada", why="a hunch", now=NOON)


def test_without_a_champion_the_newest_verdict_of_the_gate_is_named(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    append_verdict(ws, "2013-03-12-00000000", verdict="HOLD")
    append_verdict(ws, "2013-03-13-00000000", verdict="REJECT")
    message = r"no champion yet\. The gate's newest verdict is REJECT, on 2013-03-13-00000000: better\. Remove"
    with pytest.raises(ChampionError, match=message):
        champions.adopt_champion(ws, by="Ada", why="a hunch", now=NOON)


def test_a_model_file_that_was_changed_is_not_adopted(ws: Workspace) -> None:
    version = ws.champion_ledger.promotions("replay")[-1].version
    (ws.models.folder(version) / "model.skops").write_bytes(b"something else")
    with pytest.raises(ModelError):
        champions.adopt_champion(ws, by="Ada", why="it pays", now=NOON)
    assert ws.champion_ledger.promotions("live") == []


def test_an_approval_is_recorded_and_then_acted_on(ws: Workspace) -> None:
    champions.adopt_champion(ws, by="Ada", why="it pays", now=NOON)
    newer = train(ws, AS_OF - timedelta(days=1))
    append_verdict(ws, newer, "live", "PENDING")
    assert [row.version for row in champions.list_pending(ws)] == [newer]
    later = NOON + timedelta(hours=1)
    champions.approve_challenger(ws, newer, by="Bo", why="seen the figures", now=later)
    assert champion_version(ws, later) != newer, "an approval alone promotes nothing"
    assert [row.version for row in champions.list_approved(ws, later)] == [newer]
    (row,) = champions.promote_approved(ws, later)
    assert (row.verdict, row.kind, row.by) == ("PROMOTE", "approved", "Bo")
    assert champion_version(ws, later) == newer
    assert champions.list_approved(ws, later) == champions.list_pending(ws) == []
    assert champions.promote_approved(ws, later) == []


def test_a_challenger_that_does_not_wait_cannot_be_approved(ws: Workspace) -> None:
    with pytest.raises(ChampionError, match="isn't waiting for an approval"):
        champions.approve_challenger(ws, "2013-03-13-00000000", by="Bo", why="looks good", now=NOON)


def test_a_rollback_puts_an_earlier_champion_in_force_and_keeps_all_rows(ws: Workspace) -> None:
    first = champions.adopt_champion(ws, by="Ada", why="it pays", now=NOON).version
    second = train(ws, AS_OF - timedelta(days=1))
    append_verdict(ws, second, "live", at=NOON + timedelta(hours=1))
    back = NOON + timedelta(hours=2)
    champions.roll_back_champion(ws, first, by="Cy", why="complaints", now=back)
    assert [champion_version(ws, NOON + timedelta(hours=h)) for h in (0, 1, 2)] == [first, second, first]
    with pytest.raises(ChampionError, match="already the live champion"):
        champions.roll_back_champion(ws, first, by="Cy", why="again", now=back)
    with pytest.raises(ChampionError, match="was never the live champion"):
        champions.roll_back_champion(ws, "2013-01-01-00000000", by="Cy", why="a hunch", now=back)
    champions.roll_back_champion(ws, second, by="Cy", why="it was the weather", now=back + timedelta(hours=1))
    assert len(ws.champion_ledger.rows()) == 5


def test_training_is_skipped_without_new_data(ws: Workspace) -> None:
    for as_of in (AS_OF, AS_OF + timedelta(days=2)):
        reason = champions.reason_to_skip_training(ws, as_of)
        assert reason is not None and reason.endswith(" was trained, no new data was accepted and no recipe changed")


def test_a_new_day_a_correction_and_a_new_recipe_are_worth_training(ws: Workspace) -> None:
    publish_days(ws, [AS_OF], count=20)
    assert champions.reason_to_skip_training(ws, AS_OF + timedelta(days=1)) is None
    assert champions.reason_to_skip_training(ws, AS_OF), "a model isn't trained on its own day"
    key = DAYS[3].isoformat()
    entry = ws.lake.entry("features", key)
    assert entry is not None
    rows = pq.read_table(ws.lake.local_file(entry)).slice(1)
    ws.lake.write("features", key, rows, inputs=entry.inputs, code="test", facts=entry.facts)
    assert champions.reason_to_skip_training(ws, AS_OF) is None
    (ws.use_case.folder / "features.sql").write_text(ws.use_case.sql("features") + " -- another")
    assert champions.reason_to_skip_training(ws, AS_OF) is None


def write_account(ws: Workspace, day: date, gain: float) -> None:
    write_accounts(ws, [DailyValue(day.isoformat(), 10, gain, 0.0, 0.0, 50.0, 5, 5, 0)], "live")


def test_decay_is_a_recent_gain_below_its_limit(ws: Workspace) -> None:
    today = DAYS[5]
    for day in DAYS[:2]:
        write_account(ws, day, -20.0)
    assert champions.measure_recent_lift(ws, "live") is None
    assert champions.find_decay(ws, "live", today) is None, "too few days"
    write_account(ws, DAYS[2], 10.0)
    assert champions.find_decay(ws, "live", today) == (
        "the gain of the last 3 days is -EUR 1,000 per 1,000 units, below the limit of EUR 0"
    )
    append_verdict(ws, f"{today}-00000000", "live", "HOLD")
    assert champions.find_decay(ws, "live", today) is None, "it was challenged today"
    write_account(ws, DAYS[3], 30.0)
    recent = champions.measure_recent_lift(ws, "live")
    assert recent is not None and [d.partition for d in recent.daily_values] == [f"{day}" for day in DAYS[1:4]]
    assert champions.find_decay(ws, "live", today + timedelta(days=9)) is None
