"""The gate promotes a challenger only on money shown out of sample, sound data and kept rules, and gives the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sixtyforty.modeling.error_budget import RecipeTrial
from sixtyforty.modeling.gate import GateError, GateFigures, Judgement, judge, promote_challengers
from sixtyforty.modeling.gate_evidence import ChallengerKind, GateEvidence
from sixtyforty.modeling.refresh_twin import TwinComparison
from sixtyforty.spec.recipe import Gate
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.lift import Interval, estimate_lift, predict_lift
from sixtyforty.value.rounded_interval import RoundedInterval
from tests.helpers import make_workspace, publish_days
from tests.trained_models import train_on

GATE = Gate(margin=50, confidence=0.95, max_rejected_share=0.1)
DECISIONS = 100  # decisions a day: a gain of 1 a decision is 1,000 per 1,000
KINDS: list[ChallengerKind] = ["first", "refresh", "recipe"]


def days_with_gains(*gains: float, model: float = 0.0) -> list[DailyValue]:
    """Return days on which the current process earned `model` and the model that plus the gain."""
    first = date(2013, 4, 1)
    return [
        DailyValue(str(first + timedelta(days=i)), DECISIONS, model + gain, model, 0.0, 1000.0, 10, 5, 0)
        for i, gain in enumerate(gains)
    ]


def days_gaining(per_1000: float, count: int = 40) -> list[DailyValue]:
    """Return days whose gain over the current process is about `per_1000`, in turn a little more and a little less."""
    return days_with_gains(*(per_1000 * DECISIONS / 1000 + (1 if i % 2 else -1) for i in range(count)))


def add_money(days: Sequence[DailyValue], *amounts: float) -> list[DailyValue]:
    """Return the days with an amount added to the model's money, in turn."""
    return [replace(day, model=day.model + amounts[i % len(amounts)]) for i, day in enumerate(days)]


def judge_money(
    kind: ChallengerKind,
    walk_forward: Sequence[DailyValue],
    comparison: TwinComparison | None = None,
    current_recipe: Sequence[DailyValue] | None = None,
    gate: Gate = GATE,
) -> Judgement:
    return judge(gate, evidence_of(kind, walk_forward, comparison=comparison, current_recipe=current_recipe), "EUR")


def evidence_of(kind: ChallengerKind, walk_forward: Sequence[DailyValue], **fields: Any) -> GateEvidence:
    """Return evidence from days that are independent of each other, so that each day is a block."""
    return GateEvidence(kind, **{"missing_share": 0.0, "walk_forward": walk_forward, "block_days": 1} | fields)


def gain_of(judgement: Judgement, name: str) -> Interval:
    """Return a gain among the figures of a verdict."""
    gain: RoundedInterval | None = getattr(judgement.figures, name)
    assert gain is not None
    return gain.to_interval()


def test_the_evidence_holds_the_figures_that_the_verdict_used() -> None:
    assert GateFigures().to_evidence() == {}
    assert GateFigures(refused=True).to_evidence() == {"refused": True}
    early = judge_money("first", days_with_gains(1000)).figures
    assert early.to_evidence() == {"missing_share": 0.0, "days": 1}
    gain = judge_money("first", days_gaining(100)).figures.to_evidence()["lift_vs_current"]
    assert gain.keys() == {"value", "low", "high", "problem"}


def test_the_evidence_holds_the_recipes_share_of_the_error_budget() -> None:
    trial = RecipeTrial(2013, 2, ["a", "b"])
    judgement = judge(GATE, evidence_of("first", days_gaining(100), trial=trial), "EUR")
    shown = judgement.figures.to_evidence()
    assert (shown["recipe_year"], shown["recipe_number"], shown["tried_recipes"]) == (2013, 2, ["a", "b"])
    assert shown["error_share"] == pytest.approx(0.05 / 6, abs=1e-6)
    assert "98.33% confidence interval" in judgement.reasons[0]
    assert judgement.reasons[1] == (
        "the recipe is number 2 of those that were first tried in 2013: without a gain, it would ever pass with a"
        " probability of at most 0.83%"
    )


