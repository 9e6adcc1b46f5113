"""The assignment to a holdout is drawn once, from nothing but the unit, and changes nothing else."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.decisions.assignment import (
    HOLDOUT_REASON,
    cluster_columns,
    draw_number,
    draw_rows,
    has_assignment,
    is_held_out,
    parse_share,
    policy_name,
    share_of_step,
)
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import StoredDecision, read_decisions
from sixtyforty.decisions.explanations import explain_decisions
from sixtyforty.decisions.review_queue import queue_reviews, read_queue
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.rollout_ledger import STEPS
from sixtyforty.value.policy import POLICY_VERSION
from sixtyforty.workspace import Workspace
from tests.helpers import make_use_case, make_workspace, merge, publish_days, put_champion_in_force

TRAINED = [date(2013, 3, 1) + timedelta(days=i) for i in range(12)]
LIVE = [date(2013, 3, 13) + timedelta(days=i) for i in range(3)]
KEYS = [day.isoformat() for day in LIVE]
RANDOMIZED: dict[str, Any] = {"kpi": {"measurement": "randomized", "holdout": {"share": 0.3, "value_per_outcome": -10}}}
ROLLOUT: dict[str, Any] = {"automation": {"rollout": {"holdout_share": 0.5}}}
VALUES = st.lists(st.text(max_size=5), min_size=1, max_size=3)
SHARES = st.floats(0, 1)


def clustered_by(column: str) -> dict[str, Any]:
    return merge(RANDOMIZED, {"kpi": {"holdout": {"cluster_by": [column]}}})


def draw_is_held(values: list[str], share: float, salt: str = "") -> bool:
    return bool(is_held_out([draw_number("calls", salt, values)], share)[0])


def test_a_draw_never_changes() -> None:
    # The first 16 digits of the SHA-256 of `calls_in_time||17|north`.
    assert draw_number("calls_in_time", "", ["17", "north"]) == "f51a2abffb7da4f6"
    assert draw_number("calls_in_time", "again", ["17", "north"]) != draw_number("calls_in_time", "", ["17", "north"])
    assert draw_number("calls_in_time", "", ["1|7"]) != draw_number("calls_in_time", "", ["1", "7"])


@given(VALUES, SHARES, SHARES)
def test_a_larger_share_contains_the_units_of_a_smaller_one(values: list[str], a: float, b: float) -> None:
    assert draw_is_held(values, min(a, b)) <= draw_is_held(values, max(a, b))
    assert not draw_is_held(values, 0)
    assert draw_is_held(values, 1)


@given(st.sampled_from([0.01, 0.1, 0.5, 0.9]), st.text(max_size=5))
def test_the_declared_share_is_drawn(share: float, salt: str) -> None:
    drawn = [draw_number("calls", salt, [str(i)]) for i in range(2000)]
    deviation = (share * (1 - share) / len(drawn)) ** 0.5
    assert is_held_out(drawn, share).mean() == pytest.approx(share, abs=5 * deviation)


def test_another_salt_draws_independently() -> None:
    first, second = (is_held_out([draw_number("calls", salt, [str(i)]) for i in range(4000)], 0.5) for salt in "ab")
    assert (first & second).mean() == pytest.approx(0.25, abs=0.03)


@pytest.fixture(scope="module")
def by_site(tmp_path_factory: pytest.TempPathFactory) -> UseCase:
    return make_use_case(tmp_path_factory.mktemp("site"), **clustered_by("site"))


@given(st.permutations(range(8)), st.integers(1, 8))
def test_the_draw_depends_on_neither_order_nor_other_units(by_site: UseCase, order: list[int], count: int) -> None:
    rows = pd.DataFrame({"_draw0": ["north", "south", "east", "north", "", "south", "north", "east"]})
    drawn = draw_rows(by_site, rows)
    some = order[:count]
    assert draw_rows(by_site, rows.iloc[some]) == [drawn[i] for i in some]
    assert len(set(drawn)) == rows["_draw0"].nunique()


def test_only_live_decisions_can_be_held_out(by_site: UseCase, tmp_path: Path) -> None:
    assert (has_assignment(by_site, "live"), has_assignment(by_site, "replay")) == (True, False)
    assert not has_assignment(make_use_case(tmp_path), "live")
    assert (cluster_columns(by_site), cluster_columns(make_use_case(tmp_path))) == (["site"], [])


@pytest.mark.parametrize("cluster_by", ["site", "id"])
def test_a_unit_that_may_recur_is_a_cluster(tmp_path: Path, cluster_by: str) -> None:
    by_id = make_use_case(tmp_path, **clustered_by(cluster_by))
    by_household = by_id.model_copy(update={"decision": by_id.decision.model_copy(update={"key": ["site"]})})
    assert (by_id.units_recur, by_household.units_recur) == (False, True)
    assert cluster_columns(by_household) == (["site"] if cluster_by == "site" else ["id"])
    assert cluster_columns(by_id) == (["site"] if cluster_by == "site" else [])


@pytest.mark.parametrize("share", [0.1, 1 / 3, 1e-05, 1.0])
def test_the_policys_name_holds_the_share(share: float) -> None:
    assert parse_share(policy_name(share)) == share
    assert policy_name(0.0) == POLICY_VERSION
    assert parse_share(POLICY_VERSION) == 0


# In decisions


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Publish days to decide, with a champion of both tracks from the first of them on; the tests only read it."""
    ws = make_workspace(tmp_path_factory.mktemp("base"))
    publish_days(ws, [*TRAINED, *LIVE], count=40)
    for track in ("replay", "live"):
        put_champion_in_force(ws, LIVE[0], track)
    return ws


