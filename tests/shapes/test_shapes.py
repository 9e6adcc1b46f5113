"""Every shape of declaration runs through the whole pipeline, and its money is counted again unit by unit."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa

from expectations import suites
from sixtyforty.accounting.kpi_summary import KpiSummary, summarize_kpi
from sixtyforty.accounting.unit_accounts import describe_differences
from sixtyforty.spec.clock import now
from tests.quick_proof import prove_any_gain
from tests.shapes.chain_run import ChainRun, Unit, money_by_hand, run_chain
from tests.shapes.use_cases import SHAPES, SHARES

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ChainRun]]:
    """Run each shape, all in this process."""
    patch, rules = pytest.MonkeyPatch(), tmp_path_factory.mktemp("rules")
    patch.setattr(suites, "HERE", rules)
    prove_any_gain(patch)
    finished = {}
    for name, make_shape in SHAPES.items():
        folder, shape = tmp_path_factory.mktemp(name), make_shape()
        if "loads" in shape.extracts:  # rows of a database, not a file
            patch.setenv("SHAPES_URL", f"sqlite:///{folder / 'source.db'}")
            with sa.create_engine(f"sqlite:///{folder / 'source.db'}").begin() as db:
                db.execute(sa.text("create table loads (number integer, depot text, held timestamp, needed integer)"))
                rows = json.loads(shape.extracts.pop("loads"))
                db.execute(sa.text("insert into loads values (:number, :depot, :held, :needed)"), rows)
        finished[name] = run_chain(folder, rules, shape)
    yield finished
    patch.undo()


@pytest.mark.parametrize("name", SHAPES)
def test_every_check_passes_and_the_model_gains(runs: dict[str, ChainRun], name: str) -> None:
    run = runs[name]
    for check in ("conservation", "no_leakage", "money_reconciles", "features_current", "decisions_differ"):
        assert run.checks[check] == {True}, check
    assert run.decided_by_model()
    assert describe_differences(run.ws, now()) == "", "doctor finds every unit"
    summary = summarize_kpi(run.ws, "replay")
    assert summary.decisions == sum(map(len, run.units.values()))
    assert summary.gain > 0


def assert_money(run: ChainRun, payoff: Any) -> KpiSummary:
    """Compare the totals with the money counted by hand, and return the summary."""
    summary = summarize_kpi(run.ws, "replay")
    by_hand = money_by_hand(run.units, payoff)
    assert {policy: summary.totals[policy] for policy in by_hand} == pytest.approx(by_hand, abs=0.01)
    return summary


def test_hourly_decisions_between_three_actions_with_payoffs_in_columns(runs: dict[str, ChainRun]) -> None:
    run = runs["hourly_choice"]

    def payoff(unit: Unit, action: str, expected: float | None = None) -> float:
        late = unit["outcome"]["late"] if expected is None else expected
        price = unit["outcome"]["value"]
        return {"wait": 0, "write": price / 8 * late - 1, "call": price / 2 * late - (price / 5 + 1)}[action]

    summary = assert_money(run, payoff)
    all_units = [u for units in run.units.values() for u in units]
    best = sum(max(payoff(u, a) for a in ("wait", "write", "call")) for u in all_units)
    assert summary.totals["perfect_foresight"] == pytest.approx(best, abs=0.01)
    assert summary.label == "exact"
    for unit in run.decided_by_model():
        options = {a: payoff(unit, a, unit["expected"]) for a in ("wait", "write", "call")}
        assert options[unit["action"]] == pytest.approx(max(options.values()))
    assert {u["action"] for u in all_units} == {"wait", "write", "call"}
    assert list(run.units) == sorted(run.units)
    assert all(p[13:] == "30" for p in run.units)  # local hours begin at half past, in UTC


def test_a_limited_ranking_every_second_week_has_assumed_money(runs: dict[str, ChainRun]) -> None:
    run = runs["weekly_ranking"]

    def payoff(unit: Unit, action: str) -> float:
        return 0.05 * unit["outcome"] - 1 if action == "offer" else 0.0

    summary = assert_money(run, payoff)
    assert summary.label == "assumed"
    best = 0.0
    for units in run.units.values():
        best += sum(max(0.05 * loss - 1, 0) for loss in sorted((u["outcome"] for u in units), reverse=True)[:3])
    assert summary.totals["perfect_foresight"] == pytest.approx(best, abs=0.01)
    weeks = [date.fromisoformat(p) for p in run.units]
    assert {(b - a).days for a, b in itertools.pairwise(weeks)} == {14}
    for units in run.units.values():
        assert sum(u["action"] == "offer" for u in units) == 3
        if all(u["decided_by"] == "model" for u in units):
            ranked = sorted(units, key=lambda u: -u["expected"])
            assert {u["house"] for u in ranked[:3]} == {u["house"] for u in units if u["action"] == "offer"}
    learned = run.ws.models.card(run.ws.champion_ledger.promotions("replay")[-1].version).data["features"]
    weeks_learned = [date.fromisoformat(p) for p in learned]
    assert {(b - a).days for a, b in itertools.pairwise(weeks_learned)} == {7}  # the model learns from each week


def test_a_monthly_amount_for_each_row_of_a_snapshot(runs: dict[str, ChainRun]) -> None:
    run = runs["monthly_amount"]

    def payoff(unit: Unit, action: str) -> float:
        shortage = unit["outcome"] - float(action)
        return -60 * shortage if shortage > 0 else 20 * shortage

    summary = assert_money(run, payoff)
    all_units = [u for units in run.units.values() for u in units]
    best = sum(payoff(u, str(min(u["outcome"], 14))) for u in all_units)
    assert summary.totals["perfect_foresight"] == pytest.approx(best, abs=0.01)
    for unit in run.decided_by_model():
        assert float(unit["action"]) in range(15)
        assert abs(float(unit["action"]) - min(max(unit["expected"], 0), 14)) <= 0.5
    too_few = sum(u["outcome"] > float(u["action"]) for u in run.decided_by_model())
    assert too_few < len(run.decided_by_model()) / 2  # too few people cost more than too many


def test_a_past_experiment_gives_the_value_of_the_model(runs: dict[str, ChainRun]) -> None:
    run = runs["daily_experiment"]

    def payoff(unit: Unit, action: str) -> float:
        if unit["outcome"]["got"] != action:
            return 0.0
        return (10 * unit["outcome"]["bought"] - (2 if action == "offer" else 0)) / SHARES[action]

    summary = assert_money(run, payoff)
    assert summary.label == "randomized"
    assert summary.totals["perfect_foresight"] is None
    differ = [u for u in run.decided_by_model() if u["action"] != u["current_action"]]
    assert differ  # cold visitors get no offer
    assert all(u["action"] == "none" for u in differ)