def test_a_challenger_that_learned_from_too_little_is_rejected_whatever_it_earns() -> None:
    judgement = judge(GATE, evidence_of("refresh", days_gaining(1000), missing_share=0.11), "EUR")
    assert judgement.verdict == "REJECT"
    assert judgement.reasons == [
        "11% of the challenger's training partitions are missing or refused; at most 10% are allowed"
    ]


def test_a_share_of_missing_partitions_at_the_limit_passes() -> None:
    assert judge(GATE, evidence_of("refresh", days_gaining(1000), missing_share=0.1), "EUR").verdict == "PROMOTE"


@pytest.mark.parametrize("kind", KINDS)
def test_a_challenger_without_days_is_held(kind: ChallengerKind) -> None:
    judgement = judge_money(kind, [])
    assert (judgement.verdict, judgement.kind) == ("HOLD", kind)
    assert judgement.reasons == ["too early to judge: 0 units with known outcomes, 20 needed"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("units", "verdict"), [(4099, "HOLD"), (4100, "PROMOTE")])
def test_a_challenger_of_few_units_is_held(kind: ChallengerKind, units: int, verdict: str) -> None:
    days = [*days_gaining(100), replace(days_gaining(100, 41)[-1], decisions=units - 4000)]
    current = add_money(days, -20) if kind == "recipe" else None
    judgement = judge_money(kind, days, current_recipe=current, gate=GATE.model_copy(update={"min_units": 4100}))
    assert judgement.verdict == verdict
    if verdict == "HOLD":
        assert judgement.reasons == ["too early to judge: 4,099 units with known outcomes, 4,100 needed"]


@pytest.mark.parametrize("kind", ["first", "recipe"])
@pytest.mark.parametrize(("days", "verdict"), [(111, "HOLD"), (112, "PROMOTE")])
def test_a_challenger_of_few_blocks_is_held(kind: ChallengerKind, days: int, verdict: str) -> None:
    gaining = days_gaining(100, days)
    evidence = evidence_of(kind, gaining, current_recipe=add_money(gaining, -20), block_days=14)
    judgement = judge(GATE, evidence, "EUR")
    assert judgement.verdict == verdict
    if verdict == "HOLD":
        assert judgement.reasons[0] == "too early to judge: 7 blocks of at least 14 days with known outcomes, 8 needed"


def test_the_least_number_of_blocks_can_be_raised_but_not_lowered() -> None:
    gate = Gate(margin=50, confidence=0.95, min_blocks=41)
    assert judge_money("first", days_gaining(100), gate=gate).reasons == [
        "too early to judge: 40 blocks of at least 1 day with known outcomes, 41 needed"
    ]
    with pytest.raises(ValidationError, match="greater than or equal to 8"):
        Gate(margin=50, min_blocks=7)


def test_a_refresh_claims_no_gain_so_it_needs_no_blocks() -> None:
    assert judge_money("refresh", days_gaining(100, 3)).verdict == "PROMOTE"


def test_a_day_without_a_decision_of_known_value_is_not_counted() -> None:
    first, *others = days_with_gains(*[1000] * 9)
    days = [first, *(replace(day, decisions=0) for day in others)]
    judgement = judge_money("first", days)
    assert judgement.reasons == ["too early to judge: 1 block of at least 1 day with known outcomes, 8 needed"]
    assert judgement.figures.days == 1


def test_a_gain_that_could_be_chance_is_held() -> None:
    judgement = judge_money("first", days_with_gains(*[500, -400] * 10))
    lift = gain_of(judgement, "lift_vs_current")
    assert lift.value > 0 > lift.low
    assert judgement.verdict == "HOLD"


@pytest.mark.parametrize(
    "walk_forward",
    [
        days_with_gains(*[400, -500] * 10),
        days_gaining(-100),
        days_with_gains(*[0] * 8),
    ],
)
def test_a_challenger_without_a_gain_is_rejected(walk_forward: list[DailyValue]) -> None:
    judgement = judge_money("first", walk_forward)
    assert judgement.verdict == "REJECT"
    assert "the gain over the current process isn't proven" in judgement.reasons[0]


