"""Candidates: their SQL is valued on the same decisions as the model, and an invalid answer is named."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from sixtyforty.accounting import kpi_audit, kpi_ledger
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.modeling import features
from sixtyforty.spec.actions import Action, Amount, Candidate
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.value.candidates import CandidateError, candidate_action_sql, propose_actions
from sixtyforty.value.summary import summarize_days
from sixtyforty.workspace import Workspace
from tests.helpers import SQL, make_use_case, make_workspace, publish_days, put_champion_in_force, read_lake
from tests.sixtyforty.value.kpis import make_kpi

DAYS = [date(2013, 3, 8) + timedelta(days=i) for i in range(5)]
KEYS = [day.isoformat() for day in DAYS[-2:]]
BUSY = {
    "description": "Call a second fitter for a load above 0.4.",
    "action": "case when load > 0.4 then 'act' else 'wait' end",
}
BOUGHT = {"description": "Predictions of Oracle & Sons.", "vendor": True, "expected_outcome": "_bought"}


def prepare(folder: Path, decided: bool = True, **candidates: Any) -> Workspace:
    """Take a model's decisions of two days; features.sql also gives a vendor's predictions."""
    ws = make_workspace(folder, kpi={"candidates": candidates})
    (ws.use_case.folder / "features.sql").write_text(f"select *, load * 0.5 as _bought from ({SQL['features']})")
    publish_days(ws, DAYS, count=20)
    if decided:
        put_champion_in_force(ws, DAYS[-2])
        take_decisions(ws, KEYS, "replay", None)
    return ws


def value_by_hand(ws: Workspace, partition: str, rule: Any) -> float:
    """Return the money of a rule over the load, on a day's units."""
    outcomes = pq.read_table(ws.lake.local_file(ws.lake.entry("outcomes", partition))).to_pylist()
    features_ = pq.read_table(ws.lake.local_file(ws.lake.entry("features", partition))).to_pylist()
    load = {row["id"]: row["load"] for row in features_}
    return sum(10 * row["late"] - 3 for row in outcomes if rule(load[row["id"]]))


def test_a_rule_and_a_vendor_are_valued_as_by_hand_and_audited(tmp_path: Path) -> None:
    ws = prepare(tmp_path, busy=BUSY, bought=BOUGHT)
    accounts = kpi_ledger.write_accounts(ws, KEYS, "replay")
    for partition, entry in accounts.items():
        assert entry.facts["candidates"] == {
            "busy": pytest.approx(value_by_hand(ws, partition, lambda load: load > 0.4)),
            "bought": pytest.approx(value_by_hand(ws, partition, lambda load: 10 * load * 0.5 > 3)),
        }
        row = pq.read_table(ws.lake.local_file(entry)).to_pylist()[0]
        assert row["candidate busy"] == entry.facts["candidates"]["busy"]
    assert kpi_audit.find_differences(ws, "replay", KEYS) == []
    candidates = summarize_days(ws.use_case.kpi, "replay", kpi_ledger.read_daily_values(ws, "replay")).candidates
    total = sum(entry.facts["candidates"]["busy"] for entry in accounts.values())
    assert candidates["busy"].per_1000 == 1000 * total / 40


def test_the_audit_finds_a_forged_candidate(tmp_path: Path) -> None:
    ws = prepare(tmp_path, busy=BUSY)
    kpi_ledger.write_accounts(ws, KEYS, "replay")
    manifest = ws.lake.root / "kpi/replay" / f"{KEYS[0]}.json"
    money = kpi_ledger.write_accounts(ws, KEYS, "replay")[KEYS[0]].facts["candidates"]["busy"]
    manifest.write_text(manifest.read_text().replace(f'"busy":{money}', f'"busy":{money + 1}'))
    assert len(kpi_audit.find_differences(ws, "replay", KEYS)) == 1


def test_the_model_never_sees_a_vendors_predictions(tmp_path: Path) -> None:
    ws = prepare(tmp_path, bought=BOUGHT)
    assert ws.models.card(ws.models.versions()[0]).features == ["site", "load", "late_before"]
    table = pq.read_table(ws.lake.local_file(ws.lake.entry("features", KEYS[0])))
    assert "_bought" in table.column_names
    assert "_bought" not in features.feature_names(ws.use_case, table.column_names)


