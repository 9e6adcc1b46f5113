"""The filters of the page templates: how figures, money and dates are written for people."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.reports import page_templates
from sixtyforty.reports.page_templates import (
    escape_quotation,
    escape_table_cell,
    format_count,
    format_payoff,
    format_percent,
    format_signed,
    format_stage,
    page_environment,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (format_count(2_606_050.4), "2,606,050"),
        (format_count(None), "–"),
        (format_signed(1200.0), "+1,200"),
        (format_signed(-3.2), "-3"),
        (format_signed(math.nan), "–"),
        (format_percent(0.224), "22%"),
        (format_percent(0.2244, 1), "22.4%"),
        (format_percent(None), "–"),
        (format_payoff(2.5, "USD"), "$2.50"),
        (format_payoff("load < 3", "USD"), "load \\< 3"),
        (format_stage("poc"), "proof of concept"),
        (format_stage("pilot"), "pilot"),
    ],
)
def test_figures_are_written_for_people(text: str, expected: str) -> None:
    assert text == expected


def test_templates_have_the_filters() -> None:
    template = page_environment().from_string(
        "{{ 1200 | money('USD') }} {{ 5 | signed_money('SEK') }} {{ 1 | plural('row') }} {{ 'abc Def' | capitalized }}"
    )
    assert template.render() == "$1,200 +SEK 5 1 row Abc Def"


def test_html_templates_escape_what_people_wrote() -> None:
    environment = page_environment()
    assert environment.get_template("page.html").environment.autoescape("page.html") is True  # type: ignore[operator]
    assert page_templates.page_environment("desk").get_template("login.html")


@given(st.text(max_size=80))
def test_a_table_cell_stays_one_cell_without_html(text: str) -> None:
    cell = escape_table_cell(text)
    assert "\n" not in cell
    bare = cell.replace("\\\\", "")
    assert bare.count("|") == bare.count("\\|") and bare.count("<") == bare.count("\\<")


@given(st.text(min_size=1, max_size=80))
def test_a_quotation_stays_a_quotation_without_html(text: str) -> None:
    quotation = escape_quotation(text)
    assert all(line.startswith(">") for line in quotation.splitlines())
    bare = quotation.replace("\\\\", "")
    assert bare.count("<") == bare.count("\\<")
