"""A limit per day is used up in the order of decision times, and no choice depends on later units."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.spec.actions import Action, DailyLimit
from sixtyforty.value.choice_payoffs import ChoicePayoffs, choose_with_vetoes
from tests.sixtyforty.value.kpis import make_kpi

START = pd.Timestamp("2013-03-10 06:00")
MOST = 3


def crews(use_full_limit: bool = False) -> dict[str, Action]:
    limit = DailyLimit(count=MOST, per="day")
    return {
        "none": Action(description=""),
        "send": Action(description="", cost=4, gain=10, limit=limit, use_full_limit=use_full_limit),
        "call": Action(description="", cost=1, gain=2, limit=2),
    }


CREWS, FULL = make_kpi(actions=crews()), make_kpi(actions=crews(use_full_limit=True))
KPIS = st.sampled_from([CREWS, FULL])
# Partition, hour, score in percent, action of the current process, whether a veto applies.
UNIT = st.tuples(
    st.sampled_from("ab"), st.integers(0, 4), st.integers(0, 100), st.sampled_from(["none", "send"]), st.booleans()
)
UNITS = st.lists(UNIT, min_size=1, max_size=25)


def make_rows(units: list[Any]) -> pd.DataFrame:
    rows = pd.DataFrame(units, columns=["_partition", "hour", "percent", "current_action", "is_vetoed"])
    rows["decided_at"] = START + pd.to_timedelta(rows["hour"], "h")
    return rows.sort_values(["_partition", "decided_at"], kind="stable", ignore_index=True)


def choose(kpi: Any, rows: pd.DataFrame, taken: Any = None) -> tuple[list[str], list[str]]:
    """Return the best and the chosen actions, if a veto forbids to send."""
    payoffs, score = ChoicePayoffs(kpi, rows), rows["percent"].to_numpy() / 100
    ((best, chosen),) = choose_with_vetoes([(payoffs, score, {"send": rows["is_vetoed"].to_numpy()})], taken)
    return best.tolist(), chosen.tolist()


@given(KPIS, UNITS)
def test_a_day_never_has_more_actions_than_its_limit(kpi: Any, units: list[Any]) -> None:
    rows = make_rows(units)
    sent = rows.assign(action=choose(kpi, rows)[1]).query("action == 'send'")
    assert (sent.groupby("_partition").size() <= MOST).all()
    called = rows.assign(action=choose(kpi, rows)[1]).query("action == 'call'")
    assert (called.groupby(["_partition", "hour"]).size() <= 2).all()


@given(KPIS, UNITS, st.integers(0, 4), st.integers(0, 100))
def test_later_units_change_no_earlier_choice(kpi: Any, units: list[Any], hour: int, percent: int) -> None:
    rows = make_rows(units)
    is_earlier = rows["hour"] < hour
    changed = rows.assign(percent=rows["percent"].where(is_earlier, percent))
    fewer = rows[is_earlier].reset_index(drop=True)
    for chosen, unaware, alone in zip(choose(kpi, rows), choose(kpi, changed), choose(kpi, fewer), strict=True):
        earlier = [action for action, known in zip(chosen, is_earlier, strict=True) if known]
        assert [action for action, known in zip(unaware, is_earlier, strict=True) if known] == earlier
        assert alone == earlier


@given(KPIS, UNITS, st.lists(st.integers(0, 4), max_size=3))
def test_runs_during_the_day_choose_as_a_run_at_its_end(kpi: Any, units: list[Any], runs: list[int]) -> None:
    """Each run counts the actions of the earlier runs, as decisions in the lake are counted."""
    rows = make_rows(units)
    taken: dict[Any, Counter[str]] = {}
    chosen = pd.DataFrame({"best": "", "action": ""}, index=rows.index)
    start = -1
    for end in [*sorted(runs), 4]:
        due = rows[rows["hour"].between(start, end, inclusive="right")]
        best, actions = choose(kpi, due.reset_index(drop=True), taken)
        chosen.loc[due.index, "best"], chosen.loc[due.index, "action"] = best, actions
        for partition, action in zip(due["_partition"], actions, strict=True):
            if action == "send":
                taken.setdefault((partition, None), Counter())["send"] += 1
        start = end
    assert (chosen["best"].tolist(), chosen["action"].tolist()) == choose(kpi, rows)


@given(KPIS, st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=15), st.randoms())
def test_the_order_of_units_with_one_decision_time_does_not_matter(kpi: Any, times: list[Any], order: Any) -> None:
    percents = order.sample(range(101), len(times))
    units = [("a", hour, percent, "none", veto) for (hour, veto), percent in zip(times, percents, strict=True)]
    rows = make_rows(units)
    positions = list(range(len(rows)))
    order.shuffle(positions)
    shuffled = choose(kpi, rows.iloc[positions].reset_index(drop=True))[1]
    chosen = choose(kpi, rows)[1]
    assert shuffled == [chosen[position] for position in positions]


def test_the_current_process_uses_up_the_limit_only_of_later_times() -> None:
    rows = make_rows([("a", hour, 90, "none", False) for hour in (0, 1, 2, 3, 4)])
    taken = {("a", START + pd.Timedelta(hours=2)): {"send": 2}}
    assert choose(CREWS, rows, taken)[1] == ["send", "send", "call", "call", "call"]
    assert choose(CREWS, rows, {("a", None): {"send": 2}})[1] == ["send", "call", "call", "call", "call"]


def test_a_row_without_any_action_uses_up_the_limit_by_the_current_process() -> None:
    """If no gain is known, the current process decides, and its action counts for the rest of the day."""
    prices = {"none": Action(description="", gain="worth"), "send": crews()["send"], "call": crews()["call"]}
    kpi = make_kpi(actions=prices)
    rows = make_rows([("a", hour, 90, "send", hour == 0) for hour in range(5)])
    rows["_gain none"] = [np.nan, 0, 0, 0, 0]
    rows["_gain send"] = 0
    payoffs = ChoicePayoffs(kpi, rows)
    barred = {"send": rows["is_vetoed"].to_numpy(), "call": rows["is_vetoed"].to_numpy()}
    ((_, chosen),) = choose_with_vetoes([(payoffs, rows["percent"].to_numpy() / 100, barred)])
    assert chosen.tolist() == ["none", "send", "send", "call", "call"]


@pytest.mark.parametrize("use_full_limit", [False, True])
def test_units_whose_cost_is_unknown_get_no_action_and_leave_the_limit_to_others(use_full_limit: bool) -> None:
    """Of ten units, those at even hours have no known cost. The three actions of the day go to the others."""
    actions = crews(use_full_limit) | {"none": Action(description="")}
    del actions["call"]
    kpi = make_kpi(actions=actions | {"send": actions["send"].model_copy(update={"cost": "fee"})})
    rows = make_rows([("a", hour, 90, "none", False) for hour in range(10)])
    rows["_cost send"] = [np.nan if hour % 2 == 0 else 4.0 for hour in range(10)]
    _, chosen = choose(kpi, rows)
    assert [hour for hour, action in enumerate(chosen) if action == "send"] == [1, 3, 5]
    payoffs = ChoicePayoffs(kpi, rows)
    assert payoffs.is_priced(chosen).all()
    best = payoffs.best_possible(np.ones(10))
    assert sorted(best.tolist()) == [0.0] * 7 + [6.0] * MOST and (best[::2] == 0).all()


def test_perfect_foresight_takes_the_best_units_of_the_day() -> None:
    rows = make_rows([("a", hour, 0, "none", False) for hour in range(5)])
    outcome = np.array([0.5, 0.6, 0.7, 0.8, 0.9])
    best = ChoicePayoffs(CREWS, rows).best_possible(outcome)
    assert best.tolist() == pytest.approx([0.0, 0.2, 3.0, 4.0, 5.0])
