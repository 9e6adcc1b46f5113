"""Actions, amounts and candidates refuse contradictions."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from sixtyforty.spec.actions import Action, Amount, Candidate, Costs


def test_a_full_limit_needs_a_limit() -> None:
    with pytest.raises(
        ValidationError, match="use_full_limit: use_full_limit needs a number of units; declare `limit`"
    ):
        Action(description="x", use_full_limit=True)
    assert Action(description="x", use_full_limit=True, limit=3).limit == 3


def test_a_limit_is_for_a_decision_time_or_for_a_day() -> None:
    by_time, by_day = Action(description="x", limit=3), Action(description="x", limit={"count": 3, "per": "day"})
    assert (by_time.most_units, by_time.is_limited_by_day) == (3, False)
    assert (by_day.most_units, by_day.is_limited_by_day) == (3, True)
    assert Action(description="x").most_units is None


@pytest.mark.parametrize("limit", [0, {"count": 0, "per": "day"}, {"count": 3}, {"count": 3, "per": "week"}])
def test_a_limit_is_positive_and_names_a_day(limit: Any) -> None:
    with pytest.raises(ValidationError):
        Action(description="x", limit=limit)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "a candidate needs either `action`"),
        ({"action": "'a'", "expected_outcome": "1"}, "a candidate needs either `action`"),
    ],
)
def test_a_candidate_has_one_answer(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Candidate(description="x", **changes)


def test_the_best_quantile_weighs_shortage_against_excess() -> None:
    assert Amount(description="x", shortage_cost=9, excess_cost=1).quantile == 0.9


@pytest.mark.parametrize("limit", ["minimum", "maximum"])
def test_a_limit_of_whole_numbers_is_a_whole_number(limit: str) -> None:
    with pytest.raises(ValidationError, match=f"{limit}: {limit} is 1.5, but the amount must be a whole number"):
        Amount(description="x", shortage_cost=1, excess_cost=1, **{limit: 1.5})
    assert Amount(description="x", shortage_cost=1, excess_cost=1, whole_numbers=False, **{limit: 1.5})


def test_costs_are_zero_unless_declared() -> None:
    assert set(Costs().model_dump().values()) == {0.0}
