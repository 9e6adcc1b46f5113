"""Going live, approvals and rollback in the ledger; when training again would teach something."""

from datetime import date, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sixtyforty.lifecycle import champions
from sixtyforty.lifecycle.champions import ChampionError
from sixtyforty.modeling import model_store
from sixtyforty.modeling.skops_files import ModelError
from tests.helpers import make_workspace, publish

DAYS = [date(2013, 3, 1) + timedelta(days=i) for i in range(12)]
AS_OF = date(2013, 3, 13)
NOON = datetime(2013, 3, 13, 12)


@pytest.fixture
def ws(tmp_path):
    """A home with a trained model, promoted in the replay."""
    found = make_workspace(tmp_path, automation={"approval": "required", "decay_days": 3})
    publish(found, DAYS, count=20)
    promote(found, train(found, AS_OF))
    return found


def train(ws, as_of):
    plan = model_store.plan(ws.use_case, ws.lake, as_of)
    ws.models.write_training_set(ws.use_case, ws.lake, plan)
    list(model_store.train(ws.models, ws.use_case.kpi, [plan.version]))
    return plan.version


def promote(ws, version, track="replay", verdict="PROMOTE", at=NOON):
    return ws.ledger.append(
        track=track,
        version=version,
        verdict=verdict,
        kind="refresh",
        as_of=version[:10],
        effective_from=at.isoformat(),
        reasons=["better"],
    )


def test_going_live_adopts_the_replays_champion_once(ws):
    row = champions.adopt(ws, by="Ada", why="it pays", moment=NOON)
    assert (row.track, row.kind, row.by, row.reasons) == ("live", "adopted", "Ada", ["it pays"])
    assert ws.ledger.champion("live", NOON).version == row.version
    assert ws.ledger.champion("live", NOON - timedelta(seconds=1)) is None
    with pytest.raises(ChampionError, match="live already"):
        champions.adopt(ws, by="Ada", why="again", moment=NOON)


def test_only_what_the_replay_promoted_can_be_adopted(ws):
    with pytest.raises(ChampionError, match="never promoted"):
        champions.adopt(ws, by="Ada", why="a hunch", moment=NOON, version="2013-01-01-00000000")


def test_a_model_that_was_tampered_with_is_not_adopted(ws):
    version = ws.ledger.champions("replay")[-1].version
    (ws.models.folder(version) / "model.skops").write_bytes(b"something else")
    with pytest.raises(ModelError, match="hash differs"):
        champions.adopt(ws, by="Ada", why="it pays", moment=NOON)
    assert ws.ledger.champions("live") == []


def test_an_approval_is_recorded_and_then_acted_on(ws):
    champions.adopt(ws, by="Ada", why="it pays", moment=NOON)
    newer = train(ws, AS_OF - timedelta(days=1))
    promote(ws, newer, "live", "PENDING")
    assert [r.version for r in champions.pending(ws)] == [newer]
    later = NOON + timedelta(hours=1)
    champions.approve(ws, newer, by="Bo", why="seen the figures", moment=later)
    assert ws.ledger.champion("live", later).version != newer, "an approval promotes nothing by itself"
    assert [r.version for r in champions.approved(ws)] == [newer]
    (row,) = champions.promote_approved(ws, later)
    assert (row.verdict, row.kind, row.by) == ("PROMOTE", "approved", "Bo")
    assert ws.ledger.champion("live", later).version == newer
    assert champions.approved(ws) == champions.pending(ws) == champions.promote_approved(ws, later) == []


def test_what_does_not_wait_cannot_be_approved(ws):
    with pytest.raises(ChampionError, match="doesn't wait"):
        champions.approve(ws, "2013-03-13-00000000", by="Bo", why="looks good", moment=NOON)


def test_a_rollback_puts_an_earlier_champion_back_and_keeps_what_was(ws):
    first = champions.adopt(ws, by="Ada", why="it pays", moment=NOON).version
    second = train(ws, AS_OF - timedelta(days=1))
    promote(ws, second, "live", at=NOON + timedelta(hours=1))
    back = NOON + timedelta(hours=2)
    champions.rollback(ws, first, by="Cy", why="complaints", moment=back)
    in_force = [ws.ledger.champion("live", NOON + timedelta(hours=h)).version for h in (0, 1, 2)]
    assert in_force == [first, second, first]
    with pytest.raises(ChampionError, match="in force already"):
        champions.rollback(ws, first, by="Cy", why="again", moment=back)
    with pytest.raises(ChampionError, match="never champion"):
        champions.rollback(ws, "2013-01-01-00000000", by="Cy", why="a hunch", moment=back)
    champions.rollback(ws, second, by="Cy", why="it was the weather", moment=back + timedelta(hours=1))
    assert len(ws.ledger.rows()) == 5


def test_training_again_without_new_data_teaches_nothing(ws):
    assert "no data was accepted" in champions.nothing_new(ws, AS_OF)
    assert "no data was accepted" in champions.nothing_new(ws, AS_OF + timedelta(days=2)), "time alone is no news"


def test_a_new_day_a_correction_and_a_new_recipe_are_news(ws):
    publish(ws, [AS_OF], count=20)
    assert champions.nothing_new(ws, AS_OF + timedelta(days=1)) is None
    assert champions.nothing_new(ws, AS_OF), "a day's own model doesn't see that day"
    entry = ws.lake.entry("features", DAYS[3].isoformat())
    rows = pq.read_table(ws.lake.path(entry)).slice(1)
    ws.lake.write("features", DAYS[3].isoformat(), rows, inputs=entry.inputs, code="test", facts=entry.facts)
    assert champions.nothing_new(ws, AS_OF) is None
    (ws.use_case.folder / "features.sql").write_text(ws.use_case.sql("features") + " -- another")
    assert champions.nothing_new(ws, AS_OF) is None


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
    assert champions.decayed(ws, "live", today) is None, "too few days to tell"
    account(ws, DAYS[2], 10.0)
    assert "-1,000 per 1,000, below 0" in champions.decayed(ws, "live", today)
    promote(ws, f"{today}-00000000", "live", "HOLD")
    assert champions.decayed(ws, "live", today) is None, "it was challenged today"
    account(ws, DAYS[3], 30.0)
    assert champions.decayed(ws, "live", today + timedelta(days=9)) is None
