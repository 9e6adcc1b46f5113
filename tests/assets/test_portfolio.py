"""The portfolio as an asset: what it shows, and the run time it adds up from Dagster's own records."""

from __future__ import annotations

import dagster as dg
import pytest

from assets import portfolio
from assets.resources import BusinessTime, Place
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


def test_without_a_use_case_that_can_decide_there_is_none(tmp_path):
    assert portfolio.assets([dg.AssetKey(["draft", "raw"])], lambda: [make_workspace(tmp_path).use_case]) == []
