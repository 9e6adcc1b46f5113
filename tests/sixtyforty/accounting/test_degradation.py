"""The degradation drill: only the day itself is damaged, nobody is scored on what they know, and harm is seen."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sixtyforty.accounting import degradation
from sixtyforty.accounting.degradation import Finding, damage, drill, recorded, sample
from sixtyforty.modeling import model_store
from sixtyforty.modeling.features import Window, rebuilt
from sixtyforty.reports.impact_report import if_it_dies
from sixtyforty.storage.verdicts import Verdict
from sixtyforty.value.lift import Interval
from sixtyforty.workspace import Workspace
from tests.helpers import lake_bytes, make_workspace, publish

DAYS = [date(2013, 3, 15) + timedelta(days=i) for i in range(22)]
LEARNED, AS_OF = date(2013, 4, 1), date(2013, 4, 6)
MARGIN = 50.0


def gate(marks: Callable[[pa.Table], pa.Array]) -> degradation.Gate:
    """A gate that leaves the marked rows to the current process."""

    def judge(tables: Mapping[str, pa.Table]) -> dict[str, tuple[pa.Table, Verdict]]:
        found = {}
        for partition, table in tables.items():
            why = pc.if_else(marks(table), "no such load", pa.scalar(None, pa.string()))
            verdict = Verdict("features", partition, True, 0, 0, 0, 0, 0, [], [])
            found[partition] = (table.append_column("suspect", why), verdict)
        return found

    return judge


strict = gate(lambda t: pc.greater(t["load"], 1.0))
blind = gate(lambda t: pa.array([False] * t.num_rows))


def deaf(tables: Mapping[str, pa.Table]) -> dict[str, tuple[pa.Table, Verdict]]:
    raise AssertionError("it was worked out again")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A model of the 1st of April, and days after it."""
    changes = {"partitions": {"start": "2013-03-15"}, "model": {"params": {"max_iter": 50}}}
    ws = make_workspace(tmp_path_factory.mktemp("trained"), **changes)
    publish(ws, DAYS, count=20)
    plan = model_store.plan(ws.use_case, ws.lake, LEARNED)
    ws.models.write_training_set(ws.use_case, ws.lake, plan)
    list(model_store.train(ws.models, ws.use_case.kpi, [plan.version]))
    return ws


