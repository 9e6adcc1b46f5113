"""A challenger whose file was swapped is refused by the run, its check and its pages, and promoted once cured."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from pipelines.operations.run import list_refusals
from tests.helpers import day_range, land_days
from tests.leaky_world import NAME, World, days_between, make_world
from tests.pipelines.conftest import RunCli

FIRST, LAST = date(2013, 3, 1), date(2013, 3, 26)
DAYS = [date.fromisoformat(day) for day in day_range(FIRST, LAST)]
RANGE = days_between(FIRST, LAST)
PREPARED = "raw/calls,raw/visits,validated/calls,validated/visits,features,outcomes,training_set,challenger"
JUDGED = "backtest,champion,decisions,kpi_impact,model_record"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: RunCli) -> World:
    world = make_world(
        tmp_path / "world",
        monkeypatch,
        replay={"first_day": "2013-03-25", "retrain": "week", "warm_up_days": 10},
        gate={"margin": 0, "max_rejected_share": 0.9},
    )
    land_days(world.open(), DAYS, count=12)
    return world


def test_a_swapped_model_is_refused_and_cured(world: World, run_cli: RunCli) -> None:
    assert run_cli(f"run {NAME} {RANGE} --select {PREPARED}").code == 0
    ws = world.open()
    version = ws.models.versions()[-1]
    folder = Path(str(ws.models.folder(version)))
    (folder / "model.skops").write_bytes(b"rubbish")

    finished = run_cli(f"run {NAME} {RANGE} --select {JUDGED}")
    reason = f"{version}: The hash of the model file differs from the hash on the model card."
    assert (finished.code, reason in finished.err) == (1, True), finished.err
    assert ws.champion_ledger.promotions("replay") == []
    (row,) = [row for row in ws.champion_ledger.rows() if row.version == version]
    assert row.verdict == "REJECT" and reason in row.reasons[0]
    assert reason in (ws.reports / "model_record.md").read_text()
    with dg.DagsterInstance.get() as instance:
        runs = [run.run_id for run in instance.get_runs(limit=1)]
        assert any(reason in refusal for refusal in list_refusals(instance, runs))

    shutil.rmtree(folder)
    assert run_cli(f"run {NAME} {RANGE} --select training_set,challenger").code == 0
    finished = run_cli(f"run {NAME} {RANGE} --select {JUDGED}")
    assert finished.code == 0, finished.err
    assert [row.version for row in world.open().champion_ledger.promotions("replay")] == [version]
