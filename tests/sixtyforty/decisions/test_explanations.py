"""The facts that moved a decision most are named with their direction; a veto or a rule comes first."""

from __future__ import annotations

import math
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sixtyforty.decisions import explanations
from sixtyforty.decisions.column_labels import ColumnLabels
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.decisions.explanations import (
    INPUTS_CORRECTED,
    NOTHING_UNUSUAL,
    describe_effect,
    explain_decisions,
    explain_rows,
    typical_values,
)
from sixtyforty.spec.experiments import Holdout
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace, publish_days, put_champion_in_force
from tests.peak_memory import measure_peak
from tests.sixtyforty.value.kpis import EXPERIMENT, STAFF, TWO

DAYS = [date(2013, 3, 1) + timedelta(days=i) for i in range(13)]
KEY = DAYS[-1].isoformat()
REASONS = {
    "load": "The load is {value:.0%}",
    "site": "It is in the {value}",
    "late_before": "{value:.0%} of the calls there were late",
}


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Take a day's decisions, by a model that learned from nothing but the load."""
    ws = make_workspace(tmp_path_factory.mktemp("home"), model={"reasons": REASONS})
    publish_days(ws, DAYS, count=20)
    put_champion_in_force(ws, DAYS[-1])
    take_decisions(ws, [KEY], "replay", None)
    return ws


def read_features(ws: Workspace) -> pd.DataFrame:
    entry = ws.lake.entry("features", KEY)
    assert entry
    return pq.read_table(ws.lake.local_file(entry)).to_pandas()


def test_the_most_important_fact_is_named_with_its_value_and_direction(ws: Workspace) -> None:
    decisions = read_decisions(ws, KEY, "replay")
    sentences = explain_decisions(ws, KEY, "replay", [d.decision_id for d in decisions])
    load = read_features(ws).set_index("id")["load"]
    for decision in decisions:
        explanation = sentences[decision.decision_id]
        if decision.expected > 0.6:
            assert explanation[0].startswith(f"Raises the risk: The load is {load[decision.unit['id']]:.0%} (usually ")
        assert 1 <= len(explanation) <= 3


def test_a_fact_that_lowers_the_risk_says_so(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sixtyforty.decisions.explanations.typical_values", lambda path, columns: dict.fromkeys(columns, 1.0)
    )
    rows = read_features(ws).head(1).assign(load=0.0)
    assert explain_rows(ws, ws.models.versions()[0], rows) == [["Lowers the risk: The load is 0% (usually 100%)."]]


@pytest.mark.parametrize(
    ("text", "fact", "typical", "described"),
    [
        ("it left {value:.0f} min late", 24.0, 8.0, "it left 24 min late (usually 8 min)"),
        ("{value:.0%} of the departures were late", 0.3, 0.2, "30% of the departures were late (usually 20%)"),
        ("the number is {value:.0f}", 7.0, 1.4, "the number is 7 (usually 1)"),
        ("it is {value:.0f} °F", 74.2, 74.4, "it is 74 °F"),
        ("{value:.1f} of all, wet", 2.0, 1.0, "2.0 of all, wet (usually 1.0)"),
        ("between {value:.0f}:00 and {value:.0f}:59", 7.0, 9.0, "between 7:00 and 7:59"),
        ("the carrier is {value}", "EV", "UA", "the carrier is EV"),
        ("the load is {value:.1f}", 2.0, math.nan, "the load is 2.0"),
        ("it is {value}", True, False, "it is True"),
    ],
)
def test_a_number_is_compared_with_the_usual_one_in_its_unit(
    text: str, fact: object, typical: object, described: str
) -> None:
    assert explanations._describe_fact(text, fact, typical) == described  # type: ignore[arg-type]


def test_the_direction_fits_the_kind_of_outcome() -> None:
    assert describe_effect(TWO, 0.1) == "Raises the risk"
    assert describe_effect(STAFF, -0.1) == "Lowers the expected o"
    assert describe_effect(EXPERIMENT, 0.1) == "Raises the expected o"
    harm, benefit = (
        TWO.model_copy(update={"holdout": Holdout(share=0.1, value_per_outcome=amount)}) for amount in (-10, 10)
    )
    assert (describe_effect(harm, 0.1), describe_effect(benefit, -0.1)) == ("Raises the risk", "Lowers the chance")


def test_only_the_requested_decisions_are_explained(ws: Workspace) -> None:
    decision_id = read_decisions(ws, KEY, "replay")[0].decision_id
    requested = [decision_id, "replay-2013-03-13-000000000000"]
    assert set(explain_decisions(ws, KEY, "replay", requested)) == {decision_id}
    assert explain_decisions(ws, "2013-03-14", "replay", [decision_id]) == {}


