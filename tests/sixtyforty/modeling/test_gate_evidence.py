"""The evidence for the gate: kind of challenger, missing share, refused data and the newest block."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from sixtyforty.modeling.gate_evidence import collect_evidence
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace, publish_days, put_champion_in_force
from tests.trained_models import train_on

DAYS = [date(2013, 3, 1) + timedelta(days=i) for i in range(16)]
CHAMPION, AS_OF = date(2013, 3, 14), date(2013, 3, 15)


@pytest.fixture
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Publish sixteen days and train a challenger; retraining is daily."""
    ws = make_workspace(
        tmp_path_factory.mktemp("home"),
        partitions={"start": "2013-03-01"},
        replay={"retrain": "day", "warm_up_days": 2, "first_day": "2013-03-05"},
    )
    publish_days(ws, DAYS, count=10)
    return ws


def test_without_a_champion_it_is_the_first_model(ws: Workspace) -> None:
    version = train_on(ws, AS_OF)
    evidence = collect_evidence(ws.use_case, ws.lake, ws.models, ws.champion_ledger, "replay", version, "because")
    assert (evidence.kind, evidence.missing_share, evidence.selection_reason) == ("first", 0, "because")
    assert evidence.latest is evidence.current_recipe is None
    assert not evidence.refused_partitions and not evidence.broken_constraints and not evidence.is_assumed


def test_the_same_recipe_is_a_refresh_compared_on_the_newest_block(ws: Workspace) -> None:
    put_champion_in_force(ws, CHAMPION)
    version = train_on(ws, AS_OF)
    evidence = collect_evidence(ws.use_case, ws.lake, ws.models, ws.champion_ledger, "replay", version)
    assert evidence.kind == "refresh"
    assert evidence.latest
    assert [day.partition for day in evidence.latest.challenger] == ["2013-03-14"]
    assert [day.partition for day in evidence.latest.champion] == ["2013-03-14"]
    assert [day.partition for day in evidence.walk_forward] == ["2013-03-14"]


def test_another_recipe_is_compared_with_the_champions_recipe(ws: Workspace) -> None:
    put_champion_in_force(ws, CHAMPION)
    model = ws.use_case.model.model_copy(update={"seed": 1})
    changed = replace(ws, use_case=ws.use_case.model_copy(update={"model": model}))
    version = train_on(changed, AS_OF)
    evidence = collect_evidence(changed.use_case, ws.lake, ws.models, ws.champion_ledger, "replay", version)
    assert (evidence.kind, evidence.latest) == ("recipe", None)
    assert [day.partition for day in evidence.current_recipe or []] == ["2013-03-14"]


def test_missing_and_refused_training_partitions_are_reported(ws: Workspace) -> None:
    ws.lake.drop("features", "2013-03-02")
    entry = ws.lake.entry("features", "2013-03-03")
    assert entry
    verdict = {**entry.facts["verdict"], "accepted": False}
    manifest = ws.lake.root / "features" / "2013-03-03.json"
    assert '"accepted":true' in manifest.read_text()
    manifest.write_text(manifest.read_text().replace('"accepted":true', '"accepted":false'))
    assert ws.lake.entry("features", "2013-03-03").facts["verdict"] == verdict
    version = train_on(ws, AS_OF)
    evidence = collect_evidence(ws.use_case, ws.lake, ws.models, ws.champion_ledger, "replay", version)
    assert evidence.missing_share == pytest.approx(1 / 14)
    assert evidence.refused_partitions == ["2013-03-03"]
