"""Shares that were dealt as declared raise no alarm, however often anybody looks; other shares are named."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import gammaln
from scipy.stats import dirichlet_multinomial, multinomial

from sixtyforty.value.share_test import (
    LEVEL,
    DealtUnits,
    describe_mismatches,
    find_mismatches,
    sequential_p_value,
)

HALVES = {"wait": 0.5, "act": 0.5}


def dealt(wait: int, act: int, stratum: str = "overall") -> DealtUnits:
    return DealtUnits(stratum, HALVES, {"wait": wait, "act": act})


def test_the_evidence_is_the_bayes_factor_against_the_declared_shares() -> None:
    shares, seen = {"a": 0.2, "b": 0.3, "c": 0.5}, {"a": 30, "b": 20, "c": 50}
    counts = list(seen.values())
    expected = dirichlet_multinomial.logpmf(counts, [1, 1, 1], 100) - multinomial.logpmf(counts, 100, [0.2, 0.3, 0.5])
    assert DealtUnits("overall", shares, seen).log_evidence() == pytest.approx(expected)


def test_daily_looks_at_correct_shares_raise_no_alarm() -> None:
    """2,000 experiments of 300 days with 20 units a day: at most 1 in 1,000 may ever be refused."""
    acts = np.random.default_rng(1).binomial(20, 0.5, (2000, 300)).cumsum(axis=1)
    waits = 20 * np.arange(1, 301) - acts
    units = acts + waits
    evidence = gammaln(2) - gammaln(2 + units) + gammaln(1 + acts) + gammaln(1 + waits) + units * math.log(2)
    assert (evidence >= math.log(1 / LEVEL)).any(axis=1).mean() <= 2 * LEVEL
    assert dealt(int(waits[7, -1]), int(acts[7, -1])).log_evidence() == pytest.approx(evidence[7, -1])


def test_shares_of_22_and_78_instead_of_halves_are_found_within_a_hundred_units() -> None:
    (mismatch,) = find_mismatches([dealt(22, 78)])
    assert (
        mismatch.describe()
        == "overall, 100 units: wait 50.0% declared and 22.0% seen, act 50.0% declared and 78.0% seen"
    )
    assert sequential_p_value([mismatch]) < LEVEL
    assert find_mismatches([dealt(45, 55)]) == []


def test_a_stratum_that_was_dealt_otherwise_is_found_although_the_total_agrees() -> None:
    strata = [dealt(1000, 1000), dealt(800, 200, "site north"), dealt(200, 800, "site south")]
    assert [mismatch.stratum for mismatch in find_mismatches(strata)] == ["site north", "site south"]


def test_many_strata_share_the_level() -> None:
    one = dealt(55, 112)
    assert find_mismatches([one])
    assert not find_mismatches([one, *(dealt(50, 50, f"site {i}") for i in range(1000))])


def test_an_action_that_was_not_declared_refuses_at_once() -> None:
    stray = DealtUnits("overall", HALVES, {"wait": 5, "act": 5, "call": 1})
    assert find_mismatches([stray]) == [stray]
    assert sequential_p_value([stray]) == 0.0


def test_without_a_unit_nothing_is_known() -> None:
    assert find_mismatches([]) == find_mismatches([dealt(0, 0)]) == []
    assert sequential_p_value([]) == sequential_p_value([dealt(0, 0)]) == 1.0


def test_the_text_names_the_declaration_and_three_strata() -> None:
    text = describe_mismatches([dealt(10, 90, f"site {i}") for i in range(5)], "kpi.treatment.shares")
    assert text.startswith("the shares of the experiment differ from those declared in kpi.treatment.shares (site 0, ")
    assert "; and 2 more)" in text
    assert text.endswith("Correct kpi.treatment.shares, or find out where units were lost or assigned by other shares.")
