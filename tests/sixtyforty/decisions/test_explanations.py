"""Why, in words of the business: the facts that moved a decision most, or the rule that took it."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.decisions.explanations import (
    INPUTS_CORRECTED,
    NOTHING_UNUSUAL,
    explain_decisions,
    explain_rows,
    typical_values,
)
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace, publish_days, put_champion_in_force

DAYS = [date(2013, 3, 1) + timedelta(days=i) for i in range(13)]
P = DAYS[-1].isoformat()
WORDS = {
    "load": "The load is {value:.0%}",
    "site": "It is in the {value}",
    "late_before": "{value:.0%} were late there",
}


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Decisions of a day by a model that knows of nothing but the load, though other facts have words."""
    found = make_workspace(tmp_path_factory.mktemp("home"), model={"reasons": WORDS})
    publish_days(found, DAYS, count=20)
    put_champion_in_force(found, DAYS[-1])
    take_decisions(found, [P], "replay", None)
    return found


def test_the_fact_that_moved_it_is_said_with_its_value_and_which_way(ws: Workspace) -> None:
    rows = read_decisions(ws, P, "replay")
    found = explain_decisions(ws, P, "replay", [d["decision_id"] for d in rows])
    table = pq.read_table(ws.lake.local_file(ws.lake.entry("features", P))).to_pylist()
    load = {r["id"]: r["load"] for r in table}
    for d in rows:
        said = found[d["decision_id"]]
        if d["expected"] > 0.6:
            assert said[0] == f"The load is {load[d['id']]:.0%}, so more likely late."
        assert 1 <= len(said) <= 3


def test_a_fact_that_speaks_against_it_says_so(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sixtyforty.decisions.explanations.typical_values", lambda path, columns: dict.fromkeys(columns, 1.0)
    )
    rows = pq.read_table(ws.lake.local_file(ws.lake.entry("features", P))).to_pandas().head(1).assign(load=0.0)
    assert explain_rows(ws, ws.models.versions()[0], rows) == [["The load is 0%, so less likely late."]]


def test_only_what_was_asked_for_is_answered(ws: Workspace) -> None:
    one = read_decisions(ws, P, "replay")[0]["decision_id"]
    assert set(explain_decisions(ws, P, "replay", [one, "replay-2013-03-13-000000000000"])) == {one}
    assert explain_decisions(ws, "2013-03-14", "replay", [one]) == {}


def test_the_usual_is_no_reason_and_neither_is_what_is_not_known(ws: Workspace) -> None:
    version = ws.models.versions()[0]
    rows = pq.read_table(ws.lake.local_file(ws.lake.entry("features", P))).to_pandas().head(2)
    usual = typical_values(ws.models.folder(version) / "training_set.parquet", tuple(WORDS))
    rows = rows.assign(**usual)
    assert explain_rows(ws, version, rows) == [[NOTHING_UNUSUAL], [NOTHING_UNUSUAL]]
    rows = rows.assign(load=[None, 1.0])
    assert [said[0] for said in explain_rows(ws, version, rows)] == [
        NOTHING_UNUSUAL,
        "The load is 100%, so more likely late.",
    ]


def test_typical_is_the_median_or_the_most_frequent(tmp_path: Path) -> None:
    rows = pd.DataFrame({"n": [1.0, 2.0, 9.0, None], "c": ["b", "a", "b", None], "nothing": [None] * 4})
    rows.to_parquet(tmp_path / "rows.parquet")
    found = typical_values(tmp_path / "rows.parquet", ("n", "c", "nothing"))
    assert (found["n"], found["c"]) == (2.0, "b")
    assert pd.isna(found["nothing"])


def test_a_decision_that_is_not_the_models_says_by_which_rule_it_was_taken(ws: Workspace) -> None:
    before = DAYS[-2].isoformat()
    take_decisions(ws, [before], "replay", None)
    ids = [d["decision_id"] for d in read_decisions(ws, before, "replay")]
    assert set(map(tuple, explain_decisions(ws, before, "replay", ids).values())) == {("No champion in force.",)}


def test_a_veto_is_said_first(tmp_path: Path) -> None:
    veto = {"when": "site = 'south'", "never": "act", "why": "nobody is left there"}
    found = make_workspace(tmp_path, model={"reasons": WORDS, "vetoes": {"south": veto}})
    publish_days(found, DAYS, count=20)
    put_champion_in_force(found, DAYS[-1])
    take_decisions(found, [P], "replay", None)
    rows = [d for d in read_decisions(found, P, "replay") if d["reason"].startswith("veto")]
    assert rows
    assert all(d["action"] == "wait" for d in rows)
    for said in explain_decisions(found, P, "replay", [d["decision_id"] for d in rows]).values():
        assert said[0] == "Veto south: nobody is left there."
        assert len(said) > 1


def test_facts_that_were_corrected_since_are_not_made_up(ws: Workspace) -> None:
    ids = [d["decision_id"] for d in read_decisions(ws, P, "replay")]
    entry = ws.lake.entry("features", P)
    rows = pq.read_table(ws.lake.local_file(entry))
    changed = rows.set_column(rows.column_names.index("load"), "load", pa.nulls(rows.num_rows, pa.float64()))
    ws.lake.write("features", P, changed, inputs=entry.inputs, code="test", facts=entry.facts)
    assert set(map(tuple, explain_decisions(ws, P, "replay", ids).values())) == {(INPUTS_CORRECTED,)}