def copy_with(base: Workspace, folder: Path, **changes: Any) -> Workspace:
    """Return a copy of a home that declares more."""
    home = folder / "home"
    shutil.copytree(base.home, home)
    database_url = base.database_url.replace(str(base.home), str(home))  # with anchors of the copy's own ledgers
    return Workspace(make_use_case(home / "use_case", **changes), home, database_url)


def read_all(ws: Workspace, track: Track = "live") -> dict[str, StoredDecision]:
    return {d.decision_id: d for key in KEYS for d in read_decisions(ws, key, track)}


def test_a_holdout_changes_who_decides_and_nothing_else(base: Workspace, tmp_path: Path) -> None:
    plain, with_holdout = copy_with(base, tmp_path / "a"), copy_with(base, tmp_path / "b", **RANDOMIZED)
    take_decisions(plain, KEYS, "live", None)
    taken = take_decisions(with_holdout, KEYS, "live", None)
    before, after = read_all(plain), read_all(with_holdout)
    held_out = {i: d for i, d in after.items() if d.decided_by == "holdout"}
    assert sum(t.held_out for t in taken.values()) == len(held_out)
    assert 20 <= len(held_out) <= 52  # three in ten of 120, within three standard deviations
    assert all(d.action == d.current_action and d.reason == HOLDOUT_REASON for d in held_out.values())
    assert any(before[i].action != d.action for i, d in held_out.items())
    assert {d.policy for d in after.values()} == {f"{POLICY_VERSION}; holdout=0.3"}
    changed = {"action", "decided_by", "reason", "policy", "code_version"}
    for i, decision in after.items():
        columns, columns_before = decision.to_dict(), before[i].to_dict()
        same = set(columns) - (changed if i in held_out else {"policy", "code_version"})
        assert {column: columns[column] for column in same} == {column: columns_before[column] for column in same}


def test_the_assignment_is_the_same_in_one_run_and_in_many(base: Workspace, tmp_path: Path) -> None:
    patient = merge(RANDOMIZED, {"automation": {"late_after_minutes": 600}})
    at_once, by_hour = (copy_with(base, tmp_path / name, **patient) for name in "ab")
    take_decisions(at_once, KEYS, "live", None)
    for hour in range(5, 80, 6):
        take_decisions(by_hour, KEYS[::-1], "live", datetime(2013, 3, 13) + timedelta(hours=hour))
    assert read_all(at_once) == read_all(by_hour)


def test_the_replay_holds_nobody_out(base: Workspace, tmp_path: Path) -> None:
    plain, with_holdout = copy_with(base, tmp_path / "a"), copy_with(base, tmp_path / "b", **merge(RANDOMIZED, ROLLOUT))
    for ws in (plain, with_holdout):
        take_decisions(ws, KEYS, "replay", None)
    assert [replace(d, code_version="") for d in read_all(plain, "replay").values()] == [
        replace(d, code_version="") for d in read_all(with_holdout, "replay").values()
    ]


def test_a_cluster_is_held_out_as_a_whole(base: Workspace, tmp_path: Path) -> None:
    ws = copy_with(base, tmp_path, **clustered_by("load"))
    take_decisions(ws, KEYS, "live", None)
    held_by_load: dict[float, set[bool]] = {}
    for decision in read_all(ws).values():
        load = round(decision.unit["id"] % 100 * 37 % 100 / 100, 2)
        held_by_load.setdefault(load, set()).add(decision.decided_by == "holdout")
    assert len(held_by_load) == 40
    assert all(len(held) == 1 for held in held_by_load.values())
    assert {True} in held_by_load.values()


def test_units_that_the_model_is_unfit_for_are_held_out_too(base: Workspace, tmp_path: Path) -> None:
    """If they were left to the fallback, the arms would differ in what makes a model unfit."""
    late, on_time = (copy_with(base, tmp_path / name, **RANDOMIZED) for name in "ab")
    take_decisions(late, KEYS, "live", datetime(2013, 3, 17))
    take_decisions(on_time, KEYS, "live", None)
    decided_by = [d.decided_by for d in read_all(late).values()]
    assert set(decided_by) == {"holdout", "fallback"}
    held_out = [d.decided_by == "holdout" for d in read_all(on_time).values()]
    assert held_out == [who == "holdout" for who in decided_by]


