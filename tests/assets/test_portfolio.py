"""The assets across use cases: what they show, and the run hours that they record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.portfolio import build_portfolio_assets
from assets.resources import BusinessClock, ProjectHome
from assets.wiring import Wiring
from pipelines.runtime.dagster_internals_events import EventRecorder
from sixtyforty.lifecycle.stage_steps import record_verdict
from sixtyforty.workspace import Workspace
from tests.accounted_home import make_accounted_home
from tests.helpers import make_workspace


def wiring_of(*workspaces: Workspace) -> Wiring:
    return Wiring(EventRecorder(), lambda: [ws.use_case for ws in workspaces])


def metadata_of(
    asset: dg.AssetsDefinition,
    ws: Workspace,
    instance: dg.DagsterInstance,
    upstream: Sequence[dg.AssetKey],
    clock: BusinessClock,
) -> Mapping[str, Any]:
    """Materialize an asset; return the metadata that Dagster stored."""
    home = ProjectHome(ws.home, ws.database_url, str(ws.home / "remote"))
    resources = {"project_home": home, "clock": clock}
    assert dg.materialize([asset, *map(dg.AssetSpec, upstream)], instance=instance, resources=resources).success
    event = instance.get_latest_materialization_event(asset.key)
    assert event is not None and event.asset_materialization is not None
    return event.asset_materialization.metadata


def test_the_portfolio_follows_its_use_cases_and_records_run_hours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)
    ws = make_accounted_home(tmp_path)
    keys = [dg.AssetKey([ws.use_case.name, stage]) for stage in ("raw", "kpi_impact")]
    (portfolio, *_) = build_portfolio_assets(keys, wiring_of(ws))
    assert portfolio.asset_deps[dg.AssetKey("portfolio")] == {keys[1]}

    @dg.op
    def nothing() -> None: ...

    @dg.job(name=ws.use_case.name)
    def chain() -> None:
        nothing()

    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        assert chain.execute_in_process(instance=instance).success
        metadata = metadata_of(portfolio, ws, instance, keys[1:], BusinessClock())
    (row,) = metadata["use cases"].records
    assert (row.data["name"], row.data["label"]) == (ws.use_case.name, "exact")
    assert "totals" not in metadata, "a replay earns no money, so it is in no total"
    assert (tmp_path / "data" / "reports" / "portfolio.html").exists()
    assert '"calls_in_time":1' in (tmp_path / "data" / "portfolio" / "run_time.json").read_text()


def test_maturity_shows_next_steps_lead_times_and_skills(tmp_path: Path) -> None:
    task = {"title": "Reads the list", "role": "dispatcher", "headcount": 2, "skill": "reading"}
    gate = {"target": 500, "minimum_gain": 100, "stop_date": "2013-08-15"}
    ws = make_workspace(tmp_path, people={"change": {"training": {"lists": task}}}, stages={"poc": gate})
    record_verdict(ws, datetime(2013, 5, 1))
    key = dg.AssetKey([ws.use_case.name, "stage_gate"])
    (_, maturity) = build_portfolio_assets([key], wiring_of(ws))
    with dg.DagsterInstance.ephemeral() as instance:
        metadata = metadata_of(maturity, ws, instance, [key], BusinessClock(as_of="2013-05-11T00:00:00"))
    assert metadata["next steps"].records[0].data["level"] == "poc"
    assert {r.data["stage"] for r in metadata["lead times"].records} >= {"idea", "poc", "pilot", "production"}
    (skill,) = [record.data for record in metadata["skills"].records]
    assert (skill["name"], skill["use_cases"]) == ("reading", ws.use_case.title)


def test_without_a_use_case_that_can_decide_there_is_no_portfolio(workspace: Workspace) -> None:
    assert build_portfolio_assets([dg.AssetKey(["draft", "raw"])], wiring_of(workspace)) == []
