"""Actions, outcomes and payoffs are written in the words of the business."""

from __future__ import annotations

import pytest

from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.kpi_wording import (
    allowed_instead,
    describe_action,
    describe_expected,
    describe_outcome,
    payoff_sentences,
)
from tests.sixtyforty.spec.test_kpi import TREATMENT, make_amount_kpi, make_kpi


@pytest.mark.parametrize(
    ("kpi", "action", "instead"),
    [
        (make_kpi(), "act", None),
        (make_kpi(), "wait", "act"),
        (make_kpi(), None, "act"),
        (make_amount_kpi(), "5", None),
        (make_amount_kpi(), "4", "another whole number from 0 to 9"),
        (make_amount_kpi(), "10", "another whole number from 0 to 9"),
        (make_amount_kpi(), "4.5", "another whole number from 0 to 9"),
        (make_amount_kpi(), "many", "another whole number from 0 to 9"),
    ],
)
def test_an_override_takes_another_valid_action(kpi: Kpi, action: str | None, instead: str | None) -> None:
    assert allowed_instead(kpi, action, instead_of="4" if kpi.amount else "wait") == instead


def test_actions_and_outcomes_are_described_in_words() -> None:
    kpi, amount = make_kpi(), make_amount_kpi()
    assert describe_action("act", kpi) == "call a second fitter in" and describe_action("gone", kpi) == "gone"
    assert describe_expected(0.304, kpi) == "late in about 30 of 100 such cases"
    assert (describe_outcome(1, kpi), describe_outcome(0, kpi)) == ("late", "not late")
    assert describe_action("4", amount) == "4 fitters"
    assert describe_expected(3.25, amount) == describe_outcome(3.25, amount) == "3.2 fitters needed"


@pytest.mark.parametrize(
    ("kpi", "sentences"),
    [
        (
            make_kpi(currency="USD", actions={"act": {"limit": 1000}}),
            ["Call a second fitter in: costs $3, brings $10 if late. At most 1,000 at one decision time."],
        ),
        (
            make_kpi(outcome_type="number", outcome_name="minutes lost"),
            ["Call a second fitter in: costs EUR 3, brings EUR 10 for each of the minutes lost."],
        ),
        (
            make_kpi(actions={"act": {"gain": "10 + load"}}),
            ["Call a second fitter in: costs EUR 3, brings the amount that `10 + load` returns if late."],
        ),
        (
            make_kpi(measurement="randomized", treatment=TREATMENT),
            ["Call a second fitter in: costs EUR 3."],
        ),
        (make_amount_kpi(), ["Too few fitters cost EUR 30 each, too many cost EUR 10 each."]),
    ],
)
def test_each_paid_action_has_a_sentence(kpi: Kpi, sentences: list[str]) -> None:
    assert payoff_sentences(kpi) == sentences
