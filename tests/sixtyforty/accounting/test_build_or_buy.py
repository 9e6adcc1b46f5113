"""Build or buy: an expensive better vendor loses, a cheap equal one wins, a strategic capability isn't bought."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.accounting import kpi_audit, kpi_ledger
from sixtyforty.accounting.build_or_buy import BUILD, NEITHER, CostModel, SourcingError, score_build_or_buy
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.spec.errors import ConflictingFields
from sixtyforty.spec.sourcing import Price, Sourcing
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.workspace import Workspace
from tests.helpers import (
    CALLS,
    calls_on,
    csv_text,
    day_range,
    land_extract,
    make_workspace,
    merge,
    publish_days,
    put_champion_in_force,
)

DAYS = [date(2013, 3, 1) + timedelta(days=i) for i in range(14)]
KEYS = [day.isoformat() for day in DAYS]
ORACLE = {"description": "A vendor's numbers.", "vendor": True, "expected_outcome": "load"}
DECLARED: dict[str, Any] = {
    "capability": "partly",
    "strategic": False,
    "why": "anybody can buy it",
    "remaining_build_cost": 1000,
    "horizon_months": 12,
    "yearly_discount": 0.1,
}


def with_vendors(vendors: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the declaration of a use case that compares these vendors."""
    return {
        "sourcing": DECLARED | {"vendors": vendors} | changes,
        "kpi": {"candidates": dict.fromkeys(vendors, ORACLE), "costs": {"per_month": 50}},
    }


def make_home(
    folder: Path, vendors: dict[str, Any], vendor: float, ours: float = 20.0, wobble: float = 0.0, **changes: Any
) -> Workspace:
    """Return a home with 55 days of 20 units; each day we gain about `ours`, and the vendor about `vendor`."""
    ws = make_workspace(folder, **with_vendors(vendors, **changes))
    for i, partition in enumerate(day_range(date(2013, 4, 1), date(2013, 5, 25))):
        noise = (i * 7 % 11) - 5.0
        money = dict.fromkeys(ws.use_case.kpi.candidates, 40.0 + vendor + noise + wobble * (i * 5 % 11 - 5))
        write_account(ws, DailyValue(partition, 20, 40.0 + ours + noise, 40.0, 10.0, 90.0, 6, 4, 0, money))
    return ws


def write_account(ws: Workspace, daily_value: DailyValue) -> None:
    table = pa.table({"decisions": [daily_value.decisions]})
    ws.lake.write("kpi/replay", daily_value.partition, table, facts=daily_value.__dict__ | {"unknown": 0})


def test_a_better_vendor_that_is_expensive_loses(tmp_path: Path) -> None:
    scorecard = score_build_or_buy(make_home(tmp_path, {"oracle": {"per_decision": 1.0}}, vendor=30), "replay")
    ours, oracle = scorecard.ways
    assert oracle.gain_per_1000 == 1500 > 1000 == ours.gain_per_1000
    assert scorecard.verdict == BUILD
    assert scorecard.why == [
        "The decisions of oracle are better than ours; after all costs, their net present value is lower."
    ]


def test_a_cheap_vendor_without_a_proven_difference_wins(tmp_path: Path) -> None:
    ws = make_home(tmp_path, {"oracle": {"per_month": 5}}, vendor=19.9, wobble=1)
    scorecard = score_build_or_buy(ws, "replay")
    ours, oracle = scorecard.ways
    assert (oracle.gain_per_1000 or 0) < (ours.gain_per_1000 or 0)
    assert oracle.counted_gain_per_1000 == ours.counted_gain_per_1000
    assert scorecard.verdict == "oracle"
    assert "show no proven difference from ours; after all costs, their net present value is higher" in scorecard.why[0]


def test_the_net_present_value_is_that_of_a_plain_sum(tmp_path: Path) -> None:
    assumptions = {"yearly_growth": 0.2, "variable_cost_share": 0.5}
    ws = make_home(tmp_path, {"oracle": {"per_decision": 0.1, "one_off": 7}}, vendor=30, **assumptions)
    scorecard = score_build_or_buy(ws, "replay")
    units, ours, oracle = 20 * 365.25 / 12, -1000.0, -7.0
    for month in range(1, 13):
        growth, discount = 1.2 ** (month / 12), 1.1 ** (-month / 12)
        ours += discount * (units * growth * 1.0 - 50 * (1 + 0.5 * (growth - 1)))
        oracle += discount * units * growth * (1.5 - 0.1)
    expected = [pytest.approx(ours, abs=0.01), pytest.approx(oracle, abs=0.01)]
    assert [way.net_present_value for way in scorecard.ways] == expected
    assert scorecard.units_a_month == round(units)
    price = scorecard.ways[1].break_even_price_per_decision
    even = make_home(tmp_path / "even", {"oracle": {"per_decision": price, "one_off": 7}}, vendor=30, **assumptions)
    first, second = score_build_or_buy(even, "replay").ways
    assert first.net_present_value == pytest.approx(second.net_present_value, abs=2)


def test_a_strategic_capability_is_not_bought_however_cheap(tmp_path: Path) -> None:
    ws = make_home(tmp_path, {"oracle": {}}, vendor=30, strategic=True, why="our edge")
    scorecard = score_build_or_buy(ws, "replay")
    assert (scorecard.verdict, scorecard.why[0]) == (BUILD, "The capability is strategic, so it isn't bought: our edge")
    assert not any(scenario.verdict == "oracle" for scenario in scorecard.scenarios)


