"""A tainted partition is named by feature and units, refused by everything that learns or decides, and cured."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.lifecycle.champions import adopt_champion
from sixtyforty.modeling import taint
from sixtyforty.modeling.backtest import find_trained_version, score_days
from sixtyforty.modeling.gate_evidence import collect_evidence
from sixtyforty.modeling.leakage import UNIT, Leak
from sixtyforty.modeling.taint import TaintedDataError
from sixtyforty.modeling.training_plan import hash_recipe, plan_training
from sixtyforty.storage.manifests import Entry
from sixtyforty.workspace import Workspace
from tests.helpers import day_range, publish_days, put_champion_in_force

DAYS = [date.fromisoformat(day) for day in day_range(date(2013, 3, 20), date(2013, 4, 5))]
KEYS = [day.isoformat() for day in DAYS]
NOON, ONE = datetime(2013, 4, 2, 12), datetime(2013, 4, 2, 13)
LEAKS = [Leak("2013-04-02", "late_today", time, units, 4) for time, units in ((NOON, 1), (ONE, 3))]
NAMED = r"know the future \(2013-04-02: late_today \(4 of 8 units, decided at 2013-04-02 13:00:00 UTC\)\)"


def rewrite(ws: Workspace, leaks: list[Leak], partition: str = "2013-04-02", code: str = "test") -> Entry:
    """Write a partition's features again, with the leaks that a check found in them, as their stage does."""
    import pyarrow.parquet as pq

    entry = ws.lake.entry("features", partition)
    assert entry is not None
    facts: dict[str, Any] = {name: fact for name, fact in entry.facts.items() if name != taint.FACT}
    tainted = taint.summarize_leaks(leaks)
    taint.mark(ws.lake, tainted.values())
    facts |= tainted[partition].to_facts() if partition in tainted else {}
    rows = pq.read_table(ws.lake.local_file(entry))
    written = ws.lake.write("features", partition, rows, inputs=entry.inputs, code=code, facts=facts)
    taint.settle(ws.lake, {partition: written})
    return written


def test_a_taint_adds_up_the_decision_times_of_a_feature() -> None:
    tainted = taint.summarize_leaks([*LEAKS, Leak("2013-04-01", UNIT, NOON, 2, 5)])
    assert list(tainted) == ["2013-04-01", "2013-04-02"]
    assert tainted["2013-04-02"].to_facts() == {
        taint.FACT: [{"feature": "late_today", "units": 4, "checked": 8, "decision_times": [str(ONE), str(NOON)]}]
    }
    (unit,) = tainted["2013-04-01"].features
    assert str(unit) == "units that became known later (2 of 5 units, decided at 2013-04-02 12:00:00 UTC)"


def test_many_partitions_are_named_by_the_first_ones() -> None:
    tainted = [taint.TaintedPartition(key, [taint.FeatureTaint("x", 1, 2, [str(NOON)])]) for key in KEYS]
    text = taint.describe(tainted)
    assert text.startswith("features of 17 partitions know the future (2013-03-20: x (1 of 2 units, decided at ")
    assert text.endswith("; and 14 more)")


def test_a_list_of_partitions_is_shown_once() -> None:
    tainted = [taint.TaintedPartition(key, [taint.FeatureTaint("x", 1, 2, [str(NOON)])]) for key in KEYS]
    texts = [
        f"{stage}: the {taint.describe(part)}. Stop."
        for stage, part in zip("abc", (tainted, tainted[:5], tainted[5:]), strict=True)
    ]
    shortened = taint.shorten_repeats([*texts, "d: too old"])
    assert shortened == [
        texts[0],
        "b: the features of 5 partitions know the future (the first partitions are listed above). Stop.",
        texts[2],
        "d: too old",
    ]


def test_a_tainted_partition_is_refused_and_cured(workspace: Workspace) -> None:
    publish_days(workspace, DAYS, count=12)
    version, lake = put_champion_in_force(workspace, date(2013, 4, 1)), workspace.lake
    rewrite(workspace, LEAKS)
    assert [tainted.partition for tainted in taint.find_tainted(lake)] == ["2013-04-02"]
    assert taint.find_tainted(lake, ["2013-04-01"]) == []
    use_case, store = workspace.use_case, workspace.models
    refusal = rf"no model can be trained as of 2013-04-03 \(leakage\): the features of 1 partition {NAMED}"
    with pytest.raises(TaintedDataError, match=refusal):
        plan_training(use_case, lake, date(2013, 4, 3))
    assert find_trained_version(use_case, lake, store, hash_recipe(use_case), date(2013, 4, 3)) is None
    with pytest.raises(TaintedDataError, match=NAMED):
        score_days(use_case, lake, store, version, date(2013, 4, 1), date(2013, 4, 5))
    with pytest.raises(TaintedDataError, match=f"no model can go live.*{NAMED}"):
        adopt_champion(workspace, "Ada", "it pays", NOON)
    taken = take_decisions(workspace, ["2013-04-01", "2013-04-02"], "replay", None)
    assert (taken["2013-04-01"].by_model, taken["2013-04-02"].by_model) == (12, 0)
    reasons = {decision.reason for decision in read_decisions(workspace, "2013-04-02", "replay")}
    assert reasons == {
        "features know the future: 2013-04-02: late_today (4 of 8 units, decided at 2013-04-02 13:00:00 UTC)"
    }
    rewrite(workspace, [])
    assert taint.find_tainted(lake) == []
    assert plan_training(use_case, lake, date(2013, 4, 3)).features
    assert score_days(use_case, lake, store, version, date(2013, 4, 1), date(2013, 4, 5))
    assert adopt_champion(workspace, "Ada", "it pays", NOON).version == version


def test_a_taint_that_is_found_later_taints_the_version_that_a_model_learned_from(workspace: Workspace) -> None:
    publish_days(workspace, DAYS, count=12)
    version = put_champion_in_force(workspace, date(2013, 4, 4))
    learned_from = workspace.models.card(version).data["features"]
    assert taint.find_tainted_versions(workspace.lake, learned_from) == []
    rewrite(workspace, LEAKS)
    assert [t.partition for t in taint.find_tainted_versions(workspace.lake, learned_from)] == ["2013-04-02"]
    evidence = collect_evidence(
        workspace.use_case, workspace.lake, workspace.models, workspace.champion_ledger, "replay", version
    )
    assert "the challenger learned from tainted data" in evidence.taint


def test_a_tainted_partition_is_checked_again_at_the_same_decision_times(workspace: Workspace) -> None:
    publish_days(workspace, DAYS, count=12)
    rewrite(workspace, LEAKS)
    entries = workspace.lake.entries("features", KEYS)
    assert taint.decision_times(entries) == {"2013-04-02": [str(NOON), str(ONE)]}