@pytest.fixture
def ws(trained: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(trained.home, tmp_path / "home")
    return Workspace(trained.use_case, tmp_path / "home", trained.database_url)


def by_fault(found: list[Finding]) -> dict[tuple[str, str], Finding]:
    return {(f.feed, f.fault): f for f in found}


def test_sound_feeds_come_first_and_lose_nothing_to_the_gate(ws):
    first = drill(ws, AS_OF, strict)[0]
    assert (first.feed, first.fault, first.fallback) == ("", "none", 0)
    assert first.gated == first.ungated
    assert first.gated.value > 0


def test_each_feed_has_each_fault_that_leaves_something_to_decide(ws):
    assert set(by_fault(drill(ws, AS_OF, strict))) == {
        ("", "none"),
        *(("calls", f) for f in ("stale", "duplicated", "wrong unit")),
        *(("visits", f) for f in ("missing", "stale", "duplicated", "wrong unit")),
    }


def test_what_would_cost_money_is_caught_by_a_gate_that_looks(ws):
    found = by_fault(drill(ws, AS_OF, strict))["calls", "wrong unit"]
    assert found.ungated.value < -MARGIN
    assert abs(found.gated.value) < MARGIN
    assert found.fallback > 0.9
    assert found.happens == "falls back"
    assert found.guarded(MARGIN)


def test_a_gate_that_does_not_look_is_told_of(ws):
    found = by_fault(drill(ws, AS_OF, blind))["calls", "wrong unit"]
    assert found.gated == found.ungated
    assert found.happens == "goes on"
    assert not found.guarded(MARGIN)


@pytest.mark.parametrize(
    ("ungated", "gated", "guarded"),
    [
        ((10, 1, 20), (0, 0, 0), True),
        ((10, 0, 20), (-60, -90, -30), False),
        ((-9, -20, 2), (-50, -90, -1), True),
        ((10, float("nan"), float("nan")), (10, float("nan"), float("nan")), True),
    ],
)
def test_guarded_is_borne_or_caught(ungated, gated, guarded):
    assert Finding("f", "stale", Interval(*ungated), Interval(*gated), 0.5, False).guarded(MARGIN) is guarded


def test_only_the_days_own_rows_are_damaged(ws):
    day = f"{AS_OF - timedelta(days=1)}"
    faults = damage(ws.use_case, day, datetime(2013, 4, 5, 12))
    kept = dict(rebuilt(ws.use_case, ws.lake, day, {"sound": [], **faults, "sound again": []}))
    sound = kept.pop("sound")
    assert kept.pop("sound again").equals(sound)
    assert kept["calls", "wrong unit"]["load"].to_pylist() == [60 * x for x in sound["load"].to_pylist()]
    assert kept["visits", "missing"]["late_before"].null_count == 0, "history is there"
    ws.lake.drop("validated/visits", day)
    assert kept["visits", "missing"].equals(Window(ws.use_case, ws.lake, [day]).build().tables[day])
    for table in kept.values():
        assert table.select(["id", "decided_at"]).equals(sound.select(["id", "decided_at"]))


def test_where_the_sql_has_no_answer_people_go_on_as_today(tmp_path):
    ws = make_workspace(tmp_path)
    (ws.use_case.folder / "features.sql").write_text(
        "select u.id, u.site, u.load, c.load as again from units u join calls c using (id)"
    )
    publish(ws, DAYS[:5])
    faults = damage(ws.use_case, f"{DAYS[4]}", datetime(2013, 3, 19, 12))
    found = dict(rebuilt(ws.use_case, ws.lake, f"{DAYS[4]}", faults))
    assert found["calls", "duplicated"] is None
    assert found["visits", "duplicated"] is not None


def test_no_day_is_scored_by_a_model_that_learned_from_it(ws):
    scored = degradation._scored_by(ws, AS_OF)
    assert set(scored) == {f"{LEARNED + timedelta(days=i)}" for i in range(5)}
    for day, version in scored.items():
        assert ws.models.card(version)["last"] < day


def test_nothing_is_worked_out_twice_until_something_changes(ws):
    found = drill(ws, AS_OF, strict)
    before = lake_bytes(ws.lake)
    assert drill(ws, AS_OF, deaf) == found == recorded(ws)
    assert lake_bytes(ws.lake) == before
    entry = ws.lake.entry("outcomes", "2013-04-02")
    import pyarrow.parquet as pq

    ws.lake.write("outcomes", "2013-04-02", pq.read_table(ws.lake.path(entry)).slice(1), inputs=entry.inputs)
    with pytest.raises(AssertionError, match="again"):
        drill(ws, AS_OF, deaf)


def test_it_touches_nothing_but_its_own_dataset(ws):
    before = lake_bytes(ws.lake)
    drill(ws, AS_OF, strict)
    after = lake_bytes(ws.lake)
    assert {n for n in after if after[n] != before.get(n)} == {n for n in after if n.startswith("degradation/")}


def test_without_days_to_look_at_there_is_nothing_to_find(ws):
    assert drill(ws, LEARNED, strict) == []
    assert recorded(ws) == []
    assert if_it_dies(ws) == []


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 32, 100, 112, 275, 330, 365])
def test_a_sample_is_bounded_fixed_and_over_the_whole_week(count):
    days = [f"{date(2013, 1, 1) + timedelta(days=i)}" for i in range(count)]
    found = sample(days)
    assert len(found) == min(count, len(found)) <= 16
    assert found == sample(days)
    assert set(found) <= set(days)
    if count > 100:
        assert len({date.fromisoformat(d).weekday() for d in found}) == 7


def test_owners_read_what_the_death_of_a_feed_costs(ws):
    drill(ws, AS_OF, strict)
    (said,) = if_it_dies(ws)
    assert said.startswith("If the visits feed dies, the decisions go on, and keep +")
    assert "EUR per 1,000 calls beyond today's" in said
    drill(ws, AS_OF - timedelta(days=1), gate(lambda t: pa.array([True] * t.num_rows)))
    (said,) = if_it_dies(ws)
    assert said.startswith("If the visits feed dies, the current process decides 100% of the calls")