def test_where_no_way_pays_the_current_process_stays(tmp_path: Path) -> None:
    ws = make_home(tmp_path, {"oracle": {"per_month": 9000}}, vendor=30, remaining_build_cost=1e6)
    scorecard = score_build_or_buy(ws, "replay")
    assert scorecard.verdict == NEITHER
    assert scorecard.why[-1] == "No way gains more than it costs: keep the current process."
    assert not any(scenario.changes for scenario in scorecard.scenarios)


def test_a_gain_that_is_not_proven_counts_as_zero(tmp_path: Path) -> None:
    scorecard = score_build_or_buy(make_home(tmp_path, {"oracle": {}}, vendor=0.1, ours=0.1), "replay")
    assert [way.counted_gain_per_1000 for way in scorecard.ways] == [0.0, 0.0]


def test_the_scenarios_that_change_the_verdict_are_marked(tmp_path: Path) -> None:
    ws = make_home(tmp_path, {"oracle": {"per_decision": 0.8}}, vendor=30)
    scorecard = score_build_or_buy(ws, "replay")
    changing = {scenario.assumption: scenario.verdict for scenario in scorecard.scenarios if scenario.changes}
    assert changing == dict.fromkeys(
        ("vendors charge half", "building costs twice as much", "running costs twice as much"), "oracle"
    )
    assert scorecard.to_dict()["scenarios"][0].keys() == {"assumption", "verdict", "changes"}


def test_every_scenario_changes_what_it_says(tmp_path: Path) -> None:
    """A scenario that names an assumption but leaves it as it is would call every verdict robust."""
    declared = {"horizon_months": 24, "yearly_growth": 0.1}
    ws = make_home(tmp_path, {"oracle": {"per_decision": 0.05}}, vendor=30, remaining_build_cost=4000, **declared)
    verdicts = {s.assumption: s.verdict for s in score_build_or_buy(ws, "replay").scenarios}
    assert len(verdicts) == 12
    short = make_home(tmp_path / "short", {}, vendor=30, remaining_build_cost=8000, horizon_months=12)
    long = {s.assumption: s.verdict for s in score_build_or_buy(short, "replay").scenarios}
    assert (long["a horizon of 1 year"], long["a horizon of 5 years"]) == (NEITHER, BUILD)


@given(
    st.builds(Price, per_decision=st.floats(0, 5), per_month=st.floats(0, 500), one_off=st.floats(0, 5000)),
    st.floats(0, 3),
    st.floats(1.01, 3),
)
def test_a_more_expensive_vendor_is_never_chosen_where_a_cheaper_was_not(
    price: Price, gain: float, factor: float
) -> None:
    model = CostModel(Sourcing(**DECLARED), 600.0, 50.0, {BUILD: 1000.0, "v": gain * 1000}, {"v": price})
    expensive = Price(**{name: amount * factor for name, amount in price.model_dump().items()})
    if model.best_way() != "v":
        assert replace(model, prices={"v": expensive}).best_way() != "v"
    values = {NEITHER: 0.0} | model.net_present_values()
    assert values[model.best_way()] == max(values.values())


def test_a_vendor_without_decisions_is_named(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, **with_vendors({"oracle": {}}))
    write_account(ws, DailyValue("2013-04-01", 20, 60.0, 40.0, 10.0, 90.0, 6, 4, 0, {}))
    assert score_build_or_buy(ws, "replay").vendors_without_decisions == ["oracle"]


def test_what_is_missing_for_a_comparison_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourcingError, match="no sourcing is declared"):
        score_build_or_buy(make_workspace(tmp_path / "a"), "replay")
    with pytest.raises(SourcingError, match="no outcome is known yet on the live track"):
        score_build_or_buy(make_workspace(tmp_path / "b", **with_vendors({"oracle": {}})), "live")


def test_a_vendors_table_keyed_by_unit_is_a_candidate_on_the_same_rows(tmp_path: Path) -> None:
    """The predictions are a source like any other; features.sql joins them, and `_` keeps them from our model."""
    columns = {"id": "INTEGER", "call_hour": "TIMESTAMP", "p": "DOUBLE"}
    predictions = CALLS | {"files": "predictions_*.csv", "columns": columns}
    oracle = {"description": "Predictions", "vendor": True, "expected_outcome": "coalesce(_predicted, 0)"}
    changes = merge(with_vendors({"oracle": {}}), {"kpi": {"candidates": {"oracle": oracle}}})
    ws = make_workspace(tmp_path, sources={"predictions": predictions}, **changes)
    (ws.use_case.folder / "features.sql").write_text(
        "select u.id, u.site, u.load, p.p as _predicted from units u left join predictions p using (id)"
    )
    for day in DAYS:
        rows = [(call, hour, float(load > 0.5)) for call, _, hour, load in calls_on(day, 30)]
        land_extract(ws.landing, f"predictions_{day}.csv", csv_text(predictions, rows))
    publish_days(ws, DAYS, count=30)
    put_champion_in_force(ws, DAYS[-3])
    take_decisions(ws, KEYS[-3:], "replay", None)
    kpi_ledger.write_accounts(ws, KEYS[-3:], "replay")
    daily_values = kpi_ledger.read_daily_values(ws, "replay")
    foresight = sum(d.perfect_foresight for d in daily_values)
    assert sum(d.candidates["oracle"] for d in daily_values) == pytest.approx(foresight)
    assert kpi_audit.find_differences(ws, "replay", KEYS[-3:]) == []


def test_only_vendors_have_a_price(tmp_path: Path) -> None:
    rule = {"description": "a rule", "action": "'act'"}
    with pytest.raises(ConflictingFields, match="vendor: true"):
        make_workspace(tmp_path, sourcing=DECLARED | {"vendors": {"rule": {}}}, kpi={"candidates": {"rule": rule}})