def test_where_the_fallback_decided_the_candidate_gets_the_same_action(tmp_path: Path) -> None:
    ws = prepare(tmp_path, decided=False, always={"description": "Always.", "action": "'act'"})
    put_champion_in_force(ws, DAYS[-2], "live")
    take_decisions(ws, KEYS[:1], "live", datetime(2013, 3, 12))  # too late for all of them
    entry = kpi_ledger.write_accounts(ws, KEYS[:1], "live")[KEYS[0]]
    assert {decision.decided_by for decision in read_decisions(ws, KEYS[0], "live")} == {"fallback"}
    assert entry.facts["candidates"]["always"] == entry.facts["current_process"]
    assert kpi_audit.find_differences(ws, "live", KEYS[:1]) == []


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        (
            {"action": "case when load > 0.4 then 'act' end"},
            r"gives null for \d+ decisions, first in partition 2013-03-11",
        ),
        ({"action": "'run'"}, r"gives 'run' for 40 decisions.*one of wait, act.*End the case expression with an else"),
        ({"expected_outcome": "case when load > 0.4 then 0.5 end"}, r"gives null .* a number.*coalesce"),
        ({"action": "last_load"}, r"is not valid SQL over the columns of features\.sql\. .*last_load"),
    ],
)
def test_an_invalid_answer_is_named_before_anything_is_written(
    tmp_path: Path, declared: dict[str, str], text: str
) -> None:
    ws = prepare(tmp_path, busy=BUSY, gut={"description": "Gut.", **declared})
    before = read_lake(ws.lake)
    with pytest.raises(CandidateError, match=r"(?s)kpi\.candidates\.gut " + text):
        kpi_ledger.write_accounts(ws, KEYS, "replay")
    assert read_lake(ws.lake) == before


AMOUNT = {"description": "fitters", "shortage_cost": 60, "excess_cost": 20, "minimum": 1, "maximum": 9}


@pytest.mark.parametrize("kpi", [{}, {"actions": None, "amount": AMOUNT, "outcome_type": "number"}])
@pytest.mark.parametrize("gives", ["action", "expected_outcome"])
def test_sql_gives_the_same_actions_as_python(tmp_path: Path, kpi: dict[str, Any], gives: str) -> None:
    use_case = make_use_case(tmp_path)
    changes = {name: change for name, change in kpi.items() if change is not None}
    declared = use_case.kpi.model_copy(
        update={
            "candidates": {"rule": Candidate(description="r", **{gives: "x"})},
            **({"actions": {}, "amount": _amount(), "outcome_type": "number"} if changes else {}),
        }
    )
    use_case = use_case.model_copy(update={"kpi": declared})
    numbers = [0.1, 2.5, 3.5, 0.9]
    answers = numbers if changes or gives == "expected_outcome" else ["act", "wait", "act", "act"]
    rows = pd.DataFrame(
        {
            "candidate rule": answers,
            "known": [True, True, True, None],
            "decided_by": ["model", "fallback", "model", "model"],
            "current_action": ["1", "2", "3", "4"],
        }
    )
    with connect("UTC") as db:
        db.register("rows", rows)
        by_sql = [row[0] for row in db.execute(f"select {candidate_action_sql(use_case, 'rule')} from rows").fetchall()]
    by_python = propose_actions(use_case, rows, "rule")
    if changes:
        assert [float(action) for action in by_sql] == [float(action) for action in by_python]
    else:
        assert by_sql == by_python


def _amount() -> Any:
    return Amount(**AMOUNT)


@pytest.mark.parametrize(
    "amount",
    [
        {},  # without a maximum
        {"whole_numbers": False},
        {"whole_numbers": False, "minimum": -1.5, "maximum": 1e12},
    ],
)
@pytest.mark.parametrize("gives", ["action", "expected_outcome"])
def test_sql_gives_the_same_amounts_as_python_whatever_their_size(amount: dict[str, Any], gives: str) -> None:
    kpi = make_kpi(
        amount=Amount(description="fitters", shortage_cost=60, excess_cost=20, **amount),
        outcome_type="number",
        candidates={"rule": Candidate(description="r", **{gives: "x"})},
    )
    use_case: Any = SimpleNamespace(name="u", kpi=kpi)
    numbers = [0.4, 2.5, -3.0, -0.0, 1234567.254321, 12345678901.5, 1e-7, 1e300]
    rows = pd.DataFrame({"candidate rule": numbers, "known": True, "decided_by": "model", "current_action": "1"})
    with connect("UTC") as db:
        db.register("rows", rows)
        by_sql = [row[0] for row in db.execute(f"select {candidate_action_sql(use_case, 'rule')} from rows").fetchall()]
    assert [float(action) for action in by_sql] == [float(each) for each in propose_actions(use_case, rows, "rule")]


@pytest.mark.parametrize("use_full_limit", [False, True])
def test_the_current_process_uses_up_the_limits_of_a_candidate_where_it_decides(use_full_limit: bool) -> None:
    offer = Action(description="offer", cost=2.0, gain=1.0, limit=2, use_full_limit=use_full_limit)
    kpi = make_kpi(
        actions={"none": Action(description=""), "offer": offer},
        outcome_type="number",
        candidates={"rule": Candidate(description="r", expected_outcome="x")},
    )
    use_case: Any = SimpleNamespace(name="u", kpi=kpi)
    rows = pd.DataFrame(
        {
            "candidate rule": [9.0, 9.0, 5.0, 4.0],
            "known": [True, None, True, True],
            "decided_by": ["fallback", "model", "model", "model"],
            "current_action": ["offer", "none", "none", "none"],
            "decided_at": pd.Timestamp("2013-03-10 12:00"),
        }
    )
    assert propose_actions(use_case, rows, "rule") == ["offer", "none", "offer", "none"]
