"""What a gain rests on, in the words of the business."""

from __future__ import annotations

from typing import Any

import pytest

from sixtyforty.accounting.gain_basis import AmountFit, GainBasis
from sixtyforty.reports.gain_basis_texts import (
    describe_activity,
    describe_break_even,
    describe_change,
    describe_declared,
    explain_need,
    format_mean,
    name_payoff,
    summarize_for_command,
)
from sixtyforty.reports.page_templates import page_environment
from sixtyforty.spec.actions import Action
from sixtyforty.spec.kpi import Kpi
from sixtyforty.value.activity import Activity
from sixtyforty.value.hits import ComparedHits, HitCounts
from sixtyforty.value.rounded_interval import RoundedInterval
from sixtyforty.value.sensitivity import PayoffName, PayoffSensitivity, Variation, VariedGain
from tests.sixtyforty.value.kpis import EXPERIMENT, STAFF, make_kpi

FARES = make_kpi(
    outcome_name="late",
    actions={"wait": Action(description="wait"), "act": Action(description="call a fitter", cost=3, gain="fare")},
)
NUMBER = make_kpi(outcome_type="number", outcome_name="euros lost", actions=FARES.actions)


def varied(change: float, gain: float) -> VariedGain:
    return VariedGain(change, gain, RoundedInterval(gain, None, None))


def sensitivity(declared: float | None, change: float | None, break_even: float | None) -> PayoffSensitivity:
    gains = [varied(-0.5, 20), varied(0.0, 10), varied(0.5, -5)]
    return PayoffSensitivity(PayoffName("cost", "act"), declared, gains, change, break_even)


@pytest.mark.parametrize(
    ("payoff", "kpi", "name"),
    [
        (PayoffName("cost", "act"), FARES, "Cost: call a fitter"),
        (PayoffName("gain", "act"), FARES, "Gain if late: call a fitter"),
        (PayoffName("gain", "act"), NUMBER, "Gain for each of the euros lost: call a fitter"),
        (PayoffName("cost", "removed"), FARES, "Cost: removed"),
        (PayoffName("shortage_cost"), STAFF, "Cost of one too few: fitters"),
        (PayoffName("excess_cost"), STAFF, "Cost of one too many: fitters"),
        (PayoffName("value_per_outcome"), EXPERIMENT, "Value of the outcome: o"),
    ],
)
def test_each_payoff_has_a_name(payoff: PayoffName, kpi: Kpi, name: str) -> None:
    assert name_payoff(payoff, kpi) == name


@pytest.mark.parametrize(
    ("fields", "declared", "break_even"),
    [
        ((3.0, 1.25, 6.75), "EUR 3", "EUR 6.75"),
        ((None, -0.3, None), "differs by unit", "70% of the declared amount"),
        ((3.0, None, None), "EUR 3", "no amount"),
    ],
)
def test_a_payoff_and_its_break_even(fields: Any, declared: str, break_even: str) -> None:
    assert describe_declared(sensitivity(*fields), FARES) == declared
    assert describe_break_even(sensitivity(*fields), FARES) == break_even


def test_changes_needs_and_means() -> None:
    assert [describe_change(change) for change in (-0.5, 0.0, 0.5)] == ["50% lower", "as declared", "50% higher"]
    assert explain_need(FARES) == "An action was needed if the outcome was: late."
    assert explain_need(NUMBER) == "An action was needed if it paid more than the cheapest action."
    assert (format_mean(0.314, FARES), format_mean(1234.56, NUMBER)) == ("31%", "1,234.6")


def test_the_command_shows_a_few_lines() -> None:
    basis = GainBasis(
        payoffs=[sensitivity(3.0, 1.25, 6.75)],
        success=Variation([varied(1.0, 10), varied(0.5, 2)], None),
        opportunity_cost=Variation([varied(0.0, 10), varied(0.25, 8)], None),
        hits=ComparedHits(HitCounts(3, 1, 2, 9), HitCounts(2, 2, 1, 10)),
        period="day",
        activity=(Activity(4.25, 9, "2013-04-02"), Activity(3, 5, "2013-04-01")),
        notes=["A note."],
    )
    assert summarize_for_command(basis, FARES) == [
        "Cost: call a fitter (EUR 3). Gain: EUR 20 if 50% lower, -EUR 5 if 50% higher; zero at EUR 6.75.",
        "Gain by the share of actions that work: 100%: EUR 10, 50%: EUR 2.",
        "Gain by the opportunity cost of an action, as a share of its cost: 0%: EUR 10, 25%: EUR 8.",
        "Needed and acted: 3 of 4 (current process: 2). Acted in vain: 2 (current process: 1).",
        *describe_activity(basis, FARES),
        "A note.",
    ]
    assert describe_activity(basis, FARES)[0] == (
        "The decisions take 4.2 actions a day on average, and at most 9 (2 April 2013)."
    )


def test_a_problem_replaces_the_figures() -> None:
    assert summarize_for_command(GainBasis(problem="Not calculated."), FARES) == ["Not calculated."]
    assert describe_activity(GainBasis(), FARES) == []


def test_the_model_record_shows_how_amounts_fit() -> None:
    basis = GainBasis(
        amounts=(AmountFit(2, 5, 3), AmountFit(4, 0, 6)),
        period="week",
        activity=(Activity(28, 30, "2013-04-01"), Activity(40, 44, "2013-04-08")),
        notes=["It has no success rate."],
    )
    text = page_environment().get_template("gain_basis.md").render(basis=basis, kpi=STAFF, unit="EUR")
    assert [line for line in text.splitlines() if line] == [
        "| amount | decisions taken | current process |",
        "|---|---:|---:|",
        "| too low | 2 | 4 |",
        "| right | 5 | 0 |",
        "| too high | 3 | 6 |",
        "- The decisions take 28.0 fitters a week on average, and at most 30 (1 April 2013).",
        "- The current process takes 40.0 fitters a week on average, and at most 44 (8 April 2013).",
        "- It has no success rate.",
    ]
