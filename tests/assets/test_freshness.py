"""How fresh sources and decisions must be."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions import freshness_evaluator
from dagster._core.loader import LoadingContextForTest

from assets.freshness import freshness_policy
from assets.stage import StageTarget
from sixtyforty.spec.draft import Draft, PartialUseCase
from tests.helpers import SITES, make_use_case


def policy_of(folder: Path, source: str = "", **changes: object) -> dg.FreshnessPolicy | None:
    return freshness_policy(StageTarget(make_use_case(folder, **changes), source))


def test_a_policy_allows_the_declared_silence_and_closed_weekdays(tmp_path: Path) -> None:
    partitions = {"end": None, "closed_weekdays": ["saturday", "sunday"]}
    policy = policy_of(tmp_path, "calls", partitions=partitions, watch={"max_silent_partitions": 2})
    assert policy == dg.FreshnessPolicy.time_window(fail_window=timedelta(6), warn_window=timedelta(5))
    assert policy_of(tmp_path, partitions=partitions, watch={"max_silent_partitions": 2}) == policy


def test_a_snapshot_and_a_use_case_that_has_ended_need_no_new_data(tmp_path: Path) -> None:
    assert policy_of(tmp_path, "sites", sources={"sites": SITES}, partitions={"end": None}) is None
    assert policy_of(tmp_path, "calls", partitions={"end": "2013-12-31"}) is None


def test_a_draft_needs_no_new_data(tmp_path: Path) -> None:
    """Its people aren't declared yet; reading them once stopped every run of a draft."""
    partial = PartialUseCase.model_construct(name="calls_in_time", sources=make_use_case(tmp_path).sources)
    assert freshness_policy(StageTarget(Draft.from_partial(partial, []), "calls")) is None


@pytest.mark.parametrize(("days", "state"), [(1, "PASS"), (3, "WARN"), (4, "FAIL")])
def test_a_silent_source_turns_yellow_and_then_red(
    days: int, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster's own evaluation of the policy, some days after the last extract."""
    policy = policy_of(tmp_path, "calls", partitions={"end": None}, watch={"max_silent_partitions": 2})

    @dg.asset(freshness_policy=policy)
    def calls() -> None: ...

    monkeypatch.setattr(freshness_evaluator, "get_current_timestamp", lambda: time.time() + days * 86_400)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization(calls.key))
        node = dg.Definitions(assets=[calls]).resolve_asset_graph().get(calls.key)
        evaluator = freshness_evaluator.TimeWindowFreshnessPolicyEvaluator()
        evaluated = asyncio.run(evaluator.evaluate_freshness(LoadingContextForTest(instance), node))
    assert evaluated.name == state
