"""The doubly robust money of an account rests on the predictions of the champion that decided."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sixtyforty.accounting import kpi_audit, kpi_ledger
from sixtyforty.accounting.champion_predictions import ChampionPredictions
from sixtyforty.accounting.kpi_ledger import KpiAccount
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.workspace import Workspace
from tests.helpers import SQL, make_workspace, publish_days, put_champion_in_force

DAYS = [date(2013, 3, 1) + timedelta(days=i) for i in range(16)]
DECIDED = [day.isoformat() for day in DAYS[12:15]]
OUTCOMES = """with drawn as (
        select u.id, 0.2 + 0.5 * u.load as p, hash(u.id) % 1000 / 1000 < 0.2 + 0.5 * u.load as acts from units u)
    select d.id, v.late, v.known_at, case when acts then 'act' else 'wait' end as got,
        case when acts then p else 1 - p end as chance
    from drawn d left join visits v using (id)"""
WORTH, COST = -10.0, 3.0


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Three replayed days of a past experiment with a champion, and their accounts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SQL, "outcomes", OUTCOMES)
        ws = make_workspace(
            tmp_path_factory.mktemp("experiment"),
            partitions={"start": "2013-03-01"},
            kpi={
                "measurement": "randomized",
                "treatment": {"column": "got", "propensity": "chance", "value_per_outcome": WORTH},
                "candidates": {"always": {"description": "Always act", "action": "'act'"}},
            },
        )
    publish_days(ws, DAYS, count=40)
    put_champion_in_force(ws, DAYS[12])
    take_decisions(ws, DECIDED, "replay", None)
    kpi_ledger.write_accounts(ws, DECIDED, "replay")
    return ws


def read_units(ws: Workspace) -> pd.DataFrame:
    """Return decisions, features and outcomes of the decided days."""
    with ws.lake.open_session("UTC") as db:
        decisions, features, outcomes = (
            ws.lake.select_rows(ws.lake.entries(name, DECIDED).values())
            for name in (decisions_dataset("replay"), "features", "outcomes")
        )
        return db.execute(
            f"""select f.* exclude (current_action, decided_at), d.action, d.current_action, d.champion_version, o.late,
                o.got, o.chance
            from {decisions} d join {features} f using (_partition, id) join {outcomes} o using (_partition, id)
            where late is not null order by _partition, id"""
        ).df()


def test_the_robust_money_equals_a_calculation_by_hand(decided: Workspace) -> None:
    units = read_units(decided)
    (version,) = units["champion_version"].unique()
    model = decided.models.load(version)
    names = list(model.actions)
    late = WORTH * model.predict(units)
    expected = {name: late[i] - (COST if name == "act" else 0) for i, name in enumerate(names)}
    paid = WORTH * units["late"] - COST * (units["got"] == "act")
    accounts = {p: KpiAccount.from_entry(e) for p, e in decided.lake.entries("kpi/replay").items()}
    policies = {"model": units["action"], "current_process": units["current_action"], "candidate always": "act"}
    for policy, actions in policies.items():
        mu = np.select([actions == name for name in names], [expected[name] for name in names])
        weight = (units["got"] == actions) / units["chance"]
        robust = (mu + weight * (paid - mu)).groupby(units["_partition"]).sum()
        for partition, account in accounts.items():
            weights = account.weights[policy]
            assert weights.robust == pytest.approx(robust[partition])
            assert weights.weight == pytest.approx(weight[units["_partition"] == partition].sum())
    days = kpi_ledger.read_daily_values(decided, "replay")
    assert {day.partition: day.weights for day in days} == {p: a.weights for p, a in accounts.items()}
    assert kpi_audit.find_differences(decided, "replay", DECIDED) == []


def test_a_champion_that_cannot_be_loaded_predicts_nothing(decided: Workspace, tmp_path: Path) -> None:
    decisions = decided.lake.entries(decisions_dataset("replay"), DECIDED)
    assert ChampionPredictions(decided, decisions).models
    (version,) = ChampionPredictions(decided, decisions).models
    file = decided.models.folder(version) / "model.skops"
    blob = file.read_bytes()
    try:
        file.write_bytes(b"changed")
        predictions = ChampionPredictions(decided, decisions)
        assert (predictions.models, predictions.columns) == ({}, [])
    finally:
        file.write_bytes(blob)
