"""The break-even curve: the gain from all information to none, on units whose chances are known exactly."""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from sixtyforty.accounting.break_even import (
    FAULT_VERBS,
    CurvePoint,
    compute_curve,
    explain_break_even,
    find_crossing,
    read_curve,
    tolerable_fault_shares,
    write_curve,
)
from sixtyforty.accounting.degradation import FaultImpact
from sixtyforty.accounting.feed_faults import FAULTS
from sixtyforty.spec.actions import Action
from sixtyforty.spec.kpi import Kpi
from sixtyforty.storage import stored_tables
from sixtyforty.storage.stored_tables import TableStore
from sixtyforty.value.lift import Interval
from sixtyforty.workspace import Workspace
from tests.accounted_home import make_accounted_home
from tests.peak_memory import measure_peak
from tests.sixtyforty.value.kpis import STAFF, THREE, TWO, make_kpi


def compute(kpi: Kpi, units: pd.DataFrame) -> list[CurvePoint]:
    return compute_curve(kpi, pa.Table.from_pandas(units, preserve_index=False))


def make_units(n: int = 6000, days: int = 30, seed: int = 3) -> pd.DataFrame:
    """Return units whose chance of an outcome is known exactly; the current process acts on none of them."""
    rng = np.random.default_rng(seed)
    chance = rng.beta(1, 2, n)
    return pd.DataFrame(
        {
            "_partition": [f"2013-03-{i % days + 1:02}" for i in range(n)],
            "expected": chance,
            "current_action": "wait",
            "outcome": (rng.random(n) < chance).astype(float),
        }
    )


def exactly(amount: float) -> Interval:
    return Interval(amount, amount, amount)


def test_with_all_information_it_is_the_gain_itself() -> None:
    units = make_units()
    first = compute(TWO, units)[0]
    acts = units["expected"] > 0.3  # acting costs 3 and pays 10
    gain = (10 * units["outcome"] - 3)[acts].sum()
    assert first.share_lost == 0
    assert first.over_current_process.value == pytest.approx(1000 * gain / len(units))


def test_without_any_information_it_is_a_random_choice() -> None:
    last = compute(TWO, make_units())[-1]
    assert last.share_lost == 1
    assert last.over_random_choice.low < 0 < last.over_random_choice.high
    assert abs(last.over_random_choice.value) < 60  # with all information it is about 1,000


def test_the_gain_falls_with_the_information_and_the_curve_is_reproducible() -> None:
    points = compute(TWO, make_units())
    assert all(a.over_current_process.value > b.over_current_process.value for a, b in pairwise(points))
    assert all(a.over_random_choice.value > b.over_random_choice.value for a, b in pairwise(points))
    assert points == compute(TWO, make_units())


def with_limit(use_full_limit: bool) -> Kpi:
    limited = Action(description="", cost=3.0, gain=10.0, limit=50, use_full_limit=use_full_limit)
    return make_kpi(actions={"wait": Action(description=""), "act": limited})


@pytest.mark.parametrize("kpi", [TWO, THREE, with_limit(False), with_limit(True), STAFF])
def test_portions_give_the_same_curve_with_a_few_numbers_in_memory(
    kpi: Kpi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    units = make_units(3000).assign(decided_at=0)
    if kpi is STAFF:
        units["current_action"] = "3"
    undivided = compute(kpi, units)
    monkeypatch.setattr(stored_tables, "PORTION_ROWS", 70)
    monkeypatch.setattr(stored_tables, "MEMORY_BYTES", 0)
    stored = TableStore(tmp_path).keep(pa.Table.from_pandas(units, preserve_index=False))
    assert isinstance(stored, stored_tables.StoredTable)
    assert compute_curve(kpi, stored) == undivided


def test_a_unit_takes_little_memory_while_the_curve_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_tables, "PORTION_ROWS", 500)
    monkeypatch.setattr(stored_tables, "MEMORY_BYTES", 0)
    peaks = []
    for count in (4_000, 24_000):
        units = TableStore(tmp_path).keep(pa.Table.from_pandas(make_units(count, days=2), preserve_index=False))
        peaks.append(measure_peak(partial(compute_curve, TWO, units)))
    assert (peaks[1] - peaks[0]) / 20_000 < 80  # bytes; a row of pandas with its texts takes more than 200


