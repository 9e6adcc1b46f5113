"""The owner's next steps follow from the gain, the losses, other ways of deciding, and the operation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sixtyforty.decisions.deciders import NO_MODEL_YET, DeciderCounts
from sixtyforty.reports.next_steps import NO_MODEL, Accounts, read_accounts, recommend_next_steps
from sixtyforty.value.rounded_interval import RoundedInterval
from sixtyforty.value.summary import CandidateSummary
from sixtyforty.workspace import Workspace
from tests.accounted_home import make_accounted_home, make_daily_values, write_accounts
from tests.helpers import make_workspace


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_accounted_home(tmp_path_factory.mktemp("accounted"))


@pytest.fixture(scope="module")
def accounts(ws: Workspace) -> Accounts:
    return read_accounts(ws, "replay")


def steps_with(ws: Workspace, accounts: Accounts, **changes: Any) -> list[str]:
    """Return the next steps if some fields of the summary were different."""
    return recommend_next_steps(ws.use_case, replace(accounts, summary=replace(accounts.summary, **changes)))


LIVE: dict[str, Any] = {"basis": "unrecorded", "lift_vs_current": RoundedInterval(600, 1, 900)}


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({"lift_vs_current": RoundedInterval(600, 1, 900)}, "The replay shows a gain above the target of EUR 500"),
        (
            {"lift_vs_current": RoundedInterval(400, 1, 900)},
            "The replay shows a gain below the target of EUR 500 per 1,000 calls.",
        ),
        ({"lift_vs_current": RoundedInterval(400, -1, 900)}, "No gain is shown yet. Keep the current process"),
        ({"label": "assumed"}, "The gain is assumed: only a holdout can measure it."),
        ({"payback": None}, "The replay gain would not have covered the costs of the use case yet."),
        (LIVE, "The gain is proven and above the target of EUR 500"),
        (LIVE | {"payback": None}, "The gain hasn't covered the costs of the use case yet."),
        (LIVE | {"is_retired": True}, "The use case is retired."),
        ({"basis": "done", "done_problem": "The answers aren't counted."}, "The answers aren't counted."),
        ({"differ_from_current": 0}, "No decision differed from the current process"),
        (
            {"deciders": DeciderCounts(9, {"fallback: no data": 1, NO_MODEL_YET: 5})},
            "1 decision was left to the current process",
        ),
        (
            {"deciders": DeciderCounts(9, {"fallback: no data": 1200})},
            "1,200 decisions were left to the current process",
        ),
    ],
)
def test_each_figure_leads_to_its_step(ws: Workspace, accounts: Accounts, changes: dict[str, Any], step: str) -> None:
    assert any(sentence.startswith(step) for sentence in steps_with(ws, accounts, **changes))


def test_a_gain_below_the_target_for_want_of_a_model_asks_for_no_better_model(
    ws: Workspace, accounts: Accounts
) -> None:
    """The stage gate judges the days since the first model; the owner's page must not ask for the opposite."""
    days = [replace(day, model=day.current_process + 30.0 * (day.partition >= "2013-06")) for day in accounts.days]
    champion = accounts.champions[0].model_copy(update={"effective_from": "2013-06-01T04:00:00"})
    summary = replace(accounts.summary, lift_vs_current=RoundedInterval(495, 1, 900))
    changed = replace(accounts, days=days, champions=[champion], summary=summary)
    assert recommend_next_steps(ws.use_case, changed)[0] == (
        "The replay shows a gain below the target of EUR 500 per 1,000 calls, but EUR 1,500 since the first model"
        f" decided. Agree with {ws.use_case.people.team} on a first live month."
    )
    weak = replace(changed, days=[replace(day, model=day.current_process + 1.0) for day in days])
    assert recommend_next_steps(ws.use_case, weak)[0].endswith("Improve the model before you go live.")


def test_losing_months_and_missed_forecasts_are_named(ws: Workspace, accounts: Accounts) -> None:
    steps = recommend_next_steps(ws.use_case, accounts)
    assert "Find out why the current process did better in May." in steps
    assert "Find out why the models in charge since May 2013 gained less than forecast." in steps


def test_a_better_candidate_is_named(ws: Workspace, accounts: Accounts) -> None:
    better = CandidateSummary(1800, 9000.0, RoundedInterval(900, 800, 1000), RoundedInterval(-50, -90, -10))
    steps = steps_with(ws, accounts, candidates={"by_load": better})
    assert (
        "A simpler way of deciding is better: Act on heavy loads. Compare it with the model before you continue."
    ) in steps


def test_without_a_champion_the_record_says_why(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    write_accounts(ws, make_daily_values())
    assert recommend_next_steps(ws.use_case, read_accounts(ws, "replay")) == [NO_MODEL]


def test_figures_can_end_with_a_partition(ws: Workspace) -> None:
    accounts = read_accounts(ws, "replay", "2013-04-30")
    assert accounts.days[-1].partition == "2013-04-30" == accounts.summary.last
