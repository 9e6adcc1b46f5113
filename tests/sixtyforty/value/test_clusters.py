"""Two-way clusters: units that recur make an interval wider, and figures without their sums have none."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from sixtyforty.value.blocks import Blocks
from sixtyforty.value.clusters import ClusterVariance, is_skewed
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.lift import estimate_lift, estimate_ratio, follow_lift, measure_lift, predict_lift
from sixtyforty.value.segments import describe_losing, estimate_segments
from sixtyforty.value.unit_groups import (
    DECISIONS,
    GROUPS,
    NOT_COUNTED,
    NOT_GROUPED,
    NOT_IN_ACCOUNTS,
    GroupedSums,
)
from tests.sixtyforty.value.test_blocks import days_from

CAMPAIGNS, HOUSEHOLDS, DECIDED = 12, 250, 1000


def draw_households(seed: int, share: float, count: int = HOUSEHOLDS) -> tuple[NDArray[np.float64], GroupedSums]:
    """Return the gain of each campaign, and the sums of groups. share: the variance that belongs to the household."""
    rng = np.random.default_rng(seed)
    own, noise = rng.standard_normal(count), rng.standard_normal((CAMPAIGNS, count))
    members = np.eye(GROUPS)[rng.integers(0, GROUPS, count)]
    totals = (math.sqrt(share) * own + math.sqrt(1 - share) * noise) @ members
    return totals.sum(1), GroupedSums(totals, np.broadcast_to(members.sum(0), totals.shape))


def to_days(groups: GroupedSums) -> list[DailyValue]:
    assert groups.totals is not None and groups.counts is not None
    nothing = [0.0] * GROUPS
    return [
        DailyValue(day, int(sum(counts)), sum(totals), 0.0, 0.0, 0.0, 0, 0, 0, {}, sums)
        for day, totals, counts in zip(
            days_from("2024-01-01", CAMPAIGNS, 28), groups.totals.tolist(), groups.counts.tolist(), strict=True
        )
        for sums in [{DECISIONS: counts, "model": totals, "current_process": nothing}]
    ]


def test_the_variance_is_that_of_cameron_gelbach_and_miller() -> None:
    """The oracle adds up blocks, groups and cells in plain Python."""
    totals, groups = draw_households(1, share=0.5)
    assert groups.totals is not None and groups.counts is not None
    partitions, counts = days_from("2024-01-01", CAMPAIGNS, 28), [HOUSEHOLDS] * CAMPAIGNS
    blocks = Blocks.of(partitions, totals, counts, 14, groups)
    ratio = totals.sum() / sum(counts)
    cells = [
        (campaign, group, groups.totals[campaign, group] - ratio * groups.counts[campaign, group])
        for campaign in range(CAMPAIGNS)
        for group in range(GROUPS)
        if groups.counts[campaign, group]
    ]

    def clustered(position: int) -> float:
        sums: dict[object, float] = {}
        for cell in cells:
            key = cell[position] if position < 2 else cell[:2]
            sums[key] = sums.get(key, 0.0) + cell[2]
        return len(sums) / (len(sums) - 1) * sum(amount**2 for amount in sums.values())

    variance = max(clustered(0), clustered(1), clustered(0) + clustered(1) - clustered(2))
    assert blocks.error == pytest.approx(math.sqrt(variance) / sum(counts))
    assert blocks.persistent_share == pytest.approx(1 - clustered(0) / variance)
    assert CAMPAIGNS - 1 < blocks.freedom < GROUPS


def test_the_forecast_expects_the_same_households_again() -> None:
    """A gain that the households have in each campaign isn't shrunk, because they have it in the next one, too."""
    own = np.tile(np.random.default_rng(8).standard_normal(64), (CAMPAIGNS, 1))
    days = to_days(GroupedSums(own + 0.01 * np.arange(CAMPAIGNS)[:, None], np.ones_like(own)))
    forecast = predict_lift(days)
    assert forecast.value == pytest.approx(estimate_lift(days).value, rel=0.01)
    assert forecast.low < forecast.value < forecast.high