def test_each_step_of_a_rollout_applies_from_its_time_on(base: Workspace, tmp_path: Path) -> None:
    ws = copy_with(base, tmp_path, **ROLLOUT)
    second, third = (ws.use_case.day_start(day) + timedelta(hours=8) for day in LIVE[1:])  # 12:00 UTC
    ws.rollout_ledger.take_step("holdout", by="Ada", why="it looks good", effective_from=second.isoformat())
    ws.rollout_ledger.take_step("full", by="Ada", why="it is good", effective_from=third.isoformat())
    take_decisions(ws, KEYS, "live", None)
    decisions = read_all(ws).values()
    shadow = [d for d in decisions if d.decided_at < second]
    holdout = [d for d in decisions if second <= d.decided_at < third]
    full = [d for d in decisions if d.decided_at >= third]
    assert {(d.decided_by, d.policy) for d in shadow} == {("shadow", f"{POLICY_VERSION}; holdout=1.0")}
    assert {d.decided_by for d in holdout} == {"holdout", "model"}
    assert {(d.decided_by, d.policy) for d in full} == {("model", POLICY_VERSION)}
    assert all(d.action == d.current_action for d in [*shadow, *holdout] if d.decided_by != "model")
    assert all(d.expected is not None for d in decisions)
    entry = ws.lake.entry("decisions/live", KEYS[1])
    assert entry
    assert entry.facts["shadow"] + entry.facts["holdout"] + entry.facts["model"] == entry.rows == 40


def test_in_shadow_a_late_decision_still_counts_as_fallback(base: Workspace, tmp_path: Path) -> None:
    ws = copy_with(base, tmp_path, **ROLLOUT)
    take_decisions(ws, KEYS, "live", datetime(2013, 3, 17))
    assert {d.decided_by for d in read_all(ws).values()} == {"fallback"}


REVIEW = {
    "people": {
        "review": {
            "reviewers": {"lead": 3},
            "minutes_per_review": 5,
            "abstain_below": 1000,  # so wide that the model abstains everywhere
            "fallback": "current_process",
        }
    }
}


def test_reviewers_get_no_decision_that_is_in_shadow_or_held_out(base: Workspace, tmp_path: Path) -> None:
    ws = copy_with(base, tmp_path, **merge(ROLLOUT, REVIEW))
    ws.rollout_ledger.take_step("holdout", by="Ada", why="x", effective_from=ws.use_case.day_start(LIVE[1]).isoformat())
    take_decisions(ws, KEYS, "live", None)
    decided_by = [{d.decided_by for d in read_decisions(ws, key, "live")} for key in KEYS[:2]]
    assert decided_by == [{"shadow"}, {"holdout", "review"}]
    queue_reviews(ws, KEYS[:2], "live")
    queued = {item.decision_id for key in KEYS[:2] for item in read_queue(ws, key, "live")}
    assert queued
    assert {read_all(ws)[decision_id].decided_by for decision_id in queued} == {"review"}


def test_held_out_units_are_not_explained_by_the_model(base: Workspace, tmp_path: Path) -> None:
    reasons = {"model": {"reasons": {"load": "The load is {value}"}}}
    ws = copy_with(base, tmp_path, **merge(RANDOMIZED, reasons))
    take_decisions(ws, KEYS[:1], "live", None)
    decisions = read_all(ws)
    sentences = explain_decisions(ws, KEYS[0], "live", list(decisions))
    held_out = [text for i, text in sentences.items() if decisions[i].decided_by == "holdout"]
    by_model = [line for i, text in sentences.items() if decisions[i].decided_by == "model" for line in text]
    assert held_out
    assert all(text == [f"{HOLDOUT_REASON[0].upper()}{HOLDOUT_REASON[1:]}."] for text in held_out)
    assert any("The load is" in line for line in by_model)


def test_each_rollout_step_holds_out_a_subset_of_the_step_before(base: Workspace, tmp_path: Path) -> None:
    use_case = make_use_case(tmp_path, **merge(RANDOMIZED, ROLLOUT))
    shares = [share_of_step(use_case, step) for step in STEPS]
    assert shares == [1.0, 0.5, 0.3]
    drawn = [draw_number("calls_in_time", "", [str(i)]) for i in range(200)]
    shadow, holdout, full = (set(np.flatnonzero(is_held_out(drawn, share))) for share in shares)
    assert full < holdout < shadow


def test_a_renamed_use_case_draws_the_same_units(tiny_use_case: UseCase) -> None:
    rows = pd.DataFrame({"_draw0": ["1", "2", "3"]})
    renamed = tiny_use_case.model_copy(update={"name": "visits", "former_names": [tiny_use_case.name]})
    assert draw_rows(renamed, rows) == draw_rows(tiny_use_case, rows)
    other = tiny_use_case.model_copy(update={"name": "visits"})
    assert draw_rows(other, rows) != draw_rows(tiny_use_case, rows)
