"""Going live, approvals and rollback in the ledger; when training again would teach something."""

from datetime import date, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sixtyforty.lifecycle import champions
from sixtyforty.lifecycle.champions import ChampionError
from sixtyforty.modeling import trainer, training_plan
from sixtyforty.modeling.skops_files import ModelError
from tests.helpers import make_workspace, publish_days

DAYS = [date(2013, 3, 1) + timedelta(days=i) for i in range(12)]
AS_OF = date(2013, 3, 13)
NOON = datetime(2013, 3, 13, 12)


@pytest.fixture
def ws(tmp_path):
    """A home with a trained model, promoted in the replay."""
    found = make_workspace(tmp_path, automation={"approval": "required", "decay_days": 3})
    publish_days(found, DAYS, count=20)
    promote(found, train(found, AS_OF))
    return found


def train(ws, as_of):
    plan = training_plan.plan_training(ws.use_case, ws.lake, as_of)
    ws.models.write_training_set(ws.use_case, ws.lake, plan)
    list(trainer.train_models(ws.models, ws.use_case.kpi, [plan.version]))
    return plan.version


def promote(ws, version, track="replay", verdict="PROMOTE", at=NOON):
    return ws.champion_ledger.append(
        track=track,
        version=version,
        verdict=verdict,
        kind="refresh",
        as_of=version[:10],
        effective_from=at.isoformat(),
        reasons=["better"],
    )


def test_going_live_adopts_the_replays_champion_once(ws):
    row = champions.adopt_champion(ws, by="Ada", why="it pays", moment=NOON)
    assert (row.track, row.kind, row.by, row.reasons) == ("live", "adopted", "Ada", ["it pays"])
    assert ws.champion_ledger.champion_at("live", NOON).version == row.version
    assert ws.champion_ledger.champion_at("live", NOON - timedelta(seconds=1)) is None
    with pytest.raises(ChampionError, match="live already"):
        champions.adopt_champion(ws, by="Ada", why="again", moment=NOON)


def test_only_what_the_replay_promoted_can_be_adopted(ws):
    with pytest.raises(ChampionError, match="never promoted"):
        champions.adopt_champion(ws, by="Ada", why="a hunch", moment=NOON, version="2013-01-01-00000000")


def test_a_model_that_was_tampered_with_is_not_adopted(ws):
    version = ws.champion_ledger.promotions("replay")[-1].version
    (ws.models.folder(version) / "model.skops").write_bytes(b"something else")
    with pytest.raises(ModelError, match="hash differs"):
        champions.adopt_champion(ws, by="Ada", why="it pays", moment=NOON)
    assert ws.champion_ledger.promotions("live") == []


def test_an_approval_is_recorded_and_then_acted_on(ws):
    champions.adopt_champion(ws, by="Ada", why="it pays", moment=NOON)
    newer = train(ws, AS_OF - timedelta(days=1))
    promote(ws, newer, "live", "PENDING")
    assert [r.version for r in champions.list_pending(ws)] == [newer]
    later = NOON + timedelta(hours=1)
    champions.approve_challenger(ws, newer, by="Bo", why="seen the figures", moment=later)
    assert ws.champion_ledger.champion_at("live", later).version != newer, "an approval promotes nothing by itself"
    assert [r.version for r in champions.list_approved(ws)] == [newer]
    (row,) = champions.promote_approved(ws, later)
    assert (row.verdict, row.kind, row.by) == ("PROMOTE", "approved", "Bo")
    assert ws.champion_ledger.champion_at("live", later).version == newer
    assert champions.list_approved(ws) == champions.list_pending(ws) == champions.promote_approved(ws, later) == []


def test_what_does_not_wait_cannot_be_approved(ws):
    with pytest.raises(ChampionError, match="doesn't wait"):
        champions.approve_challenger(ws, "2013-03-13-00000000", by="Bo", why="looks good", moment=NOON)


def test_a_rollback_puts_an_earlier_champion_back_and_keeps_what_was(ws):
    first = champions.adopt_champion(ws, by="Ada", why="it pays", moment=NOON).version
    second = train(ws, AS_OF - timedelta(days=1))
    promote(ws, second, "live", at=NOON + timedelta(hours=1))
    back = NOON + timedelta(hours=2)
    champions.roll_back_champion(ws, first, by="Cy", why="complaints", moment=back)
    in_force = [ws.champion_ledger.champion_at("live", NOON + timedelta(hours=h)).version for h in (0, 1, 2)]
    assert in_force == [first, second, first]
    with pytest.raises(ChampionError, match="in force already"):
        champions.roll_back_champion(ws, first, by="Cy", why="again", moment=back)
    with pytest.raises(ChampionError, match="never champion"):
        champions.roll_back_champion(ws, "2013-01-01-00000000", by="Cy", why="a hunch", moment=back)
    champions.roll_back_champion(ws, second, by="Cy", why="it was the weather", moment=back + timedelta(hours=1))
    assert len(ws.champion_ledger.rows()) == 5


def test_training_again_without_new_data_teaches_nothing(ws):
    assert "no data was accepted" in champions.reason_to_skip_training(ws, AS_OF)
    assert "no data was accepted" in champions.reason_to_skip_training(ws, AS_OF + timedelta(days=2)), "time alone is no news"


def test_a_new_day_a_correction_and_a_new_recipe_are_news(ws):
    publish_days(ws, [AS_OF], count=20)
    assert champions.reason_to_skip_training(ws, AS_OF + timedelta(days=1)) is None
    assert champions.reason_to_skip_training(ws, AS_OF), "a day's own model doesn't see that day"
    entry = ws.lake.entry("features", DAYS[3].isoformat())
    rows = pq.read_table(ws.lake.local_file(entry)).slice(1)
    ws.lake.write("features", DAYS[3].isoformat(), rows, inputs=entry.inputs, code="test", facts=entry.facts)
    assert champions.reason_to_skip_training(ws, AS_OF) is None
    (ws.use_case.folder / "features.sql").write_text(ws.use_case.sql("features") + " -- another")
    assert champions.reason_to_skip_training(ws, AS_OF) is None


def account(ws, day, model, present=0.0):
    facts = {
        "partition": day.isoformat(),
        "decisions": 10,
        "model": model,
        "current_process": present,
        "random_choice": 0.0,
        "perfect_foresight": 50.0,
        "fallback": 0,
        "acted": 5,
        "differ": 5,
        "unknown": 0,
    }
    ws.lake.write("kpi/live", day.isoformat(), pa.table({"model": [model]}), facts=facts)


def test_decay_is_a_realised_lift_below_its_gate(ws):
    today = DAYS[5]
    for day in DAYS[:2]:
        account(ws, day, -20.0)
    assert champions.find_decay(ws, "live", today) is None, "too few days to tell"
    account(ws, DAYS[2], 10.0)
    assert "-1,000 per 1,000, below 0" in champions.find_decay(ws, "live", today)
    promote(ws, f"{today}-00000000", "live", "HOLD")
    assert champions.find_decay(ws, "live", today) is None, "it was challenged today"
    account(ws, DAYS[3], 30.0)
    assert champions.find_decay(ws, "live", today + timedelta(days=9)) is None