def test_the_first_model_is_promoted_on_a_proven_gain() -> None:
    judgement = judge_money("first", days_gaining(100))
    assert (judgement.verdict, judgement.kind) == ("PROMOTE", "first")
    assert judgement.figures.days == 40
    assert gain_of(judgement, "lift_vs_current").low > 0
    assert "+EUR 100 per 1,000 decisions (95% confidence interval +EUR" in judgement.reasons[0]


def test_a_refresh_without_a_twin_is_promoted() -> None:
    judgement = judge_money("refresh", days_gaining(100))
    assert (judgement.verdict, judgement.kind) == ("PROMOTE", "refresh")
    assert judgement.figures.twin_vs_champion is None
    assert judgement.reasons == [
        "nothing to compare: the refresh claims no gain, and no model of its recipe is between the champion and the"
        " known outcomes"
    ]


@pytest.mark.parametrize(("deficit", "verdict"), [(-200, "PROMOTE"), (0, "PROMOTE"), (49, "PROMOTE"), (51, "HOLD")])
def test_a_refresh_may_earn_less_than_the_champion_by_no_more_than_the_margin(deficit: float, verdict: str) -> None:
    champion = days_with_gains(*[0.0] * 10, model=100)
    twin = days_with_gains(*[0.0] * 10, model=100 - deficit * DECISIONS / 1000)
    judgement = judge_money("refresh", days_gaining(100), TwinComparison(twin, champion, "twin", "champion"))
    assert judgement.verdict == verdict
    assert gain_of(judgement, "twin_vs_champion").value == pytest.approx(-deficit)
    assert (judgement.figures.twin, judgement.figures.compared_champion) == ("twin", "champion")
    assert ("the refresh's twin is worse than the champion" in judgement.reasons[-1]) == (verdict == "HOLD")
    assert judgement.reasons[-1].endswith("from 2013-04-01 to 2013-04-10")


def test_a_refresh_need_not_prove_that_it_is_no_worse() -> None:
    twin = days_with_gains(*[0.0] * 10, model=100)
    judgement = judge_money("refresh", days_gaining(100), TwinComparison(twin, add_money(twin, -28, 30)))
    assert gain_of(judgement, "twin_vs_champion").low < -GATE.margin
    assert judgement.verdict == "PROMOTE"


def test_a_large_loss_that_could_be_chance_does_not_hold_a_refresh() -> None:
    champion = days_with_gains(*[0.0] * 10, model=100)
    twin = add_money(champion, -300, 250, -320, 270, -280)
    judgement = judge_money("refresh", days_gaining(100), TwinComparison(twin, champion))
    assert gain_of(judgement, "twin_vs_champion").value < -GATE.margin
    assert judgement.verdict == "PROMOTE"