def test_typical_and_unknown_values_are_no_reasons(ws: Workspace) -> None:
    version = ws.models.versions()[0]
    typical = typical_values(ws.models.folder(version) / "training_set.parquet", tuple(REASONS))
    rows = read_features(ws).head(2).assign(**typical)
    assert explain_rows(ws, version, rows) == [[NOTHING_UNUSUAL], [NOTHING_UNUSUAL]]
    rows = rows.assign(load=[None, 1.0])
    assert [sentences[0] for sentences in explain_rows(ws, version, rows)] == [
        NOTHING_UNUSUAL,
        f"Raises the risk: The load is 100% (usually {typical['load']:.0%}).",
    ]


def test_the_typical_value_is_the_median_or_the_most_frequent(tmp_path: Path) -> None:
    rows = pd.DataFrame({"n": [1.0, 2.0, 9.0, None], "c": ["b", "a", "b", None], "nothing": [None] * 4})
    rows.to_parquet(tmp_path / "rows.parquet")
    typical = typical_values(tmp_path / "rows.parquet", ("n", "c", "nothing"))
    assert (typical["n"], typical["c"]) == (2.0, "b")
    assert pd.isna(typical["nothing"])


def test_a_reason_shows_the_label_of_a_code(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = ColumnLabels({"site": {"north": "north of the river Inc."}})
    monkeypatch.setattr(explanations, "read_labels", lambda _: labels)
    effects = ({"site": "south"}, {"site": np.array([0.5, 0.5])})
    monkeypatch.setattr(explanations, "_expected_changes", lambda *_: effects)
    rows = pd.DataFrame({"site": ["north", "south"]})
    assert explain_rows(ws, "v1", rows) == [
        ["Raises the risk: It is in the north of the river Inc."],
        ["Raises the risk: It is in the south."],
    ]


def test_a_decision_of_the_current_process_says_why(ws: Workspace) -> None:
    before = DAYS[-2].isoformat()
    take_decisions(ws, [before], "replay", None)
    ids = [d.decision_id for d in read_decisions(ws, before, "replay")]
    assert set(map(tuple, explain_decisions(ws, before, "replay", ids).values())) == {
        ("No model has been promoted yet: the current process decides.",)
    }


def test_a_veto_comes_before_the_facts(tmp_path: Path) -> None:
    veto = {"when": "site = 'south'", "never": "act", "why": "nobody is left there"}
    ws = make_workspace(tmp_path, model={"reasons": REASONS, "vetoes": {"south": veto}})
    publish_days(ws, DAYS, count=20)
    put_champion_in_force(ws, DAYS[-1])
    take_decisions(ws, [KEY], "replay", None)
    vetoed = [d for d in read_decisions(ws, KEY, "replay") if d.reason.startswith("veto")]
    assert vetoed
    assert all(d.action == "wait" for d in vetoed)
    for sentences in explain_decisions(ws, KEY, "replay", [d.decision_id for d in vetoed]).values():
        assert sentences[0] == "Veto south: nobody is left there."
        assert len(sentences) > 1


def test_inputs_that_were_corrected_since_are_not_reconstructed(ws: Workspace) -> None:
    ids = [d.decision_id for d in read_decisions(ws, KEY, "replay")]
    entry = ws.lake.entry("features", KEY)
    assert entry
    rows = pq.read_table(ws.lake.local_file(entry))
    changed = rows.set_column(rows.column_names.index("load"), "load", pa.nulls(rows.num_rows, pa.float64()))
    ws.lake.write("features", KEY, changed, inputs=entry.inputs, code="test", facts=entry.facts)
    assert set(map(tuple, explain_decisions(ws, KEY, "replay", ids).values())) == {(INPUTS_CORRECTED,)}


def test_memory_depends_on_the_explained_decisions_not_on_the_partition(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, model={"reasons": REASONS})
    publish_days(ws, DAYS[:-1], count=20)
    put_champion_in_force(ws, DAYS[-2])
    publish_days(ws, DAYS[-1:], count=5000)
    take_decisions(ws, [DAYS[-2].isoformat(), KEY], "replay", None)
    peaks = {}
    for partition in (DAYS[-2].isoformat(), KEY):
        first = [read_decisions(ws, partition, "replay")[0].decision_id]
        explain_decisions(ws, partition, "replay", first)  # loads the model once
        peaks[partition] = measure_peak(partial(explain_decisions, ws, partition, "replay", first))
    small, large = peaks.values()
    assert large < 1.5 * small
