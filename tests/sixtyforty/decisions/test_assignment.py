"""Who keeps the current process: drawn once and for ever, by nothing but who they are."""

from __future__ import annotations

import shutil
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.decisions import assignment
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.decisions.explanations import explain_decisions
from sixtyforty.decisions.review_queue import queue_reviews, read_queue
from sixtyforty.spec.use_case import UseCase
from sixtyforty.value.policy import POLICY_VERSION
from sixtyforty.workspace import Workspace
from tests.helpers import make_use_case, make_workspace, merge, publish_days, put_champion_in_force, read_lake

TRAINED = [date(2013, 3, 1) + timedelta(days=i) for i in range(12)]
LIVE = [date(2013, 3, 13) + timedelta(days=i) for i in range(3)]
P = [d.isoformat() for d in LIVE]
RANDOMIZED = {"kpi": {"measurement": "randomized", "holdout": {"share": 0.3, "value_per_outcome": -10}}}
ROLLOUT = {"automation": {"rollout": {"holdout_share": 0.5}}}
VALUES = st.lists(st.text(max_size=5), min_size=1, max_size=3)
SHARES = st.floats(0, 1)


def is_held(values: list[str], share: float, salt: str = "") -> bool:
    return bool(assignment.is_held_out([assignment.draw_number("calls", salt, values)], share)[0])


def test_a_draw_stays_the_same_for_ever() -> None:
    assert (
        assignment.draw_number("calls_in_time", "", ["17", "north"]) == "f51a2abffb7da4f6"
    )  # sha256sum of calls_in_time||17|north
    assert assignment.draw_number("calls_in_time", "again", ["17", "north"]) != assignment.draw_number(
        "calls_in_time", "", ["17", "north"]
    )
    assert assignment.draw_number("calls_in_time", "", ["1|7"]) != assignment.draw_number(
        "calls_in_time", "", ["1", "7"]
    )


@given(VALUES, SHARES, SHARES)
def test_a_larger_share_keeps_those_of_a_smaller_one(values: list[str], a: float, b: float) -> None:
    assert is_held(values, min(a, b)) <= is_held(values, max(a, b))
    assert not is_held(values, 0)
    assert is_held(values, 1)


@given(st.sampled_from([0.01, 0.1, 0.5, 0.9]), st.text(max_size=5))
def test_as_many_are_drawn_as_are_to_be(share: float, salt: str) -> None:
    draws = [assignment.draw_number("calls", salt, [str(i)]) for i in range(2000)]
    spread = (share * (1 - share) / len(draws)) ** 0.5
    assert assignment.is_held_out(draws, share).mean() == pytest.approx(share, abs=5 * spread)


def test_another_salt_draws_others_independently() -> None:
    one, other = (
        assignment.is_held_out([assignment.draw_number("calls", s, [str(i)]) for i in range(4000)], 0.5)
        for s in ("a", "b")
    )
    assert (one & other).mean() == pytest.approx(0.25, abs=0.03)


@pytest.fixture(scope="module")
def by_site(tmp_path_factory: pytest.TempPathFactory) -> UseCase:
    return make_use_case(
        tmp_path_factory.mktemp("site"), **merge(RANDOMIZED, {"kpi": {"holdout": {"cluster_by": ["site"]}}})
    )


@given(st.permutations(range(8)), st.integers(1, 8))
def test_neither_order_nor_company_matters_and_clusters_stay_together(
    by_site: UseCase, order: list[int], many: int
) -> None:
    rows = pd.DataFrame({"_draw0": ["north", "south", "east", "north", "", "south", "north", "east"]})
    whole = assignment.draw_rows(by_site, rows)
    mine = order[:many]
    assert assignment.draw_rows(by_site, rows.iloc[mine]) == [whole[i] for i in mine]
    assert len(set(whole)) == rows["_draw0"].nunique()


@pytest.mark.parametrize("share", [0.1, 1 / 3, 1e-05, 1.0])
def test_the_share_is_in_the_policys_name(share: float) -> None:
    assert assignment.parse_share(assignment.policy_name(share)) == share
    assert assignment.policy_name(0.0) == POLICY_VERSION
    assert assignment.parse_share(POLICY_VERSION) == 0


