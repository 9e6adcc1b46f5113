"""The audit recomputes each account by SQL and names the partitions that differ."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sixtyforty.accounting import kpi_audit, kpi_ledger
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.workspace import Workspace
from tests.sixtyforty.accounting.test_kpi_ledger import BUSY, KEYS, decided_home


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    ws = decided_home(tmp_path, kpi={"candidates": {"busy": BUSY}})
    kpi_ledger.write_accounts(ws, KEYS, "replay")
    return ws


def forge(ws: Workspace, partition: str, **facts: object) -> None:
    manifest = ws.lake.root / "kpi/replay" / f"{partition}.json"
    content = json.loads(manifest.read_bytes())
    content["facts"] |= facts
    manifest.write_bytes(json.dumps(content).encode())


def test_sound_accounts_show_no_difference(ws: Workspace) -> None:
    assert kpi_audit.find_differences(ws, "replay", KEYS) == []


def test_without_accounts_there_is_nothing_to_audit(ws: Workspace) -> None:
    assert kpi_audit.find_differences(ws, "live", KEYS) == []


@pytest.mark.parametrize("name", ["model", "current_process"])
def test_a_cent_too_much_is_named_with_both_figures(ws: Workspace, name: str) -> None:
    entry = ws.lake.entry("kpi/replay", KEYS[1])
    assert entry is not None
    forge(ws, KEYS[1], **{name: entry.facts[name] + 0.01})
    (line,) = kpi_audit.find_differences(ws, "replay", KEYS)
    assert line.startswith(f"{KEYS[1]}: the KPI account states ")
    assert ", but SQL computes " in line


def test_a_forged_candidate_is_found_and_a_new_one_is_left_out(ws: Workspace) -> None:
    forge(ws, KEYS[0], candidates={"busy": 1e6})
    forge(ws, KEYS[1], candidates={})  # accounted for before the candidate was declared
    (line,) = kpi_audit.find_differences(ws, "replay", KEYS)
    assert line.startswith(KEYS[0])


def test_groups_of_units_that_do_not_add_up_are_named(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DecisionChain, "units_recur", property(lambda _: True))
    kpi_ledger.write_accounts(ws, KEYS, "replay")
    assert kpi_audit.find_differences(ws, "replay", KEYS) == []
    account = kpi_ledger.read_daily_values(ws, "replay")[1]
    assert account.unit_groups
    money = [amount + (group == 3) for group, amount in enumerate(account.unit_groups["model"])]
    forge(ws, KEYS[1], unit_groups={**account.unit_groups, "model": money})
    assert kpi_audit.find_differences(ws, "replay", KEYS) == [
        f"{KEYS[1]}: the KPI account states {account.model:.2f} (model), but its groups of units add up to"
        f" {account.model + 1:.2f}"
    ]


def test_an_account_of_outcomes_that_are_gone_differs(ws: Workspace) -> None:
    entry = ws.lake.entry("outcomes", KEYS[2])
    assert entry is not None
    ws.lake.write("outcomes", KEYS[2], pq.read_table(ws.lake.local_file(entry)).slice(20), inputs=entry.inputs)
    (line,) = kpi_audit.find_differences(ws, "replay", KEYS)
    assert line.startswith(KEYS[2])
    assert line.endswith("SQL computes 0.00, 0.00, 0.00")


def test_only_the_partitions_asked_for_are_audited(ws: Workspace) -> None:
    forge(ws, KEYS[1], model=-1.0)
    assert kpi_audit.find_differences(ws, "replay", [KEYS[0], KEYS[2]]) == []
    assert [line[:10] for line in kpi_audit.find_differences(ws, "replay", KEYS)] == [KEYS[1]]
