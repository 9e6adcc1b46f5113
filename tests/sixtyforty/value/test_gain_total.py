"""The total of use cases that were chosen for their gain is neither too high on average nor too narrow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.gain_total import MeasuredGain, add_up_gains
from sixtyforty.value.shrinkage import EFFECT_SCALE, NULL_SHARE, shrink_mean
from tests.sixtyforty.value.test_clusters import draw_households, to_days

PORTFOLIOS, USE_CASES, BLOCKS, SHOWN_AT = 150, 8, 13, 2.0


def draw_portfolio(draws: np.random.Generator, shared: float) -> tuple[float, list[MeasuredGain]]:
    """Return the true total of the use cases that look good, and their measured gains.

    Effects are drawn from the prior, in standard deviations of a block's gain. shared: the correlation of the errors.
    """
    true_total, chosen = 0.0, list[MeasuredGain]()
    common = draws.standard_normal(BLOCKS)
    for _ in range(USE_CASES):
        effect = 0.0 if draws.random() < NULL_SHARE else EFFECT_SCALE * draws.standard_cauchy()
        noise = np.sqrt(shared) * common + np.sqrt(1 - shared) * draws.standard_normal(BLOCKS)
        gains = effect + noise
        error = float(gains.std(ddof=1)) / np.sqrt(BLOCKS)
        if abs(gains.mean()) > SHOWN_AT * error:
            true_total += effect * BLOCKS
            chosen.append(MeasuredGain(float(gains.sum()), error * BLOCKS, BLOCKS))
    return true_total, chosen


@pytest.mark.parametrize("shared", [0.0, 0.9])
def test_the_total_of_chosen_use_cases_is_inside_its_interval(shared: float) -> None:
    draws = np.random.default_rng(21)
    inside, totals, plain, truth = 0, 0.0, 0.0, 0.0
    drawn = [(t, c) for t, c in (draw_portfolio(draws, shared) for _ in range(PORTFOLIOS)) if c]
    for true_total, chosen in drawn:
        total = add_up_gains(chosen)
        inside += total.low <= true_total <= total.high
        totals, plain, truth = (
            totals + abs(total.value),
            plain + abs(sum(g.gain for g in chosen)),
            truth + abs(true_total),
        )
    assert inside / len(drawn) >= 0.93
    assert abs(totals - truth) < abs(plain - truth), "the correction brings the total nearer to the truth"


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(0.1, 10)), min_size=1, max_size=5))
def test_a_total_is_shrunk_and_wider_than_each_part(drawn: list[tuple[float, float]]) -> None:
    gains = [MeasuredGain(gain, error, BLOCKS) for gain, error in drawn]
    total = add_up_gains(gains)
    assert total.low <= total.value <= total.high
    alone = [shrink_mean(g.gain, g.error, g.blocks, 0.95) for g in gains]
    assert total.value == pytest.approx(sum(value for value, _, _ in alone))
    assert all(total.high - total.low >= (high - low) - 1e-9 for _, low, high in alone)
    assert all(abs(value) <= abs(gain) + 1e-9 for (value, _, _), (gain, _) in zip(alone, drawn, strict=True))


def test_a_measured_gain_adds_up_the_days() -> None:
    days = [
        DailyValue(f"2024-{1 + i // 28:02}-{1 + i % 28:02}", 10, 5.0 + i % 3, 4.0, 0.0, 9.0, 1, 1, 0)
        for i in range(168)
    ]
    measured = MeasuredGain.of_days(days, 14)
    assert measured.gain == pytest.approx(sum(day.model - day.current_process for day in days))
    assert measured.blocks >= 11
    assert measured.error > 0


def test_units_that_recur_make_the_error_larger() -> None:
    """The error is that of the use case's own interval, so a total is not surer than its parts."""
    _, groups = draw_households(3, share=0.9)
    days = to_days(groups)
    measured = MeasuredGain.of_days(days, 14)
    alone = MeasuredGain.of_days([replace(day, unit_groups=None) for day in days], 14)
    assert (measured.gain, measured.blocks) == (alone.gain, alone.blocks)
    assert measured.error > 1.5 * alone.error