@pytest.mark.parametrize(("days", "verdict"), [(14, "HOLD"), (112, "PROMOTE")])
def test_days_of_a_twin_form_blocks_where_they_are_enough(days: int, verdict: str) -> None:
    champion = days_with_gains(*[0.0] * days, model=100)
    by_fortnight = ((-30.0 if i // 14 % 2 == 0 else 10.0) + i % 2 for i in range(days))
    twin = add_money(champion, *by_fortnight)
    evidence = evidence_of("refresh", days_gaining(100, 200), comparison=TwinComparison(twin, champion), block_days=14)
    assert judge(GATE, evidence, "EUR").verdict == verdict


def test_a_refresh_needs_no_proven_gain_over_the_current_process() -> None:
    assert judge_money("refresh", days_with_gains(*[500, -400] * 10)).verdict == "PROMOTE"


def test_a_refresh_of_a_recipe_that_is_proven_to_lose_is_rejected() -> None:
    judgement = judge_money("refresh", days_gaining(-100))
    assert judgement.verdict == "REJECT"
    assert judgement.reasons[0].startswith("the recipe loses against the current process: -EUR 100")


def test_a_new_recipe_that_beats_the_champions_by_more_than_the_margin_is_promoted() -> None:
    judgement = judge_money("recipe", days_gaining(200), current_recipe=days_gaining(100))
    assert (judgement.verdict, judgement.kind) == ("PROMOTE", "recipe")
    assert gain_of(judgement, "gain_vs_recipe").low > 50
    assert "gain over the champion's recipe" in judgement.reasons[1]


@pytest.mark.parametrize("current", [days_gaining(200), days_gaining(300), days_gaining(155)])
def test_a_new_recipe_that_is_not_better_by_the_margin_is_held(current: list[DailyValue]) -> None:
    judgement = judge_money("recipe", days_gaining(200), current_recipe=current)
    assert judgement.verdict == "HOLD"
    assert "the gain over the champion's recipe isn't proven to exceed EUR 50" in judgement.reasons[1]


def test_a_new_recipe_whose_advantage_could_be_chance_is_held() -> None:
    judgement = judge_money("recipe", add_money(days_gaining(200), -40, 60), current_recipe=days_gaining(200))
    assert gain_of(judgement, "lift_vs_current").low > 0
    assert gain_of(judgement, "gain_vs_recipe").value > GATE.margin > gain_of(judgement, "gain_vs_recipe").low
    assert judgement.verdict == "HOLD"


@given(st.sampled_from([0.0, 10.0, 50.0]), st.lists(st.integers(50, 500), min_size=8, max_size=20))
def test_a_new_recipe_of_equal_value_is_never_promoted(margin: float, gains: list[int]) -> None:
    days = days_with_gains(*gains)
    judgement = judge_money("recipe", days, current_recipe=days, gate=Gate(margin=margin, confidence=0.95))
    assert judgement.verdict == "HOLD"
    if judgement.figures.gain_vs_recipe:  # otherwise the gain over the current process isn't proven
        assert gain_of(judgement, "gain_vs_recipe").value == 0


@pytest.mark.parametrize("current", [None, []])
def test_a_new_recipe_without_days_of_the_champions_recipe_is_held(current: list[DailyValue] | None) -> None:
    judgement = judge_money("recipe", days_gaining(200), current_recipe=current)
    assert judgement.verdict == "HOLD"
    assert "too early to judge: challenger and champion have no day in common" in judgement.reasons[1]


def test_a_new_recipe_valued_on_other_days_is_held() -> None:
    later = [replace(day, partition=f"2014{day.partition[4:]}") for day in days_gaining(100)]
    judgement = judge_money("recipe", days_gaining(200), current_recipe=later)
    assert judgement.verdict == "HOLD"
    assert judgement.figures.gain_vs_recipe is None


def test_only_common_days_are_compared() -> None:
    challenger = days_with_gains(*[30.0] * 20, model=100)
    champion = add_money(challenger[:10], -20)
    other_days = days_with_gains(*[0.0] * 40, model=10_000)[20:]  # great days, but not the challenger's
    judgement = judge_money("recipe", challenger, current_recipe=[*champion, *other_days])
    assert gain_of(judgement, "gain_vs_recipe").value == pytest.approx(200)
    assert judgement.verdict == "PROMOTE"


def test_a_higher_confidence_requires_more_evidence() -> None:
    mixed = days_with_gains(*[500, -200, 300, -100, 200, 50] * 4)
    verdicts = [judge_money("first", mixed, gate=Gate(margin=50, confidence=c)).verdict for c in (0.7, 0.999)]
    assert verdicts == ["PROMOTE", "HOLD"]


# What overrides the money


def test_refused_training_data_rejects_a_challenger_that_earns_enough() -> None:
    evidence = evidence_of("first", days_gaining(100), refused_partitions=["2013-03-01", "2013-03-02"])
    judgement = judge(GATE, evidence, "EUR")
    assert judgement.verdict == "REJECT"
    assert judgement.reasons == [
        "the challenger learned from partitions that governance refused: 2013-03-01, 2013-03-02"
    ]
    assert judgement.figures.days == 40


def test_a_broken_constraint_rejects_a_challenger_that_earns_enough() -> None:
    evidence = evidence_of("first", days_gaining(100), broken_constraints=["monotone constraint on load: …"])
    judgement = judge(GATE, evidence, "EUR", needs_approval=True)
    assert (judgement.verdict, judgement.reasons) == ("REJECT", ["monotone constraint on load: …"])


def test_a_challenger_that_passes_waits_for_a_required_approval() -> None:
    passing, failing = evidence_of("first", days_gaining(100)), evidence_of("first", days_gaining(-100))
    assert judge(GATE, passing, "EUR", needs_approval=True).verdict == "PENDING"
    assert judge(GATE, failing, "EUR", needs_approval=True).verdict == "REJECT"


def test_the_reasons_say_why_it_was_selected_and_that_figures_are_assumed() -> None:
    evidence = evidence_of("first", days_gaining(100), is_assumed=True, selection_reason="it has the best value")
    assert judge(GATE, evidence, "EUR").reasons[1:] == [
        "it has the best value",
        "the challenger's gain is assumed: the action may change the outcome",
    ]


# The ledger

DAYS = [date(2013, 3, 20) + timedelta(days=i) for i in range(12)]
AS_OF = date(2013, 4, 1)


def test_verdicts_are_appended_to_the_ledger(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, partitions={"start": DAYS[0]}, automation={"approval": "required"})
    publish_days(ws, DAYS, count=20)
    version = train_on(ws, AS_OF)
    now = datetime(2013, 4, 2, 8)
    rows = promote_challengers(ws.use_case, ws.lake, ws.models, ws.champion_ledger, "live", [AS_OF], now)
    assert [(row.version, row.track, row.effective_from) for row in rows] == [(version, "live", "2013-04-02T08:00:00")]
    assert rows == ws.champion_ledger.rows()


def test_a_day_without_a_challenger_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, partitions={"start": DAYS[0]})
    publish_days(ws, DAYS[:2])
    with pytest.raises(GateError, match=r"no challenger was trained on 2013-04-01. Materialize the asset `challenger`"):
        promote_challengers(ws.use_case, ws.lake, ws.models, ws.champion_ledger, "replay", [AS_OF])


@pytest.mark.parametrize(
    "comparison",
    [
        TwinComparison([], []),
        TwinComparison(days_gaining(100), []),
        TwinComparison([], days_gaining(100)),
        TwinComparison([replace(day, decisions=0) for day in days_gaining(100)], days_gaining(100)),
    ],
)
def test_a_comparison_without_known_outcomes_is_no_evidence_of_a_loss(comparison: TwinComparison) -> None:
    judgement = judge_money("refresh", days_gaining(100), comparison)
    assert judgement.verdict == "PROMOTE"
    assert judgement.figures.twin_vs_champion is None
    assert judgement.reasons == [
        "nothing to compare: the refresh claims no gain, and no outcome is known of a day that twin and champion didn't"
        " learn from"
    ]


@pytest.mark.parametrize(("rows", "verdict"), [(19, "HOLD"), (20, "PROMOTE"), (None, "PROMOTE")])
def test_a_challenger_of_few_rows_is_held(rows: int | None, verdict: str) -> None:
    evidence = evidence_of("first", days_gaining(100), training_rows=rows)
    judgement = judge(GATE, evidence, "EUR")
    assert judgement.verdict == verdict
    if verdict == "HOLD":
        assert judgement.reasons == ["too early to judge: the challenger learned from 19 rows, 20 needed"]


def test_the_forecast_is_less_than_the_gain_and_its_interval_is_wider() -> None:
    days = days_with_gains(*np.random.default_rng(1).normal(10, 20, 120))
    judgement = judge(GATE, evidence_of("refresh", days, block_days=14), "EUR")
    lift, forecast = gain_of(judgement, "lift_vs_current"), gain_of(judgement, "forecast")
    assert forecast == RoundedInterval.of(predict_lift(days)).to_interval()
    assert 0 < forecast.value < lift.value
    assert forecast.high - forecast.value > estimate_lift(days, confidence=0.9).high - lift.value


def test_too_few_blocks_give_no_forecast_but_the_reason() -> None:
    days = days_gaining(100, 7)  # each day is a block
    forecast = judge_money("refresh", days).figures.to_evidence()["forecast"]
    assert (forecast["value"], forecast["low"], forecast["high"]) == (None, None, None)
    assert "too few days to say" in forecast["problem"]
