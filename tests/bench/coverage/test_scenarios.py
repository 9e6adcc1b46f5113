"""A seeded tenth of the simulation gives the figures of the page, within binomial error."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import fisher_exact

from bench.coverage.daily_worlds import INDEPENDENT, around_zero
from bench.coverage.figures import MEASURES, Figure, ForecastBias, Results
from bench.coverage.methods import METHODS, IntervalMethod, single_interval
from bench.coverage.run import FIGURES
from bench.coverage.scenarios import SCENARIOS, SEED, count_inside, count_misses, run_scenario
from sixtyforty.value.lift import Interval

PUBLISHED = Results.read(FIGURES)
TENTH = PUBLISHED.runs // 10
LEVEL = 1e-4  # probability that a figure of a correct tenth is refused


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_tenth_of_the_runs_gives_the_published_figures(name: str) -> None:
    figures = run_scenario(name, TENTH)
    assert [describe_difference(figure) for figure in figures if describe_difference(figure)] == []


def describe_difference(repeated: Figure | ForecastBias) -> str:
    """Return how a figure of a tenth differs from the published one; an empty text if only by chance."""
    if isinstance(repeated, ForecastBias):
        (bias,) = (bias for bias in PUBLISHED.biases if bias.row == repeated.row)
        difference = (repeated.forecast - repeated.effect) - (bias.forecast - bias.effect)
        error = bias.spread * math.sqrt(1 / repeated.promoted + 1 / bias.promoted)
        return "" if abs(difference) < 3.9 * error else f"{repeated} instead of {bias}"
    (published,) = (figure for figure in PUBLISHED.of(repeated.measure) if figure.row == repeated.row)
    counts = [_split(repeated.hits, repeated.answered), _split(published.hits, published.answered)]
    answers = [_split(repeated.answered, repeated.runs), _split(published.answered, published.runs)]
    alike = all(fisher_exact(table).pvalue > LEVEL for table in (counts, answers))
    return "" if alike else f"{repeated} instead of {published}"


def _split(part: int, total: int) -> tuple[int, int]:
    return part, total - part


def test_another_figure_is_noticed() -> None:
    published = PUBLISHED.of("estimate")[0]
    less = Figure("estimate", published.row, int(0.8 * TENTH), TENTH, TENTH)
    assert describe_difference(less)
    bias = PUBLISHED.biases[0]
    assert describe_difference(ForecastBias(bias.row, bias.effect + 1, bias.effect, bias.spread, 90, 100, TENTH))


def test_a_method_that_is_swapped_in_the_table_changes_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    methods = replace(METHODS, estimate=IntervalMethod(single_interval(0.8)))
    monkeypatch.setattr("bench.coverage.scenarios.METHODS", methods)
    figures = run_scenario("coverage: independent days", TENTH)
    assert [figure.measure for figure in figures if describe_difference(figure)] == ["estimate"]


def test_all_runs_give_exactly_the_published_figures() -> None:
    row = "six campaigns"
    published = [figure for name in ("estimate", "gate") for figure in PUBLISHED.of(name) if figure.row == row]
    assert run_scenario(f"coverage: {row}", PUBLISHED.runs) == published


def test_every_measure_and_scenario_is_published() -> None:
    assert {figure.measure for figure in PUBLISHED.figures} == set(MEASURES)
    assert PUBLISHED.seed == SEED
    assert TENTH > 0


def test_an_unknown_interval_is_no_answer() -> None:
    unknown, known = Interval(0.0, math.nan, math.nan), Interval(0.0, -1.0, 1.0)
    assert count_inside("estimate", "days", [unknown, known, known], np.array([0.0, 0.5, 2.0])) == Figure(
        "estimate", "days", 1, 2, 3
    )


def test_an_interval_that_misses_at_one_look_counts_once() -> None:
    gains = np.array([[0.0, 9.0, -9.0, 0.0], [1.0, -1.0, 1.0, -1.0]])
    narrow = IntervalMethod(lambda days, *_: Interval(days.mean(), days.mean() - 1, days.mean() + 1))
    figure = count_misses("daily_look", INDEPENDENT, narrow, around_zero(gains), np.zeros_like(gains), range(2, 5))
    assert figure == Figure("daily_look", INDEPENDENT.name, 1, 2, 2)


def test_a_run_that_missed_and_then_has_no_interval_has_an_answer() -> None:
    def forget(days: np.ndarray, *_: object) -> Interval:
        return Interval(1.0, 0.5, 1.5) if len(days) < 4 else Interval(1.0, math.nan, math.nan)

    method = IntervalMethod(forget)
    figure = count_misses(
        "daily_look", INDEPENDENT, method, around_zero(np.ones((2, 4))), np.zeros((2, 4)), range(2, 5)
    )
    assert figure == Figure("daily_look", INDEPENDENT.name, 2, 2, 2)
