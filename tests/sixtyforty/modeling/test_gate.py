"""The gate: money shown out of sample, or no promotion, with the reason said."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.modeling.gate import judge
from sixtyforty.spec.recipe import Gate
from sixtyforty.value.lift import DailyValue

GATE = Gate(margin=50, confidence=0.95, max_rejected_share=0.1)
N = 100  # decisions a day: a gain of 1 a decision is 1,000 per 1,000


def days(*gains: float, model: float = 0.0) -> list[DailyValue]:
    """A day each that made `model` and the gain over a current process that made `model`."""
    first = date(2013, 4, 1)
    return [
        DailyValue(str(first + timedelta(days=i)), N, model + g, model, 0.0, 1000.0, 10, 5, 0)
        for i, g in enumerate(gains)
    ]


def gaining(per_1000: float, count: int = 40) -> list[DailyValue]:
    """Days whose gain over the current process is about `per_1000`, a little more and a little less in turn."""
    return days(*(per_1000 * N / 1000 + (1 if i % 2 else -1) for i in range(count)))


def test_a_challenger_that_learned_from_too_little_is_rejected_whatever_it_earns() -> None:
    found = judge(GATE, "refresh", 0.11, gaining(1000), None)
    assert found.verdict == "REJECT"
    assert found.reasons == ["11% of its training days are missing or refused; 10% may be"]


def test_as_much_missing_as_may_be_is_no_reason_to_reject() -> None:
    assert judge(GATE, "refresh", 0.1, gaining(1000), None).verdict == "PROMOTE"


@pytest.mark.parametrize("kind", ["first", "refresh", "recipe"])
def test_without_days_to_test_it_on_it_is_held(kind: str) -> None:
    found = judge(GATE, kind, 0, [], None)
    assert (found.verdict, found.kind) == ("HOLD", kind)
    assert found.reasons == ["there are no days yet to test it on"]


def test_one_day_proves_nothing() -> None:
    found = judge(GATE, "first", 0, days(1000), None)
    assert found.verdict == "HOLD"
    assert "isn't proven" in found.reasons[0]
    assert found.evidence["lift_vs_current"]["low"] is None


def test_a_gain_that_could_be_chance_is_held() -> None:
    found = judge(GATE, "first", 0, days(*[500, -400] * 10), None)
    assert found.evidence["lift_vs_current"]["value"] > 0 > found.evidence["lift_vs_current"]["low"]
    assert found.verdict == "HOLD"


@pytest.mark.parametrize("walk_forward", [days(*[400, -500] * 10), gaining(-100), days(0, 0, 0, 0), days(-1)])
def test_what_gains_nothing_is_rejected(walk_forward: list[DailyValue]) -> None:
    found = judge(GATE, "first", 0, walk_forward, None)
    assert found.verdict == "REJECT"
    assert "over the current process isn't proven" in found.reasons[0]


def test_the_first_model_is_promoted_on_a_proven_gain_over_the_current_process() -> None:
    found = judge(GATE, "first", 0, gaining(100), None)
    assert (found.verdict, found.kind) == ("PROMOTE", "first")
    assert found.evidence["days"] == 40
    assert found.evidence["lift_vs_current"]["low"] > 0
    assert "+100 per 1,000" in found.reasons[0]


def test_a_refresh_without_a_block_to_compare_is_promoted_on_its_recipes_gain() -> None:
    found = judge(GATE, "refresh", 0, gaining(100), None)
    assert (found.verdict, found.kind) == ("PROMOTE", "refresh")
    assert "last_block_vs_champion" not in found.evidence


@pytest.mark.parametrize(("behind", "verdict"), [(-200, "PROMOTE"), (0, "PROMOTE"), (49, "PROMOTE"), (51, "HOLD")])
def test_a_refresh_may_be_behind_the_champion_by_no_more_than_the_margin(behind: float, verdict: str) -> None:
    champion = days(*[0.0] * 10, model=100)
    mine = days(*[0.0] * 10, model=100 - behind * N / 1000)
    found = judge(GATE, "refresh", 0, gaining(100), (mine, champion))
    assert found.verdict == verdict
    assert found.evidence["last_block_vs_champion"]["value"] == pytest.approx(-behind)
    assert ("its last block is worse than the champion's" in found.reasons[-1]) == (verdict == "HOLD")


def test_a_refresh_is_not_asked_to_prove_that_it_is_no_worse() -> None:
    mine = days(*[0.0] * 10, model=100)
    champion = [DailyValue(**{**d.__dict__, "model": d.model + (30 if i % 2 else -28)}) for i, d in enumerate(mine)]
    found = judge(GATE, "refresh", 0, gaining(100), (mine, champion))
    assert found.evidence["last_block_vs_champion"]["low"] < -GATE.margin
    assert found.verdict == "PROMOTE"


def test_a_refresh_that_stands_level_is_promoted_without_proving_itself_better() -> None:
    block = gaining(100)
    assert judge(GATE, "refresh", 0, gaining(100), (block, block)).verdict == "PROMOTE"


def test_a_refresh_must_have_a_proven_gain_even_when_it_beats_the_champion() -> None:
    better = (days(*[0.0] * 10, model=1000), days(*[0.0] * 10, model=0))
    assert judge(GATE, "refresh", 0, days(*[500, -400] * 10), better).verdict == "HOLD"


def test_a_new_recipe_that_beats_the_current_one_by_more_than_the_margin_is_promoted() -> None:
    found = judge(GATE, "recipe", 0, gaining(200), None, gaining(100))
    assert (found.verdict, found.kind) == ("PROMOTE", "recipe")
    assert found.evidence["gain_vs_recipe"]["low"] > 50
    assert "better than the current recipe" in found.reasons[-1]


@pytest.mark.parametrize("current", [gaining(200), gaining(300), gaining(155)])
def test_a_new_recipe_that_is_not_better_by_the_margin_is_held(current: list[DailyValue]) -> None:
    found = judge(GATE, "recipe", 0, gaining(200), None, current)
    assert found.verdict == "HOLD"
    assert "not better than the current recipe by more than 50" in found.reasons[-1]


def test_a_new_recipe_whose_advantage_could_be_chance_is_held() -> None:
    mine = [DailyValue(**{**d.__dict__, "model": d.model + (60 if i % 2 else -40)}) for i, d in enumerate(gaining(200))]
    found = judge(GATE, "recipe", 0, mine, None, gaining(200))
    assert found.evidence["lift_vs_current"]["low"] > 0
    assert found.evidence["gain_vs_recipe"]["value"] > GATE.margin > found.evidence["gain_vs_recipe"]["low"]
    assert found.verdict == "HOLD"


@given(st.sampled_from([0.0, 10.0, 50.0]), st.lists(st.integers(50, 500), min_size=2, max_size=10))
def test_a_new_recipe_of_equal_value_is_never_promoted(margin: float, gains: list[int]) -> None:
    gate = Gate(margin=margin, confidence=0.95)
    found = judge(gate, "recipe", 0, days(*gains), None, days(*gains))
    assert found.verdict == "HOLD"
    assert found.evidence["gain_vs_recipe"]["value"] == 0


@pytest.mark.parametrize("current", [None, []])
def test_a_new_recipe_without_the_current_one_to_compare_with_is_held(current: list[DailyValue] | None) -> None:
    found = judge(GATE, "recipe", 0, gaining(200), None, current)
    assert found.verdict == "HOLD"
    assert "no days in common" in found.reasons[-1]


def test_a_new_recipe_tested_on_other_days_than_the_current_one_is_held() -> None:
    later = [DailyValue(**{**d.__dict__, "partition": f"2014{d.partition[4:]}"}) for d in gaining(100)]
    found = judge(GATE, "recipe", 0, gaining(200), None, later)
    assert found.verdict == "HOLD"
    assert found.evidence["gain_vs_recipe"]["value"] is None


def test_only_days_in_common_are_compared() -> None:
    mine = days(*[30.0] * 10, model=100)
    theirs = [DailyValue(**{**d.__dict__, "model": d.model - 20}) for d in mine[:5]]
    lost = days(*[0.0] * 20, model=10_000)[10:]  # the current recipe's great days are not the challenger's
    found = judge(GATE, "recipe", 0, mine, None, [*theirs, *lost])
    assert found.evidence["gain_vs_recipe"]["value"] == pytest.approx(200)
    assert found.verdict == "PROMOTE"


def test_a_stricter_confidence_asks_for_more() -> None:
    mixed = days(*[500, -400, 300, -100, 200, 50] * 3)
    verdicts = [judge(Gate(margin=50, confidence=c), "first", 0, mixed, None).verdict for c in (0.8, 0.999)]
    assert verdicts == ["PROMOTE", "HOLD"]
