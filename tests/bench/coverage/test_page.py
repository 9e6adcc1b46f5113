"""The page is what its figures say, and it names broken promises only while they are broken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.coverage.figures import MEASURES, Figure, Results
from bench.coverage.page import ADVICE, BROKEN, NO_ANSWER, SECTIONS, write_page
from bench.coverage.run import FIGURES, PAGE
from tests.language.sentences import problems

PUBLISHED = Results.read(FIGURES)


def test_the_page_is_written_from_the_published_figures() -> None:
    assert PAGE.read_text() == write_page(PUBLISHED)


def test_every_figure_of_a_measure_is_in_a_table() -> None:
    assert [name for section in SECTIONS for name in section.measures] == list(MEASURES)
    assert set(ADVICE) == {name for name, measure in MEASURES.items() if measure.promise is not None}


def of_one(hits: int, answered: int = 1000) -> Results:
    """Return results with one figure."""
    return Results(1000, 1, [Figure("estimate", "some days", hits, answered, 1000)], [])


def test_a_broken_promise_is_marked_and_explained() -> None:
    page = write_page(of_one(850))
    assert f"| some days | 85% {BROKEN} |" in page
    assert "1 of 1 rows break this promise. Worst is 85% (some days)." in page
    assert ADVICE["estimate"] in page
    assert "Nothing on this page keeps its promise in every row." in page


def test_a_kept_promise_is_not_marked() -> None:
    page = write_page(of_one(950))
    assert "| some days | 95% |" in page
    assert "Nothing: every figure on this page is within its limits." in page
    assert "95%.** Every row keeps this promise." in page
    assert ADVICE["estimate"] not in page


def test_missing_answers_are_stated() -> None:
    assert f"| some days | {NO_ANSWER} |" in write_page(of_one(0, 0))
    assert "| some days | 95% (answer in 20%) |" in write_page(of_one(190, 200))


@pytest.mark.parametrize(("forecast", "is_marked"), [(0.1, False), (0.12, True)])
def test_a_forecast_far_from_the_effect_is_marked(forecast: float, is_marked: bool) -> None:
    bias = replace(PUBLISHED.biases[0], row="some days", effect=0.1, forecast=forecast)
    page = write_page(Results(1000, 1, [], [bias]))
    assert (f"{forecast / 0.1:.2f} {BROKEN}" in page) is is_marked
    assert ("Forecast at promotion" in page) is is_marked


def test_the_sentences_with_all_advice_are_short(tmp_path: Path) -> None:
    every = [Figure(name, "some days", 500, 1000, 1000) for name in MEASURES]
    page = tmp_path / "page.md"
    page.write_text(write_page(Results(1000, 1, every, PUBLISHED.biases)))
    assert list(problems(page)) == []
