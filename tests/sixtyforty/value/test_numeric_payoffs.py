"""A numeric action: its costs, and the quantile that minimises them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.spec.kpi_wording import allowed_instead, describe_action
from sixtyforty.value.numeric_payoffs import NumericPayoffs, format_amount
from sixtyforty.value.payoff_base import PayoffError
from tests.sixtyforty.value.kpis import AMOUNT, STAFF

PAYOFFS = NumericPayoffs(AMOUNT)


def test_each_unit_too_few_or_too_many_has_its_cost() -> None:
    assert AMOUNT.quantile == 0.75
    assert PAYOFFS.realized(["3", "5", "4"], np.array([4.0, 4.0, 4.0])).tolist() == [-60.0, -20.0, 0.0]


def test_an_amount_is_rounded_and_kept_within_its_range() -> None:
    assert PAYOFFS.choose_actions(np.array([0.2, 3.5, 3.4, 20.0])).tolist() == ["1", "4", "3", "9"]
    assert STAFF.idle_action == "1"
    assert describe_action("4", STAFF) == "4 fitters"


def test_foresight_chooses_the_outcome_itself() -> None:
    assert PAYOFFS.best_possible(np.array([4.0, 12.0])).tolist() == [0.0, -180.0]  # at most 9 fitters
    assert PAYOFFS.expected_outcomes(np.array([2.5]), ["3"]).tolist() == [2.5]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=20), st.integers(1, 9))
def test_the_best_amount_is_the_newsvendor_quantile(needed: list[int], other: int) -> None:
    outcome = np.array(needed, float)
    quantile = np.quantile(outcome, AMOUNT.quantile, method="inverted_cdf")
    best, alternative = (PAYOFFS.realized([str(a)] * len(needed), outcome).sum() for a in (quantile, other))
    assert best >= alternative


@pytest.mark.parametrize(("number", "text"), [(3.0, "3"), (-0.0, "0"), (2.5, "2.5"), (1e6, "1000000")])
def test_equal_amounts_are_the_same_text(number: float, text: str) -> None:
    assert format_amount(number) == text


def test_an_action_that_is_no_number_is_rejected() -> None:
    with pytest.raises(PayoffError, match="The action must be a number"):
        PAYOFFS.realized(["many"], np.ones(1))


@pytest.mark.parametrize(
    ("action", "allowed"), [("5", None), ("4", "another"), ("3.5", "whole"), ("12", "to 9"), ("x", "1")]
)
def test_an_override_must_be_another_amount_within_the_range(action: str, allowed: str | None) -> None:
    answer = allowed_instead(STAFF, action, "4")
    assert answer is None if allowed is None else allowed in str(answer)