def test_households_that_recur_make_every_interval_wider() -> None:
    _, groups = draw_households(2, share=0.5)
    days = to_days(groups)
    without = [replace(day, unit_groups=None) for day in days]
    for estimate in (estimate_lift, follow_lift):
        wide, narrow = estimate(days), estimate(without)
        assert wide.value == narrow.value
        assert wide.high - wide.low > 1.1 * (narrow.high - narrow.low)
    assert measure_lift("live", days) == follow_lift(days)
    assert measure_lift("replay", days) == estimate_lift(days)


def test_the_interval_covers_the_mean_of_the_population() -> None:
    covered = {0.0: 0, 0.2: 0, 0.8: 0}
    for share in covered:
        for seed in range(300):
            lift = estimate_lift(to_days(draw_households(seed, share)[1]))
            covered[share] += lift.low <= 0 <= lift.high
    assert all(hits / 300 >= 0.92 for hits in covered.values()), covered


def test_too_few_units_give_no_interval() -> None:
    few = to_days(draw_households(3, share=0.2, count=5)[1])
    assert estimate_lift(few).problem.startswith("too few units to say: 5 of 8 needed")
    assert math.isnan(estimate_lift(few).low)
    assert not math.isnan(estimate_lift(few).value)
    assert math.isnan(predict_lift(few).value)


def test_an_account_without_its_groups_refuses_the_interval() -> None:
    days = to_days(draw_households(4, share=0.2)[1])
    for old in (replace(days[3], unit_groups={}), replace(days[3], unit_groups=None)):
        for estimate in (estimate_lift, follow_lift, predict_lift):
            assert estimate([*days[:3], old, *days[4:]]).problem == NOT_IN_ACCOUNTS
    assert estimate_lift(days, "random_choice").problem == NOT_IN_ACCOUNTS


def test_few_blocks_are_named_first() -> None:
    days = to_days(draw_households(5, share=0.2)[1])[:4]
    assert estimate_lift(days).problem.startswith("too few days to say")


def test_a_figure_without_groups_has_no_interval() -> None:
    partitions, gains, counts = days_from("2024-01-01", CAMPAIGNS, 28), np.arange(12.0), np.full(12, 9)
    assert estimate_ratio(partitions, gains, counts, groups=NOT_GROUPED).problem == NOT_COUNTED
    for recurring, problem in ((True, NOT_COUNTED), (False, "")):
        (segment,) = estimate_segments({("shop", "north"): (partitions, counts, gains)}, "live", 14, recurring)
        assert segment.lift.problem == problem
        assert math.isnan(segment.lift.low) is recurring
        assert describe_losing([segment]).startswith("no segment is judged") is recurring


def test_a_partition_without_decisions_changes_nothing() -> None:
    totals, groups = draw_households(6, share=0.2)
    assert groups.totals is not None and groups.counts is not None
    longer = GroupedSums(*(np.vstack([sums, np.zeros(GROUPS)]) for sums in (groups.totals, groups.counts)))
    partitions, counts = days_from("2024-01-01", CAMPAIGNS + 1, 28), [HOUSEHOLDS] * CAMPAIGNS
    with_empty = Blocks.of(partitions, [*totals, 0.0], [*counts, 0], 14, longer)
    assert with_empty == Blocks.of(partitions[:-1], totals, counts, 14, groups)


def test_a_few_extreme_units_widen_the_interval() -> None:
    rng = np.random.default_rng(7)
    own = rng.pareto(1.5, 64)
    totals = own + 0.01 * rng.standard_normal((CAMPAIGNS, 64))
    groups = GroupedSums(totals, np.ones_like(totals))
    assert estimate_lift(to_days(groups)) == follow_lift(to_days(groups))


def test_equal_sums_have_no_variance() -> None:
    nothing = ClusterVariance.of_sums(np.zeros(12))
    grouped = nothing.combine(GroupedSums(np.zeros((12, GROUPS)), np.ones((12, GROUPS))), 0.0, np.arange(12))
    assert (grouped.variance, grouped.problem, grouped.is_skewed) == (0.0, "", False)
    assert not is_skewed(np.zeros(12))
