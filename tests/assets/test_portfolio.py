"""The portfolio as an asset: what it shows, and the run time it adds up from Dagster's own records."""

from __future__ import annotations

from datetime import datetime

import dagster as dg
import pytest

from assets import portfolio
from assets.resources import BusinessTime, Place
from sixtyforty.lifecycle import stage_gate
from tests.helpers import make_workspace
from tests.telling import told


def test_it_stands_beside_what_it_tells_of_and_counts_the_runs(tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: None)
    ws = told(tmp_path)
    place = Place(tmp_path, ws.database_url, str(tmp_path / "remote"))
    keys = [dg.AssetKey([ws.use_case.name, s]) for s in ("raw", "kpi_impact")]
    (built, *_) = portfolio.assets(keys, lambda: [ws.use_case])

    @dg.op
    def nothing() -> None: ...

    @dg.job(name=ws.use_case.name)
    def chain() -> None:
        nothing()

    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        assert chain.execute_in_process(instance=instance).success
        resources = {"place": place, "clock": BusinessTime()}
        result = dg.materialize([built, dg.AssetSpec(keys[1])], instance=instance, resources=resources)
        (event,) = result.asset_materializations_for_node("portfolio")
    (row,) = event.metadata["use cases"].records
    assert (row.data["name"], row.data["label"]) == (ws.use_case.name, "exact")
    assert row.data["net"] == pytest.approx(event.metadata["totals"].records[0].data["net"], abs=1)
    assert (tmp_path / "data" / "reports" / "portfolio.html").exists()
    assert built.asset_deps[dg.AssetKey("portfolio")] == {keys[1]}
    assert '"calls_in_time":1' in (tmp_path / "data" / "portfolio" / "run_time.json").read_text()


def test_maturity_has_lead_times_skills_and_next_steps(tmp_path):
    task = {"title": "Reads the list", "role": "dispatcher", "people": 2, "skill": "reading"}
    gate = {"target": 500, "minimum_gain": 100, "stop": "2013-08-15"}
    ws = make_workspace(tmp_path, people={"change": {"training": {"lists": task}}}, stages={"poc": gate})
    stage_gate.record(ws, datetime(2013, 5, 1))
    key = dg.AssetKey([ws.use_case.name, "stage_gate"])
    (_, built) = portfolio.assets([key], lambda: [ws.use_case])
    place = Place(tmp_path, ws.database_url, str(tmp_path / "remote"))
    clock = BusinessTime(as_of="2013-05-11T00:00:00")
    result = dg.materialize([built, dg.AssetSpec(key)], resources={"place": place, "clock": clock})
    (event,) = result.asset_materializations_for_node("maturity")
    found = {n: [r.data for r in event.metadata[n].records] for n in ("next steps", "lead times", "skills")}
    assert found["next steps"][0]["level"] == "poc"
    assert {r["stage"]: r["in_it"] for r in found["lead times"]} == {"idea": 0, "poc": 1, "pilot": 0, "production": 0}
    assert found["skills"] == [{"name": "reading", "use_cases": ws.use_case.title, "have": 0, "wanted": 2}]


def test_without_a_use_case_that_can_decide_there_is_none(tmp_path):
    assert portfolio.assets([dg.AssetKey(["draft", "raw"])], lambda: [make_workspace(tmp_path).use_case]) == []
