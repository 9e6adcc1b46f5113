"""The policy takes the action with the highest expected payoff, except where a veto or a reviewer stands in between."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.spec.actions import Action
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.recipe import Veto
from sixtyforty.spec.use_case import UseCase
from sixtyforty.value.payoffs import build_payoffs
from sixtyforty.value.policy import BEST_REASON, REVIEW_REASON, UNPRICED_REASON, Policy, PolicyError, _evaluate_vetoes
from tests.sixtyforty.value.kpis import EXPERIMENT, SCORES, STAFF, kpis, make_kpi

NIGHT = Veto(when="hour >= 22", never="act", why="nobody can be reached at night")
ROWS = pd.DataFrame({"hour": [9, 23, 23, None], "current_action": ["wait", "act", "act", "act"]})


def test_a_vetoed_action_is_replaced_by_the_next_best_and_the_veto_is_the_reason(tiny_use_case: UseCase) -> None:
    chosen = Policy(tiny_use_case.kpi, {"night": NIGHT}).choose_actions(ROWS, np.array([0.9, 0.9, 0.1, 0.9]))
    assert chosen.action.tolist() == ["act", "wait", "wait", "act"]  # an unknown hour vetoes nothing
    veto = "veto night: nobody can be reached at night"
    assert chosen.reason.tolist() == [BEST_REASON, veto, BEST_REASON, BEST_REASON]
    assert not chosen.deferred.any()


@given(kpis(), SCORES, st.data())
def test_a_vetoed_action_is_never_taken(kpi: Kpi, score: np.ndarray, data: st.DataObject) -> None:
    actions = sorted(kpi.actions)
    forbidden = data.draw(st.lists(st.sampled_from(actions[1:]), min_size=1, unique=True))
    hours = data.draw(st.lists(st.integers(0, 23), min_size=len(score), max_size=len(score)))
    vetoes = {f"v{i}": Veto(when=f"hour >= {8 * i}", never=action, why="so") for i, action in enumerate(forbidden)}
    rows = pd.DataFrame({"hour": hours, "current_action": actions[0]})
    chosen = Policy(kpi, vetoes).choose_actions(rows, score)
    unrestricted = build_payoffs(kpi, rows).choose_actions(score)
    for row, hour in enumerate(hours):
        barred = {veto.never for name, veto in vetoes.items() if hour >= 8 * int(name[1:])}
        assert chosen.action[row] not in barred
        is_unrestricted = unrestricted[row] not in barred
        assert (chosen.action[row] == unrestricted[row]) == (chosen.reason[row] == BEST_REASON) == is_unrestricted


@pytest.mark.parametrize(
    ("limit", "use_full_limit", "actions", "reasons"),
    [
        (3, True, ["call", "call", "wait", "call"], ["best", "best", "best", "full"]),
        (1, False, ["call", "wait", "wait", "wait"], ["best", "used", "best", "best"]),
        (3, False, ["call", "call", "wait", "wait"], ["best"] * 4),
    ],
)
def test_a_limit_is_the_reason_where_another_action_pays_more(
    limit: int, use_full_limit: bool, actions: list[str], reasons: list[str]
) -> None:
    call = Action(description="call", cost=2, gain=5, limit=limit, use_full_limit=use_full_limit)
    kpi = make_kpi(actions={"wait": Action(description="wait"), "call": call})
    rows = pd.DataFrame({"current_action": ["wait"] * 4, "decided_at": [pd.Timestamp("2013-03-10 12:00")] * 4})
    chosen = Policy(kpi, {}).choose_actions(rows, np.array([0.9, 0.8, 0.1, 0.3]))
    texts = {
        "best": BEST_REASON,
        "full": "call always goes to as many units as its limit allows",
        "used": "the limit of call is used up by other units",
    }
    assert (chosen.action.tolist(), chosen.reason.tolist()) == (actions, [texts[reason] for reason in reasons])


def test_a_veto_with_invalid_sql_is_named(tiny_use_case: UseCase) -> None:
    policy = Policy(tiny_use_case.kpi, {"night": NIGHT.model_copy(update={"when": "stunde > 22"})})
    with pytest.raises(PolicyError, match=r"model\.vetoes\.night\.when .*stunde"):
        policy.choose_actions(ROWS, np.zeros(4))


def test_an_error_of_a_veto_quotes_no_value() -> None:
    veto = NIGHT.model_copy(update={"when": "name::integer > 22"})
    with pytest.raises(PolicyError, match="may hold data") as raised:
        _evaluate_vetoes(pd.DataFrame({"name": ["Ann Example"]}), {"night": veto})
    assert "Ann Example" not in str(raised.value) and raised.value.__suppress_context__, "also in no traceback"


def test_nearly_equal_actions_are_deferred_unless_a_veto_applies(tiny_use_case: UseCase) -> None:
    score = np.array([0.35, 0.35, 0.45, 0.9])  # the two actions are 0.5, 0.5, 1.5 and 6 apart
    chosen = Policy(tiny_use_case.kpi, {"night": NIGHT}, defer_below=1.0).choose_actions(ROWS, score)
    assert chosen.action.tolist() == ["wait", "wait", "wait", "act"]
    assert chosen.deferred.tolist() == [True, False, False, False]
    assert chosen.reason[0] == REVIEW_REASON
    assert chosen.reason[1].startswith("veto night")


def test_the_policy_as_json_changes_with_everything_that_its_actions_depend_on(tiny_use_case: UseCase) -> None:
    kpi = tiny_use_case.kpi
    dearer = kpi.model_copy(
        update={"actions": {**kpi.actions, "act": kpi.actions["act"].model_copy(update={"cost": 4.0})}}
    )
    policies = [
        Policy(kpi, {}),
        Policy(dearer, {}),
        Policy(kpi, {"night": NIGHT}),
        Policy(kpi, {}, defer_below=1.0),
        Policy(STAFF, {}),
        Policy(EXPERIMENT, {}),
    ]
    assert len({json.dumps(policy.to_dict()) for policy in policies}) == len(policies)
    assert Policy.from_use_case(tiny_use_case).to_dict() == Policy(kpi, {}).to_dict()


def test_without_an_allowed_action_of_known_cost_the_current_process_decides() -> None:
    kpi = make_kpi(actions={"wait": Action(description="", cost="fee"), "act": Action(description="", cost=3, gain=10)})
    rows = ROWS.assign(**{"_cost wait": [1.0, np.nan, 1.0, np.nan], "current_action": "wait"})
    chosen = Policy(kpi, {"night": NIGHT}, defer_below=100).choose_actions(rows, np.full(4, 0.9))
    assert chosen.action.tolist() == ["wait", "wait", "wait", "act"]
    assert chosen.reason[1] == UNPRICED_REASON
    assert chosen.deferred.tolist() == [True, False, False, False]


def test_a_veto_reads_no_file(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("secret\n7\n")
    veto = Veto(when=f"(select count(*) from read_csv('{tmp_path}/secret.csv')) > 0", never="act", why="so")
    with pytest.raises(PolicyError, match="file system operations are disabled"):
        _evaluate_vetoes(pd.DataFrame({"hour": [1]}), {"peek": veto})