def with_model(folder: Path, **changes: object) -> Workspace:
    """A home with days to decide, and a champion of both tracks from the first of them on."""
    ws = make_workspace(folder, **changes)
    publish_days(ws, [*TRAINED, *LIVE], count=40)
    for track in ("replay", "live"):
        put_champion_in_force(ws, LIVE[0], track)
    return ws


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return with_model(tmp_path_factory.mktemp("trained"))


def declared(trained: Workspace, folder: Path, **changes: object) -> Workspace:
    """A copy of it that declares more."""
    shutil.copytree(trained.home, folder / "home")
    return Workspace(make_use_case(folder / "home" / "use_case", **changes), folder / "home", trained.database_url)


def rows(ws: Workspace, track: str = "live") -> dict[str, dict]:
    return {d["decision_id"]: d for p in P for d in read_decisions(ws, p, track)}


def test_a_holdout_changes_who_decides_and_nothing_else(trained, tmp_path):
    plain, held = (declared(trained, tmp_path / name, **c) for name, c in (("a", {}), ("b", RANDOMIZED)))
    taken = [take_decisions(ws, P, "live", None) for ws in (plain, held)]
    before, after = rows(plain), rows(held)
    kept_ = {i: d for i, d in after.items() if d["decided_by"] == "holdout"}
    assert sum(t.actual for t in taken[1].values()) == len(kept_)
    assert 20 <= len(kept_) <= 52  # of 120, three in ten: within three standard deviations
    assert all(d["action"] == d["current_action"] and d["reason"] == assignment.HOLDOUT_REASON for d in kept_.values())
    assert any(before[i]["action"] != d["action"] for i, d in kept_.items())
    assert {d["policy"] for d in after.values()} == {f"{POLICY_VERSION}; holdout=0.3"}
    changed = {"action", "decided_by", "reason", "policy", "code_version"}
    for i, d in after.items():
        same = set(d) - (changed if i in kept_ else {"policy", "code_version"})
        assert {k: d[k] for k in same} == {k: before[i][k] for k in same}


def test_the_draw_is_of_the_unit_whenever_and_with_whomever_it_is_decided(trained, tmp_path):
    patient = merge(RANDOMIZED, {"automation": {"late_after_minutes": 600}})
    at_once, by_hour = (declared(trained, tmp_path / name, **patient) for name in "ab")
    take_decisions(at_once, P, "live", None)
    for hour in range(5, 80, 6):
        take_decisions(by_hour, P[::-1], "live", datetime(2013, 3, 13) + timedelta(hours=hour))
    assert rows(at_once) == rows(by_hour)


def test_the_past_cannot_be_lived_otherwise(trained, tmp_path):
    plain, held = (declared(trained, tmp_path / n, **c) for n, c in (("a", {}), ("b", merge(RANDOMIZED, ROLLOUT))))
    for ws in (plain, held):
        take_decisions(ws, P, "replay", None)
    assert read_lake(plain.lake) == read_lake(held.lake)


def test_a_cluster_is_held_back_as_one(trained, tmp_path):
    ws = declared(trained, tmp_path, **merge(RANDOMIZED, {"kpi": {"holdout": {"cluster_by": ["load"]}}}))
    take_decisions(ws, P, "live", None)
    loads = {r[0]: round(r[0] % 100 * 37 % 100 / 100, 2) for r in [(d["id"],) for d in rows(ws).values()]}
    by: dict[float, set[bool]] = {}
    for d in rows(ws).values():
        by.setdefault(loads[d["id"]], set()).add(d["decided_by"] == "holdout")
    assert len(by) == 40
    assert all(len(s) == 1 for s in by.values())
    assert {True} in by.values()


def test_a_row_the_model_is_not_fit_for_is_held_back_all_the_same(trained, tmp_path):
    """Were it left to the fallback, the arms would differ in what makes a model unfit."""
    ws = declared(trained, tmp_path, **RANDOMIZED)
    late = datetime(2013, 3, 17)
    take_decisions(ws, P, "live", late)
    by = [d["decided_by"] for d in rows(ws).values()]
    assert set(by) == {"holdout", "fallback"}
    other = declared(trained, tmp_path / "b", **RANDOMIZED)
    take_decisions(other, P, "live", None)
    assert [d["decided_by"] == "holdout" for d in rows(other).values()] == [b == "holdout" for b in by]


