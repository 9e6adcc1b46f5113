"""The degradation drill: no day is scored by a model trained on it, and harm is seen with and without the gate."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from sixtyforty.accounting import degradation
from sixtyforty.accounting.degradation import FaultImpact, ServingGate, read_impacts, run_drill, sample_days
from sixtyforty.accounting.feed_faults import Fault
from sixtyforty.reports.impact_report import describe_feed_outages
from sixtyforty.storage.verdicts import Verdict
from sixtyforty.value.lift import Interval
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace, publish_days, put_champion_in_force, read_lake

DAYS = [date(2013, 3, 15) + timedelta(days=i) for i in range(22)]
TRAINED, AS_OF = date(2013, 4, 1), date(2013, 4, 6)
MARGIN = 50.0


def make_gate(mark: Callable[[pa.Table], pa.Array]) -> ServingGate:
    """Return a gate that leaves the marked rows to the current process."""

    def check(tables: Mapping[str, pa.Table]) -> dict[str, tuple[pa.Table, Verdict]]:
        checked = {}
        for partition, table in tables.items():
            reason = pc.if_else(mark(table), "no such load", pa.scalar(None, pa.string()))
            verdict = Verdict("features", partition, True, 0, 0, 0, 0, 0, [], [])
            checked[partition] = (table.append_column("suspect", reason), verdict)
        return checked

    return check


strict = make_gate(lambda table: pc.greater(table["load"], 1.0))
blind = make_gate(lambda table: pa.array([False] * table.num_rows))


def refuse(tables: Mapping[str, pa.Table]) -> dict[str, tuple[pa.Table, Verdict]]:
    raise AssertionError("the drill was computed again")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A home with a model trained at the start of the 1st of April, and days after it."""
    changes = {"partitions": {"start": "2013-03-15"}, "model": {"params": {"max_iter": 50}}}
    ws = make_workspace(tmp_path_factory.mktemp("trained"), **changes)
    publish_days(ws, DAYS, count=20)
    put_champion_in_force(ws, TRAINED)
    return ws


@pytest.fixture
def ws(trained: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(trained.home, tmp_path / "home")
    return Workspace(trained.use_case, tmp_path / "home", trained.database_url)


def by_fault(impacts: list[FaultImpact]) -> dict[Fault, FaultImpact]:
    return {(impact.feed, impact.fault): impact for impact in impacts}


def test_sound_feeds_come_first_and_lose_nothing_to_the_gate(ws: Workspace) -> None:
    first = run_drill(ws, AS_OF, strict)[0]
    assert (first.feed, first.fault, first.fallback) == ("", "none", 0)
    assert first.gated == first.ungated
    assert first.gated.value > 0


def test_each_fault_of_each_feed_is_valued(ws: Workspace) -> None:
    assert set(by_fault(run_drill(ws, AS_OF, strict))) == {
        ("", "none"),
        *(("calls", fault) for fault in ("stale", "duplicated", "wrong unit")),
        *(("visits", fault) for fault in ("missing", "stale", "duplicated", "wrong unit")),
    }


def test_a_gate_that_checks_prevents_the_loss(ws: Workspace) -> None:
    impact = by_fault(run_drill(ws, AS_OF, strict))["calls", "wrong unit"]
    assert impact.ungated.value < -MARGIN
    assert abs(impact.gated.value) < MARGIN
    assert impact.fallback > 0.9
    assert impact.chain_response == "falls back"
    assert impact.is_guarded(MARGIN)


def test_a_gate_that_does_not_check_is_reported(ws: Workspace) -> None:
    impact = by_fault(run_drill(ws, AS_OF, blind))["calls", "wrong unit"]
    assert impact.gated == impact.ungated
    assert impact.chain_response == "continues"
    assert not impact.is_guarded(MARGIN)


@pytest.mark.parametrize(
    ("ungated", "gated", "guarded"),
    [
        ((10, 1, 20), (0, 0, 0), True),
        ((10, 0, 20), (-60, -90, -30), False),
        ((-9, -20, 2), (-50, -90, -1), True),
        ((10, float("nan"), float("nan")), (10, float("nan"), float("nan")), True),
    ],
)
def test_a_fault_is_guarded_if_a_gain_is_left_or_the_gate_limits_the_loss(
    ungated: tuple[float, float, float], gated: tuple[float, float, float], guarded: bool
) -> None:
    impact = FaultImpact("f", "stale", Interval(*ungated), Interval(*gated), 0.5, False)
    assert impact.is_guarded(MARGIN) is guarded


def test_an_impact_survives_json() -> None:
    impact = FaultImpact("f", "stale", Interval(1.0, 0.123456, 2.0), Interval(0.0, 0.0, 0.0), 0.5, True)
    assert FaultImpact.from_dict(impact.to_dict()) == impact


def test_no_day_is_scored_by_a_model_trained_on_it(ws: Workspace) -> None:
    version_of_day = degradation._scoring_versions(ws, AS_OF)
    assert set(version_of_day) == {f"{TRAINED + timedelta(days=i)}" for i in range(5)}
    for day, version in version_of_day.items():
        assert ws.models.card(version).last < day


def test_the_drill_is_computed_again_only_after_a_change(ws: Workspace) -> None:
    impacts = run_drill(ws, AS_OF, strict)
    before = read_lake(ws.lake)
    assert run_drill(ws, AS_OF, refuse) == impacts == read_impacts(ws)
    assert read_lake(ws.lake) == before
    entry = ws.lake.entry("outcomes", "2013-04-02")
    assert entry is not None
    rows = pq.read_table(ws.lake.local_file(entry)).slice(1)
    ws.lake.write("outcomes", "2013-04-02", rows, inputs=entry.inputs)
    with pytest.raises(AssertionError, match="again"):
        run_drill(ws, AS_OF, refuse)


def test_the_drill_writes_only_its_own_dataset(ws: Workspace) -> None:
    before = read_lake(ws.lake)
    run_drill(ws, AS_OF, strict)
    after = read_lake(ws.lake)
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {name for name in after if name.startswith("degradation/")} != set()


def test_without_scored_days_there_are_no_impacts(ws: Workspace) -> None:
    assert run_drill(ws, TRAINED, strict) == []
    assert read_impacts(ws) == []
    assert describe_feed_outages(ws) == []


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 32, 100, 112, 275, 330, 365])
def test_a_sample_is_small_stable_and_covers_all_weekdays(count: int) -> None:
    days = [f"{date(2013, 1, 1) + timedelta(days=i)}" for i in range(count)]
    sample = sample_days(days)
    assert min(count, 1) <= len(sample) <= min(count, 16)
    assert sample == sample_days(days)
    assert set(sample) <= set(days)
    if count > 100:
        assert len({date.fromisoformat(day).weekday() for day in sample}) == 7


def test_owners_read_what_the_outage_of_a_feed_costs(ws: Workspace) -> None:
    run_drill(ws, AS_OF, strict)
    (sentence,) = describe_feed_outages(ws)
    assert sentence.startswith("If the visits feed stops, the model continues to decide. The gain is then EUR ")
    run_drill(ws, AS_OF - timedelta(days=1), make_gate(lambda table: pa.array([True] * table.num_rows)))
    (sentence,) = describe_feed_outages(ws)
    assert sentence.startswith("If the visits feed stops, the current process decides 100% of the calls.")