def test_of_actions_with_equal_payoffs_the_cheapest_is_taken_as_in_the_policy() -> None:
    units = pd.DataFrame(
        {
            "_partition": ["2013-03-01", "2013-03-01"],
            "expected": [0.0, 1.0],
            "current_action": ["wait", "wait"],
            "outcome": [0.0, 1.0],
        }
    )
    # An outcome pays 10 - 3 or 16 - 7, and no outcome costs 3, 7 or, by waiting, 1: the policy takes wait, then rush.
    gain = (-1 + 9) - (-1 - 1)
    assert compute(THREE, units)[0].over_current_process.value == pytest.approx(1000 * gain / 2)


def test_a_unit_without_an_action_of_known_price_is_left_to_the_current_process() -> None:
    actions = {
        "wait": Action(description="", cost=1.0, limit=1),
        "act": Action(description="", cost=3.0, gain="fare"),
    }
    units = pd.DataFrame(
        {
            "_partition": "2013-03-01",
            "decided_at": 0,
            "expected": [0.0, 0.0],
            "current_action": "wait",
            "outcome": 0.0,
            "_gain act": np.nan,
        }
    )
    assert compute(make_kpi(actions=actions), units)[0].over_current_process.value == 0.0


def test_the_crossing_is_interpolated() -> None:
    points = [CurvePoint(x, exactly(y), exactly(1.0)) for x, y in ((0.0, 10.0), (0.5, 5.0), (1.0, -5.0))]
    assert find_crossing(points, "over_current_process") == pytest.approx(0.75)
    assert find_crossing(points, "over_random_choice") is None
    assert find_crossing([CurvePoint(0.0, exactly(-1), exactly(1))], "over_current_process") == 0
    assert find_crossing([], "over_current_process") is None


def make_impact(feed: str, fault: str, ungated: float) -> FaultImpact:
    return FaultImpact(feed, fault, exactly(ungated), exactly(0.0), 0.0, False)


def test_the_tolerable_share_of_a_fault_is_in_proportion_to_its_loss() -> None:
    impacts = [make_impact("", "none", 10), make_impact("a", "stale", -30), make_impact("b", "stale", 4)]
    assert tolerable_fault_shares(impacts) == {("a", "stale"): pytest.approx(0.25), ("b", "stale"): None}
    without_gain = [make_impact("", "none", -1), make_impact("a", "stale", -30)]
    assert tolerable_fault_shares(without_gain) == {("a", "stale"): 0}
    assert tolerable_fault_shares([]) == {}


def test_without_decisions_there_is_no_curve(workspace: Workspace) -> None:
    assert write_curve(workspace, "replay") == []
    assert read_curve(workspace) == (None, [])
    assert explain_break_even(workspace) == []


def test_owners_read_the_break_even_shares(tmp_path: Path) -> None:
    assert explain_break_even(make_accounted_home(tmp_path)) == [
        "The model would still match the current process with 45% of its information missing.",
        "The calls feed may stop unnoticed for 69% of the calls before the gain falls to zero.",
    ]


def test_an_unknown_interval_survives_json() -> None:
    point = CurvePoint(0.1, Interval(1.0, math.nan, math.nan), exactly(2.0))
    restored = CurvePoint.from_dict(point.to_dict())
    assert (restored.share_lost, restored.over_current_process.value, restored.over_random_choice) == (
        0.1,
        1.0,
        exactly(2.0),
    )
    assert math.isnan(restored.over_current_process.low)


def test_every_fault_that_can_go_unnoticed_has_a_verb() -> None:
    assert {*FAULT_VERBS} == {*FAULTS} - {"missing"}