def test_steps_of_a_rollout_count_from_their_moment_on(trained, tmp_path):
    ws = declared(trained, tmp_path, **ROLLOUT)
    second, third = (ws.use_case.day_start(d) + timedelta(hours=8) for d in LIVE[1:])  # 12:00 UTC
    ws.rollout_ledger.take_step("holdout", by="Ada", why="it looks good", effective_from=second.isoformat())
    ws.rollout_ledger.take_step("full", by="Ada", why="it is", effective_from=third.isoformat())
    take_decisions(ws, P, "live", None)
    found = rows(ws).values()
    by_step = {
        "shadow": [d for d in found if d["decided_at"] < second],
        "holdout": [d for d in found if second <= d["decided_at"] < third],
        "full": [d for d in found if d["decided_at"] >= third],
    }
    assert {d["decided_by"] for d in by_step["shadow"]} == {"shadow"}
    assert {d["policy"] for d in by_step["shadow"]} == {f"{POLICY_VERSION}; holdout=1.0"}
    assert {d["decided_by"] for d in by_step["holdout"]} == {"holdout", "model"}
    assert {(d["decided_by"], d["policy"]) for d in by_step["full"]} == {("model", POLICY_VERSION)}
    assert all(
        d["action"] == d["current_action"]
        for s in ("shadow", "holdout")
        for d in by_step[s]
        if d["decided_by"] != "model"
    )
    assert all(d["expected"] is not None for d in found)
    entry = ws.lake.entry("decisions/live", P[1])
    assert entry.facts["shadow"] + entry.facts["holdout"] + entry.facts["model"] == entry.rows == 40


def test_in_shadow_a_row_the_model_is_not_fit_for_still_counts_as_fallback(trained, tmp_path):
    ws = declared(trained, tmp_path, **ROLLOUT)
    take_decisions(ws, P, "live", datetime(2013, 3, 17))
    assert {d["decided_by"] for d in rows(ws).values()} == {"fallback"}


REVIEW = {
    "people": {
        "review": {
            "reviewers": {"lead": 3},
            "minutes_per_review": 5,
            "abstain_below": 1000,
            "fallback": "current_process",
        }
    }
}


def test_in_shadow_no_reviewer_is_asked_and_of_those_held_back_none(trained, tmp_path):
    """The margin is so wide that the model abstains on all."""
    ws = declared(trained, tmp_path, **merge(ROLLOUT, REVIEW))
    ws.rollout_ledger.take_step("holdout", by="Ada", why="x", effective_from=ws.use_case.day_start(LIVE[1]).isoformat())
    take_decisions(ws, P, "live", None)
    by = [{d["decided_by"] for d in read_decisions(ws, p, "live")} for p in P[:2]]
    assert by == [{"shadow"}, {"holdout", "review"}]
    queue_reviews(ws, P[:2], "live")
    asked = {i.decision_id for p in P[:2] for i in read_queue(ws, p, "live")}
    assert asked
    assert {rows(ws)[i]["decided_by"] for i in asked} == {"review"}


def test_who_keeps_the_current_process_is_not_told_what_the_model_knows(trained, tmp_path):
    words = {"model": {"reasons": {"load": "The load is {value}"}}}
    ws = declared(trained, tmp_path, **merge(RANDOMIZED, words))
    take_decisions(ws, P[:1], "live", None)
    found = rows(ws)
    told = explain_decisions(ws, P[0], "live", list(found))
    held = [t for i, t in told.items() if found[i]["decided_by"] == "holdout"]
    assert held
    assert all(t == ["Held back: keeps the current process, to compare with."] for t in held)
    assert any("The load is" in line for i, t in told.items() if found[i]["decided_by"] == "model" for line in t)


def test_whom_the_smaller_share_keeps_the_larger_one_kept(trained, tmp_path):
    ws = declared(trained, tmp_path, **merge(RANDOMIZED, ROLLOUT))
    shares = [assignment.share_of_step(ws.use_case, s) for s in ("shadow", "holdout", "full")]
    assert shares == [1.0, 0.5, 0.3]
    draws = [assignment.draw_number("calls_in_time", "", [str(i)]) for i in range(200)]
    held = [set(np.flatnonzero(assignment.is_held_out(draws, s))) for s in shares]
    assert held[2] < held[1] < held[0]
