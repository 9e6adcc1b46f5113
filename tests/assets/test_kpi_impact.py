"""What Dagster shows of a randomized use case: both arms, whether they are as dealt, and what they say."""

from __future__ import annotations

import logging
from typing import Any, cast

import pytest

from assets import kpi_impact
from assets.resources import BusinessTime, Place
from assets.stage import Check, Result, Step
from sixtyforty.workspace import Workspace
from tests.sixtyforty.accounting.test_experiment_ledger import P, a_fortnight


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return a_fortnight(tmp_path_factory.mktemp("lived"))


def shown(ws: Workspace, track: str) -> tuple[Result, dict[str, Check]]:
    step = Step(ws.use_case, ws, cast(Place, None), BusinessTime(track=track), P, logging.getLogger())
    result = kpi_impact._kpi_impact(step)
    return result, {c.name: c for c in result.checks}


def test_a_randomized_use_case_has_a_check_on_its_arms(lived):
    (asset,) = kpi_impact.assets(lived.use_case)
    declared = {s.name for s in asset.check_specs}
    result, checks = shown(lived, "live")
    assert set(checks) == declared
    assert checks["money_reconciles"].passed
    dealt: Any = checks["arms_are_as_dealt"]
    assert dealt.passed
    assert dealt.description.startswith(("It gains", "No effect found"))
    assert {"lift", "once", "units", "held", "likely", "days_left"} <= set(dealt.metadata["holdout"].data)
    day: Any = result.published[P[0]].metadata
    assert day["decisions"] == 60
    assert 0 < day["held back"] < 60


def test_whether_it_pays_is_asked_of_the_interval_that_may_be_looked_at_daily(lived):
    _, checks = shown(lived, "live")
    lift = checks["arms_are_as_dealt"].metadata["holdout"].data["lift"]
    assert checks["beats_current_process"].passed == (lift["low"] > 0)
    assert f"[{lift['low']:+,.0f} to {lift['high']:+,.0f}]" in str(checks["beats_current_process"].description)
