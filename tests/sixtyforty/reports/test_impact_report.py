"""The owner's page: the same money everywhere, losing months shown, no algorithm talk."""

from __future__ import annotations

from pathlib import Path

import pytest

from sixtyforty.reports import impact_report
from sixtyforty.workspace import Workspace
from tests.accounted_home import append_verdict, make_accounted_home, make_daily_values, write_accounts
from tests.words import assert_plain, spoken, talk


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_accounted_home(tmp_path_factory.mktemp("told"))


@pytest.fixture(scope="module")
def page(ws: Workspace) -> str:
    return impact_report.write(ws, "replay").read_text()


def test_the_owners_page_is_in_plain_words(page: str) -> None:
    assert_plain(page)


def test_a_month_that_lost_is_shown_and_asked_about(page: str) -> None:
    said = spoken(page)
    lost = sum(d.model - d.current_process for d in make_daily_values() if d.partition.startswith("2013-05"))
    assert lost < 0
    assert f"{lost:+,.0f}" in said
    assert "Look into May: there the current process did better." in said
    assert "Find out why May 2013 brought less than was forecast." in said


def test_what_was_promised_stands_beside_what_was_kept(page: str) -> None:
    said = spoken(page)
    assert "Promised and kept" in said
    assert "2013-05-01 620 +1,000 +700 … +1,300" in said
    assert "below the forecast" in said
    assert "Forecast for the coming month: +1,000, between +700 and +1,300." in said
    assert "The target is +500 EUR per 1,000 calls by 30 June 2013" in said


def test_the_same_figures_give_the_same_bytes(ws: Workspace, page: str) -> None:
    assert impact_report.write(ws, "replay").read_text() == page


def test_before_the_first_champion_there_is_a_page_as_well(tmp_path: Path) -> None:
    from tests.helpers import make_workspace

    ws = make_workspace(tmp_path)
    write_accounts(ws, make_daily_values())
    page = impact_report.write(ws, "replay").read_text()
    assert_plain(page)
    assert "Promised and kept" not in page


def test_what_is_assumed_is_called_so_beside_each_figure_and_proves_nothing(tmp_path: Path) -> None:
    from tests.helpers import make_workspace

    ws = make_workspace(tmp_path, kpi={"measurement": "randomized", "holdout": {"share": 0.1, "value_per_outcome": -10}})
    write_accounts(ws, make_daily_values())
    append_verdict(ws, "2013-04-01")
    said = spoken(impact_report.write(ws, "replay").read_text())
    for figure in (
        "EUR beyond the current process assumed",
        "per 1,000 calls assumed",
        "What it was worth assumed",
        "Good and bad months assumed",
    ):
        assert figure in said
    assert "The gain is assumed, not proven: only a holdout can tell." in said
    assert "surely" not in said


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
def test_talk_is_found_wherever_it_is_said(page: str) -> None:
    assert talk(page)


@pytest.mark.parametrize(
    "page",
    ["<style>.auc{}</style>The rock is a procession.", "<script>recall()</script>featured", '<a href="/roc">on</a>'],
)
def test_what_only_looks_like_talk_is_none(page: str) -> None:
    assert talk(page) == []
