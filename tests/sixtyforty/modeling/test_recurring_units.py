"""The gate counts units that recur as clusters: for a first model, another recipe and a refresh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from sixtyforty.modeling.gate import CHANGE_CONFIDENCE, Judgement, judge
from sixtyforty.modeling.gate_evidence import ChallengerKind, GateEvidence
from sixtyforty.modeling.refresh_twin import TwinComparison
from sixtyforty.spec.recipe import Gate
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.lift import estimate_lift
from sixtyforty.value.unit_groups import DECISIONS, GROUPS, NOT_IN_ACCOUNTS
from tests.sixtyforty.value.test_blocks import days_from

CAMPAIGNS = 13
GATE = Gate(margin=0, confidence=0.95)


def make_days(gains: NDArray[np.float64], model: float = 100.0) -> list[DailyValue]:
    """Return campaigns in which each group has one unit. gains: of each unit in each campaign."""
    current = np.full(GROUPS, model)
    return [
        DailyValue(
            day,
            GROUPS,
            float((current + gain).sum()),
            float(current.sum()),
            *(0.0, 0.0, 0, 0, 0),
            unit_groups={
                DECISIONS: [1.0] * GROUPS,
                "model": (current + gain).tolist(),
                "current_process": current.tolist(),
            },
        )
        for day, gain in zip(days_from("2024-01-01", CAMPAIGNS, 28), gains, strict=True)
    ]


def without_groups(days: Sequence[DailyValue]) -> list[DailyValue]:
    return [replace(day, unit_groups=None) for day in days]


def judge_days(kind: ChallengerKind, days: Sequence[DailyValue], **evidence: object) -> Judgement:
    return judge(GATE, GateEvidence(kind, 0.0, days, **evidence), "EUR")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def lucky() -> list[DailyValue]:
    """Return a gain that a few lucky units have in each campaign: steady over time, but not over units."""
    rng = np.random.default_rng(2)
    own = 2.0 * rng.standard_normal(GROUPS)
    own += 0.35 - own.mean()
    return make_days(own + 0.5 * rng.standard_normal((CAMPAIGNS, GROUPS)))


def test_a_gain_of_the_same_few_units_is_not_proven(lucky: list[DailyValue]) -> None:
    assert judge_days("first", without_groups(lucky)).verdict == "PROMOTE"
    held = judge_days("first", lucky)
    assert held.verdict == "HOLD"
    assert "the gain over the current process isn't proven" in held.reasons[0]


def test_another_recipe_must_gain_on_more_than_the_same_few_units(lucky: list[DailyValue]) -> None:
    sure = make_days(np.full((CAMPAIGNS, GROUPS), 1.0) + 0.01 * np.arange(CAMPAIGNS)[:, None])
    better = [
        replace(day, model=day.model + luck.model - 100 * GROUPS, unit_groups=add_money(day, luck))
        for day, luck in zip(sure, lucky, strict=True)
    ]
    plain = judge_days("recipe", without_groups(better), current_recipe=without_groups(sure))
    assert plain.verdict == "PROMOTE"
    held = judge_days("recipe", better, current_recipe=sure)
    assert held.verdict == "HOLD"
    assert any("the gain over the champion's recipe isn't proven" in reason for reason in held.reasons)


def add_money(day: DailyValue, luck: DailyValue) -> dict[str, Sequence[float]]:
    assert day.unit_groups and luck.unit_groups
    money = [a + b - 100 for a, b in zip(day.unit_groups["model"], luck.unit_groups["model"], strict=True)]
    return {**day.unit_groups, "model": money}


def test_a_refresh_is_compared_by_units_too(lucky: list[DailyValue]) -> None:
    champion = make_days(np.zeros((CAMPAIGNS, GROUPS)))
    judgement = judge_days("refresh", lucky, comparison=TwinComparison(lucky, champion))
    change = judgement.figures.twin_vs_champion
    assert change is not None and change.low is not None and change.high is not None
    expected = estimate_lift(lucky, confidence=CHANGE_CONFIDENCE)
    assert (change.low, change.high) == pytest.approx((expected.low, expected.high), abs=0.01)


def test_a_backtest_without_the_sums_of_groups_promotes_nothing() -> None:
    days = [replace(day, unit_groups={}) for day in make_days(np.full((CAMPAIGNS, GROUPS), 5.0))]
    held = judge_days("first", days)
    assert held.verdict == "HOLD"
    assert NOT_IN_ACCOUNTS in held.reasons[0]
