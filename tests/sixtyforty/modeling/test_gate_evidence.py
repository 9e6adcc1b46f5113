"""The evidence for the gate: kind of challenger, missing share, refused data, and what is compared."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sixtyforty.modeling.challengers import list_challengers
from sixtyforty.modeling.error_budget import RecipeTrial
from sixtyforty.modeling.gate import judge
from sixtyforty.modeling.gate_evidence import collect_evidence
from sixtyforty.modeling.training_plan import hash_recipe
from sixtyforty.spec.recipe import Gate
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace, publish_days, put_champion_in_force
from tests.sixtyforty.modeling.test_gate import days_gaining, evidence_of
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
    assert evidence.comparison is evidence.current_recipe is None
    assert not evidence.refused_partitions and not evidence.broken_constraints and not evidence.is_assumed


def test_the_same_recipe_is_a_refresh_that_a_young_champion_leaves_uncompared(ws: Workspace) -> None:
    put_champion_in_force(ws, CHAMPION)
    version = train_on(ws, AS_OF)
    evidence = collect_evidence(ws.use_case, ws.lake, ws.models, ws.champion_ledger, "replay", version)
    assert (evidence.kind, evidence.comparison) == ("refresh", None)
    assert [day.partition for day in evidence.walk_forward] == ["2013-03-14"]


def test_a_refresh_is_compared_through_a_twin(ws: Workspace) -> None:
    weekly = ws.use_case.replay.model_copy(update={"retrain": "week"})
    ws = replace(ws, use_case=ws.use_case.model_copy(update={"replay": weekly}))
    publish_days(ws, [DAYS[-1] + timedelta(days=i) for i in range(1, 10)], count=10)
    champion = put_champion_in_force(ws, date(2013, 3, 4))
    twin, version = [train_on(ws, date(2013, 3, day)) for day in (11, 18, 26)][::2]
    evidence = collect_evidence(ws.use_case, ws.lake, ws.models, ws.champion_ledger, "replay", version)
    comparison = evidence.comparison
    assert comparison
    assert (comparison.champion_version, comparison.twin_version) == (champion, twin)
    for days in (comparison.twin, comparison.champion):
        assert (days[0].partition, days[-1].partition) == ("2013-03-11", "2013-03-24")


def test_the_evidence_names_the_recipes_place_in_the_error_budget(ws: Workspace) -> None:
    put_champion_in_force(ws, CHAMPION)
    other = ws.use_case.model.model_copy(update={"seed": 1})
    changed = replace(ws, use_case=ws.use_case.model_copy(update={"model": other}))
    version = train_on(changed, AS_OF)
    evidence = collect_evidence(changed.use_case, ws.lake, ws.models, ws.champion_ledger, "replay", version)
    assert evidence.trial == RecipeTrial(2013, 2, [hash_recipe(changed.use_case)])


def test_another_recipe_is_compared_with_the_champions_recipe(ws: Workspace) -> None:
    put_champion_in_force(ws, CHAMPION)
    model = ws.use_case.model.model_copy(update={"seed": 1})
    changed = replace(ws, use_case=ws.use_case.model_copy(update={"model": model}))
    version = train_on(changed, AS_OF)
    evidence = collect_evidence(changed.use_case, ws.lake, ws.models, ws.champion_ledger, "replay", version)
    assert (evidence.kind, evidence.comparison) == ("recipe", None)
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


def publish_features_without(ws: Workspace, column: str, day: str) -> None:
    entry = ws.lake.entry("features", day)
    assert entry
    rows = pq.read_table(ws.lake.local_file(entry)).drop_columns([column])
    ws.lake.write("features", day, rows, inputs=entry.inputs, code="test", facts=entry.facts)


def test_a_champion_whose_features_are_gone_is_not_compared_with(ws: Workspace) -> None:
    put_champion_in_force(ws, CHAMPION, "live")
    version = train_on(ws, AS_OF)
    publish_features_without(ws, "late_before", DAYS[-1].isoformat())
    evidence = collect_evidence(ws.use_case, ws.lake, ws.models, ws.champion_ledger, "live", version)
    assert (evidence.kind, evidence.comparison, evidence.current_recipe) == ("first", None, None)
    assert "can't score (the model needs late_before, which features.sql doesn't return)" in evidence.unfit_champion
    judgement = judge(ws.use_case.gate, evidence, "EUR")
    assert judgement.kind == "first"


def test_a_live_champion_with_a_broken_file_is_not_compared_with(ws: Workspace) -> None:
    champion = put_champion_in_force(ws, CHAMPION, "live")
    model = ws.use_case.model.model_copy(update={"seed": 1})
    changed = replace(ws, use_case=ws.use_case.model_copy(update={"model": model}))
    version = train_on(changed, AS_OF)
    Path(str(ws.models.folder(champion)), "model.skops").write_bytes(b"rubbish")
    evidence = collect_evidence(changed.use_case, ws.lake, ws.models, ws.champion_ledger, "live", version)
    assert (evidence.kind, evidence.file_problem) == ("first", None)
    assert f"the champion {champion} can't score" in evidence.unfit_champion
    challengers = list_challengers(changed.use_case, ws.lake, ws.models, ws.champion_ledger, "live", AS_OF)
    assert [challenger.version for challenger in challengers] == [version]


def test_a_replay_refuses_to_compare_with_a_broken_champion(ws: Workspace) -> None:
    champion = put_champion_in_force(ws, CHAMPION)
    version = train_on(ws, AS_OF)
    Path(str(ws.models.folder(champion)), "model.skops").write_bytes(b"rubbish")
    evidence = collect_evidence(ws.use_case, ws.lake, ws.models, ws.champion_ledger, "replay", version)
    assert evidence.file_problem and champion in evidence.file_problem


def test_a_champion_without_a_readable_card_stops_no_challenger(ws: Workspace) -> None:
    champion = put_champion_in_force(ws, CHAMPION, "live")
    version = train_on(ws, AS_OF)
    Path(str(ws.models.folder(champion)), "card.json").write_bytes(b"rubbish")
    challengers = list_challengers(ws.use_case, ws.lake, ws.models, ws.champion_ledger, "live", AS_OF)
    assert [challenger.version for challenger in challengers] == [version]
    assert [card.version for card in ws.models.readable_cards("model.skops")] == [version]


def test_a_gain_that_a_holdout_has_refuted_is_not_proven() -> None:
    """A refresh claims no gain, so it may still replace the champion. Its reasons say why the gain isn't exact."""
    first, recipe = (
        judge(Gate(margin=0), evidence_of("first", days_gaining(100), refutation="Refuted: …"), "USD"),
        judge(Gate(margin=0), evidence_of("recipe", days_gaining(100), refutation="Refuted: …"), "USD"),
    )
    for judgement in (first, recipe):
        assert (judgement.verdict, judgement.reasons[0]) == ("HOLD", "the gain isn't proven: Refuted: …")
    refresh = judge(Gate(margin=0), evidence_of("refresh", days_gaining(100), refutation="Refuted: …"), "USD")
    assert refresh.verdict == "PROMOTE" and "the gain isn't exact: Refuted: …" in refresh.reasons
