"""The model stages: training sets, challengers, backtest, gate, drill and break-even curve."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from assets import model
from assets.resources import ProjectHome
from assets.stage import StageRun
from expectations import suites
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.storage.champion_ledger import ChampionRow
from sixtyforty.workspace import Workspace
from tests.assets.conftest import make_run
from tests.helpers import day_range, make_workspace, publish_days
from tests.trained_models import train_on

FIRST, LAST = date(2013, 3, 1), date(2013, 4, 12)
DAYS = [date.fromisoformat(day) for day in day_range(FIRST, LAST)]
CHANGES = {
    "replay": {"first_day": "2013-03-15", "retrain": "week", "warm_up_days": 14},
    "gate": {"margin": 0, "max_rejected_share": 0.9},
}


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """Six weeks of features and outcomes, with models of each week."""
    folder = tmp_path_factory.mktemp("model")
    workspace = make_workspace(folder, **CHANGES)
    rules = folder / "suites" / "calls_in_time"
    rules.mkdir(parents=True)
    for source in ("calls", "visits", "features"):
        (rules / f"{source}.yaml").write_text("description: for the test\n")
    publish_days(workspace, DAYS, count=12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(suites, "HERE", folder / "suites")
        yield workspace


def run_of(ws: Workspace, **clock: str) -> StageRun:
    return make_run(ws, project_home=ProjectHome(ws.home, ws.database_url, str(ws.home / "remote")), **clock)


def test_a_replay_trains_on_every_training_day_and_a_dated_run_on_its_own(ws: Workspace) -> None:
    days = model.training_days(run_of(ws))
    assert len(days) > 1 and days == sorted(days)
    assert model.training_days(run_of(ws, as_of="2013-04-08T12:00:00")) == [date(2013, 4, 8)]


def test_without_features_there_is_nothing_to_train(tmp_path: Path) -> None:
    empty = make_workspace(tmp_path, **CHANGES)
    assert model.training_days(run_of(empty)) == []
    assert model.run_backtest(run_of(empty)).published == {}
    assert model.run_degradation_drill(run := run_of(empty)).published == {}
    assert run.log.lines == ["INFO: degradation: skipped (too early: fewer than 2 sampled days have known outcomes)"]
    assert model.draw_break_even(run := run_of(empty)).published == {}
    assert run.log.lines == [
        "INFO: break_even: skipped (too early: the model decided fewer than 2 days whose outcomes are known)"
    ]


def test_the_model_stages_in_their_order(ws: Workspace) -> None:
    recorded = model.record_training_sets(run := run_of(ws))
    plans = len(model.plan_trainings(run).plans)
    assert run.log.lines[0].startswith(f"INFO: training_set: recorded ({plans} of {plans} training sets written now, ")
    (sets,) = [entry.metadata["training sets"] for entry in recorded.published.values()]
    assert len(sets.records) == plans
    assert list(ws.models.root.rglob("*.dvc")), "DVC records a training set before anything is trained"
    assert not list(ws.models.root.rglob("model.skops"))

    trained = model.train_challengers(run := run_of(ws))
    assert [line for line in run.log.lines if " rows)" in line] == run.log.lines
    assert len(run.log.lines) == plans
    (challenger,) = trained.published.values()
    assert challenger.metadata["models trained in this run"] == plans
    again = model.train_challengers(run_of(ws))
    assert [entry.metadata["models trained in this run"] for entry in again.published.values()] == [0]
    assert [entry.version for entry in again.published.values()] == [challenger.version]

    (backtest,) = model.run_backtest(run_of(ws)).published.values()
    rows = backtest.metadata["value of each recipe, per 1,000 decisions"].records
    assert {"training day", "recipe", "label", "days", "lift, last 182 days", "95% low", "95% high"} <= rows[
        -1
    ].data.keys()

    (champion,) = model.judge_challengers(run := run_of(ws)).published.values()
    verdicts = [record.data for record in champion.metadata["verdicts"].records]
    assert [v["model"] for v in verdicts] == [row.version for row in ws.champion_ledger.rows()]
    assert champion.metadata["champion in force"] == ws.champion_ledger.promotions("replay")[-1].version
    assert any(line.startswith("INFO: champion: models pushed to the DVC remote (") for line in run.log.lines)
    assert not (ws.home / "data" / "recipe").exists(), "only a home with a dvc.yaml can train a model again with DVC"

    drill = model.run_degradation_drill(run := run_of(ws))
    (faults,) = [entry.metadata for entry in drill.published.values()]
    impacts = faults["lift under each feed fault, per 1,000 decisions"].records
    assert impacts[0].data["feed"] == "no fault: all feeds are sound"
    (check,) = drill.checks
    uncontained = int(run.log.lines[-1].split(", ")[1].split()[0])
    assert check.passed == (uncontained == 0)

    take_decisions(ws, day_range(date(2013, 3, 15), LAST), "replay", None)
    (curve,) = model.draw_break_even(run := run_of(ws)).published.values()
    points = curve.metadata["lift by information lost, per 1,000 decisions"].records
    assert [points[0].data["information lost"], points[-1].data["information lost"]] == ["0%", "100%"]
    first_sentence = curve.metadata["summary"].split("\n")[0]
    assert run.log.lines == [f"INFO: break_even: margin of safety calculated ({first_sentence})"]


def test_a_live_run_judges_only_days_that_have_a_model(ws: Workspace) -> None:
    run = run_of(ws, track="live", as_of="2013-04-10T12:00:00")
    assert model.judge_challengers(run).published == {}
    assert run.log.lines == ["INFO: champion: skipped (no challenger for the gate to judge)"]


def test_the_twin_of_a_refresh_is_recorded_with_dvc(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    version, twin = train_on(ws, date(2013, 4, 10)), train_on(ws, date(2013, 3, 20))
    refresh = ChampionRow(
        track="replay",
        version=version,
        verdict="PROMOTE",
        kind="refresh",
        as_of="2013-04-10",
        effective_from="2013-04-10T04:00:00",
        reasons=["for the test"],
        by="gate",
        evidence={"twin": twin},
    )
    monkeypatch.setattr(model, "_judge_days", lambda run, days: [refresh])
    pointer = ws.models.root / f"{twin}.dvc"
    assert not pointer.exists()
    model.judge_challengers(run_of(ws))
    assert pointer.exists()
