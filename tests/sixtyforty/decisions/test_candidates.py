"""Candidates: valued on the same decisions as the model, and refused with their name and the cure."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from sixtyforty.accounting import kpi_ledger
from sixtyforty.decisions.candidates import CandidateError
from sixtyforty.decisions.deciding import read_decisions, take_decisions
from sixtyforty.modeling import features
from sixtyforty.value.lift import summarize_days
from sixtyforty.workspace import Workspace
from tests.helpers import SQL, crown, lake_bytes, make_workspace, publish

DAYS = [date(2013, 3, 8) + timedelta(days=i) for i in range(5)]
KEYS = [d.isoformat() for d in DAYS[-2:]]
BUSY = {
    "description": "Call a second fitter for a load above 0.4.",
    "action": "case when load > 0.4 then 'act' else 'wait' end",
}
BOUGHT = {"description": "What Oracle & Sons foretell.", "vendor": True, "expected_outcome": "_bought"}


def home(folder: Path, decided: bool = True, **candidates: Any) -> Workspace:
    """Decisions of two days, by a model; features.sql brings a vendor's numbers in."""
    ws = make_workspace(folder, kpi={"candidates": candidates})
    (ws.use_case.folder / "features.sql").write_text(f"select *, load * 0.5 as _bought from ({SQL['features']})")
    publish(ws, DAYS, count=20)
    if decided:
        crown(ws, DAYS[-2])
        take_decisions(ws, KEYS, "replay", None)
    return ws


def by_hand(ws: Workspace, partition: str, rule: Any) -> float:
    """What a rule over the load makes of a day's decisions."""
    became = pq.read_table(ws.lake.path(ws.lake.entry("outcomes", partition))).to_pylist()
    knew = pq.read_table(ws.lake.path(ws.lake.entry("features", partition))).to_pylist()
    load = {r["id"]: r["load"] for r in knew}
    return sum(10 * r["late"] - 3 for r in became if rule(load[r["id"]]))


def test_a_rule_and_a_vendor_are_paid_as_by_hand_and_audited(tmp_path: Path) -> None:
    ws = home(tmp_path, busy=BUSY, bought=BOUGHT)
    found = kpi_ledger.account(ws, KEYS, "replay")
    for partition, entry in found.items():
        assert entry.facts["candidates"] == {
            "busy": pytest.approx(by_hand(ws, partition, lambda load: load > 0.4)),
            "bought": pytest.approx(by_hand(ws, partition, lambda load: 10 * load * 0.5 > 3)),
        }
        row = pq.read_table(ws.lake.path(entry)).to_pylist()[0]
        assert row["candidate busy"] == entry.facts["candidates"]["busy"]
    assert kpi_ledger.audit(ws, "replay", KEYS) == []
    told = summarize_days(ws.use_case.kpi, kpi_ledger.days(ws, "replay"))["candidates"]
    assert told["busy"]["per_1000"] == 1000 * sum(e.facts["candidates"]["busy"] for e in found.values()) / 40


def test_a_forged_candidate_is_found(tmp_path: Path) -> None:
    ws = home(tmp_path, busy=BUSY)
    kpi_ledger.account(ws, KEYS, "replay")
    manifest = ws.lake.root / "kpi/replay" / f"{KEYS[0]}.json"
    money = kpi_ledger.account(ws, KEYS, "replay")[KEYS[0]].facts["candidates"]["busy"]
    manifest.write_text(manifest.read_text().replace(f'"busy":{money}', f'"busy":{money + 1}'))
    assert len(kpi_ledger.audit(ws, "replay", KEYS)) == 1


def test_the_model_never_sees_a_vendors_numbers(tmp_path: Path) -> None:
    ws = home(tmp_path, bought=BOUGHT)
    assert ws.models.card(ws.models.versions()[0])["features"] == ["site", "load", "late_before"]
    table = pq.read_table(ws.lake.path(ws.lake.entry("features", KEYS[0])))
    assert "_bought" in table.column_names
    assert "_bought" not in features.feature_names(ws.use_case, table.column_names)


def test_what_the_fallback_decided_it_decides_for_a_candidate_too(tmp_path: Path) -> None:
    ws = home(tmp_path, decided=False, always={"description": "Always.", "action": "'act'"})
    crown(ws, DAYS[-2], "live")
    take_decisions(ws, KEYS[:1], "live", datetime(2013, 3, 12))  # every one of them late
    entry = kpi_ledger.account(ws, KEYS[:1], "live")[KEYS[0]]
    assert {d["decided_by"] for d in read_decisions(ws, KEYS[0], "live")} == {"fallback"}
    assert entry.facts["candidates"]["always"] == entry.facts["current_process"]
    assert kpi_ledger.audit(ws, "live", KEYS[:1]) == []


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"action": "case when load > 0.4 then 'act' end"}, r"gives nothing for \d+ decisions, first on 2013-03-11"),
        ({"action": "'run'"}, r"gives 'run' for 40 decisions.*one of wait, act.*end the case with an else"),
        ({"expected": "case when load > 0.4 then 0.5 end"}, r"gives nothing .* a number .*coalesce"),
        ({"action": "last_load"}, r"isn't SQL over the columns of features\.sql: .*last_load"),
    ],
)
def test_one_that_gives_no_action_is_named_with_the_cure_before_anything_is_written(
    tmp_path: Path, declared: dict[str, str], said: str
) -> None:
    ws = home(tmp_path, busy=BUSY, gut={"description": "Gut.", **declared})
    before = lake_bytes(ws.lake)
    with pytest.raises(CandidateError, match=r"(?s)kpi\.candidates\.gut " + said):
        kpi_ledger.account(ws, KEYS, "replay")
    assert lake_bytes(ws.lake) == before
