"""Figures are stored and read without a change, and a promise is kept only within its limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.coverage.figures import MEASURES, Figure, ForecastBias, Measure, Results


def test_figures_are_read_as_they_were_written(tmp_path: Path) -> None:
    bias = ForecastBias("days", 0.2, 0.1, 0.05, 6, 7, 10)
    results = Results.combine(10, 3, [[Figure("null", "days", 1, 10, 10)], [bias]])
    results.write(tmp_path / "figures.json")
    assert Results.read(tmp_path / "figures.json") == results
    assert results.biases == [bias]


@pytest.mark.parametrize(("hits", "kept"), [(90, False), (93, True), (100, True)])
def test_an_interval_keeps_its_promise_from_its_limit_on(hits: int, kept: bool) -> None:
    assert MEASURES["estimate"].is_kept(Figure("estimate", "days", hits, 100, 100)) is kept


@pytest.mark.parametrize(("hits", "kept"), [(0, True), (5, True), (6, False)])
def test_an_error_keeps_its_promise_up_to_its_limit(hits: int, kept: bool) -> None:
    assert MEASURES["null"].is_kept(Figure("null", "days", hits, 100, 100)) is kept


def test_without_an_answer_or_a_promise_nothing_is_kept_or_broken() -> None:
    assert MEASURES["estimate"].is_kept(Figure("estimate", "days", 0, 0, 100)) is None
    assert Measure("share").is_kept(Figure("within", "days", 50, 100, 100)) is None
    assert Figure("estimate", "days", 0, 0, 100).share is None
