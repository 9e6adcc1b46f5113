"""The headline: three sentences that claim no more than the standing of the gain, and the key counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sixtyforty.accounting.gain_basis import GainBasis
from sixtyforty.accounting.kpi_summary import KpiSummary
from sixtyforty.reports.headline import list_key_counts, write_headline
from sixtyforty.reports.next_steps import read_accounts
from sixtyforty.value.hits import ComparedHits, HitCounts
from sixtyforty.value.rounded_interval import RoundedInterval
from sixtyforty.workspace import Workspace
from tests.accounted_home import make_accounted_home
from tests.words import assert_plain

BASIS = GainBasis(hits=ComparedHits(HitCounts(80, 20, 30, 870), HitCounts(40, 60, 10, 890)))


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_accounted_home(tmp_path_factory.mktemp("accounted"))


@pytest.fixture(scope="module")
def summary(ws: Workspace) -> KpiSummary:
    return read_accounts(ws, "replay").summary


def headline(ws: Workspace, summary: KpiSummary, **changes: Any) -> list[str]:
    return write_headline(ws.use_case, replace(summary, **changes), BASIS, ["Do this."])


def test_a_replay_would_have_brought_its_gain(ws: Workspace, summary: KpiSummary) -> None:
    brought, sure, to_do = headline(ws, summary)
    assert brought == (
        f"The decisions would have brought EUR {summary.gain:,.0f} more than the current process, on 1,820 calls from"
        " 1 April 2013 to 30 June 2013."
    )
    assert sure.startswith("The 95% confidence interval is ") and "per 1,000 calls" in sure
    assert to_do == "Do this."


@pytest.mark.parametrize(
    ("lift", "words"),
    [
        (RoundedInterval(5, 1, 9), "The decisions brought EUR"),
        (RoundedInterval(-5, -9, -1), "The decisions lost EUR"),
        (RoundedInterval(5, -1, 9), "No gain is shown yet"),
        (RoundedInterval(5, None, None, problem="too few weeks"), "No gain is shown yet"),
    ],
)
def test_a_live_gain_is_called_what_its_interval_shows(
    ws: Workspace, summary: KpiSummary, lift: RoundedInterval, words: str
) -> None:
    brought, sure, _ = headline(ws, summary, basis="unrecorded", lift_vs_current=lift)
    assert brought.startswith(words)
    assert ("can't be said: too few weeks" in sure) == (lift.low is None)


def test_an_assumed_gain_and_an_unknown_one(ws: Workspace, summary: KpiSummary) -> None:
    assert headline(ws, summary, label="assumed")[0].startswith("If the assumptions hold")
    unknown = headline(ws, summary, basis="done", done_problem="Answers aren't counted.")
    assert unknown[0] == "Answers aren't counted."


def test_the_key_counts_name_hits_the_worst_month_and_the_gain_a_year(ws: Workspace, summary: KpiSummary) -> None:
    days = read_accounts(ws, "replay").days
    sentences = list_key_counts(ws.use_case, summary, BASIS, days)
    assert_plain(" ".join(sentences))
    assert sentences[0] == (
        "The decisions took 80 of 100 needed actions (hits), missed 20 (misses), and acted on 30 calls in vain (false"
        " alarms)."
    )
    assert sentences[1].startswith("The current process took 40 of 100 needed actions")
    assert sentences[-2].startswith("The worst month in which decisions differed was May 2013: -EUR ")
    a_year = round(float(f"{summary.gain * 365.25 / 91:.2g}"))  # two digits
    assert sentences[-1].startswith(f"At this rate, the gain would be EUR {a_year:,} a year (95% confidence interval: ")
    assert "This extends 91 days; it is no forecast. Seasons" in sentences[-1]


def test_a_cost_reads_as_a_cost(ws: Workspace, summary: KpiSummary) -> None:
    kpi = ws.use_case.kpi.model_copy(update={"amount": object()})
    use_case = ws.use_case.model_copy(update={"kpi": kpi})
    changed = replace(summary, per_1000={"model": -171_000.0, "current_process": -184_000.0})
    days = read_accounts(ws, "replay").days
    sentences = list_key_counts(use_case, changed, GainBasis(), days)
    assert sentences[0] == "Each of the calls costs EUR 171 instead of EUR 184, on average."


def test_before_an_interval_no_gain_a_year_is_shown(ws: Workspace, summary: KpiSummary, tmp_path: Path) -> None:
    early = replace(summary, lift_vs_current=RoundedInterval(5, None, None))
    assert "isn't calculated" in list_key_counts(ws.use_case, early, GainBasis(), [])[-1]
