"""The owner's page: the same money everywhere, losing months shown, no algorithm talk."""

from __future__ import annotations

from pathlib import Path

import pytest

from sixtyforty.reports import impact_report
from sixtyforty.workspace import Workspace
from tests.accounted_home import append_verdict, make_accounted_home, make_daily_values, write_accounts, write_usage
from tests.helpers import WITH_RESPONSES, make_workspace
from tests.words import assert_plain, find_algorithm_talk, read_words


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    home = make_accounted_home(tmp_path_factory.mktemp("accounted"))
    write_accounts(home, make_daily_values()[-1:], unknown=1_200)
    return home


@pytest.fixture(scope="module")
def page(ws: Workspace) -> str:
    return impact_report.write_report(ws, "replay").read_text()


def test_the_page_is_in_plain_words(page: str) -> None:
    assert_plain(page)


def test_a_losing_month_is_shown_and_leads_to_a_next_step(page: str) -> None:
    words = read_words(page)
    loss = sum(d.model - d.current_process for d in make_daily_values() if d.partition.startswith("2013-05"))
    assert loss < 0
    assert f"-EUR {-loss:,.0f}" in words
    assert "Find out why the current process did better in May." in words
    assert "Find out why the models in charge since May 2013 gained less than forecast." in words


def test_the_forecast_stands_next_to_the_achieved_gain(page: str) -> None:
    words = read_words(page)
    assert "Forecast gain and achieved gain" in words
    assert "1 May 2013 600 EUR 1,000 EUR 700 to EUR 1,300" in words
    assert "below the forecast" in words
    assert "The gain forecast for the next month is EUR 1,000 per 1,000 calls" in words
    assert "per 1,000 calls (90% prediction interval EUR 700 to EUR 1,300)." in words
    assert "2 of 3 months came out within their forecast (90% were to be expected)." in words
    assert "The target is EUR 500 per 1,000 calls by 30 June 2013" in words


def test_a_feed_outage_is_described_with_its_cost(page: str) -> None:
    words = read_words(page)
    assert (
        "If the visits feed stops, the current process decides 99% of the calls."
        " The gain is then EUR 0 per 1,000 calls, instead of EUR 900."
    ) in words


def test_decisions_without_a_value_are_counted(page: str) -> None:
    assert "The outcome of 1,200 more decisions isn't known yet." in read_words(page)


def test_poor_data_is_counted(page: str) -> None:
    words = read_words(page)
    assert "Rejected: 1 day of visits (2013-06-12)." in words
    assert "Quarantined: 40 invalid rows of visits." in words


def test_equal_figures_give_equal_bytes(ws: Workspace, page: str) -> None:
    assert impact_report.write_report(ws, "replay").read_text() == page


def test_there_is_a_page_before_the_first_champion(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    write_accounts(ws, make_daily_values())
    page = impact_report.write_report(ws, "replay").read_text()
    assert_plain(page)
    assert "Forecast gain and achieved gain" not in page
    assert "No model has passed the gate yet" in page


def test_an_assumed_gain_is_labelled_at_each_figure_and_proves_nothing(tmp_path: Path) -> None:
    kpi = {"measurement": "randomized", "holdout": {"share": 0.1, "value_per_outcome": -10}}
    ws = make_workspace(tmp_path, kpi=kpi)
    write_accounts(ws, make_daily_values())
    append_verdict(ws, "2013-04-01")
    words = read_words(impact_report.write_report(ws, "replay").read_text())
    for figure in (
        "gain over the current process assumed",
        "gain per 1,000 calls assumed",
        "Value assumed",
        "Month by month assumed",
    ):
        assert figure in words
    assert "The gain is assumed: only a holdout can measure it." in words
    assert "The gain is proven" not in words


def test_what_people_did_is_shown_with_the_value_of_their_overrides(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, **WITH_RESPONSES)
    write_accounts(ws, make_daily_values())
    write_usage(ws, "2013-06-24", simulated=4)
    page = impact_report.write_report(ws, "replay").read_text()
    assert_plain(page)
    words = read_words(page)
    assert "Do people use the decisions? simulated: 4 of 19 responses" in words
    assert "People followed 6 (60% of the decisions that they looked at) and" in words
    assert "overrode 2 (25% of the decisions that they answered)." in words
    assert "For 2 overrides the outcome is known. In 1 of them the person was right." in words
    assert "Compared with following the decisions, the overrides gained +EUR 30" in words


@pytest.mark.parametrize(
    "page",
    [
        "The AUC of it is fine.",
        "<p>by <b>Gradient  boosting</b></p>",
        '<img alt="ROC curve">',
        "ten F1 scores",
        "<svg><!-- feature importance --></svg>",
        "a p-value below 0.05",
    ],
)
def test_algorithm_talk_is_found_in_text_attributes_and_charts(page: str) -> None:
    assert find_algorithm_talk(page)


@pytest.mark.parametrize(
    "page",
    ["<style>.auc{}</style>The rock is a procession.", "<script>recall()</script>featured", '<a href="/roc">on</a>'],
)
def test_words_that_only_contain_algorithm_talk_are_allowed(page: str) -> None:
    assert find_algorithm_talk(page) == []
