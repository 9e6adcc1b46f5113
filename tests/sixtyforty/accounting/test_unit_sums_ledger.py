"""The ledger of unit sums: an account per partition, in portions, with the same bytes for the same inputs."""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from sixtyforty.accounting import kpi_ledger
from sixtyforty.accounting.unit_sums_ledger import read_sums, unit_sums_dataset
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.value.group_sums import add_groups
from tests.helpers import read_lake
from tests.sixtyforty.accounting.test_kpi_ledger import KEYS, LIMITED, UNPRICED_ACTIONS, decided_home, set_outcomes
from tests.small_portions import use_small_portions


@pytest.mark.parametrize("actions", [UNPRICED_ACTIONS, LIMITED])
def test_the_sums_reconcile_with_the_kpi_accounts(tmp_path: Path, actions: dict[str, object]) -> None:
    ws = decided_home(tmp_path, kpi={"actions": actions, "segments": ["site"]})
    set_outcomes(ws, KEYS[0], [None, *[1, 0] * 9, None])
    kpi_ledger.write_accounts(ws, KEYS, "replay")
    sums, days = read_sums(ws, "replay", KEYS), kpi_ledger.read_daily_values(ws, "replay")
    assert sums.partitions == KEYS == [day.partition for day in days]
    assert sums.decisions.tolist() == [day.decisions for day in days]
    assert sums.gain == pytest.approx([day.model - day.current_process for day in days], abs=1e-9)
    decisions = [read_decisions(ws, key, "replay") for key in KEYS]
    assert sums.acted.tolist() == [sum(d.action == "act" for d in of_day) for of_day in decisions]
    assert sum(count for (count,) in sums.segments.values()) == sum(day.decisions for day in days)


def test_a_run_reads_the_decisions_of_a_partition_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The KPI accounts and the sums come from one pass over the decisions."""
    ws, queries = decided_home(tmp_path), []
    read_frames = kpi_ledger.read_frames

    def count_queries(db: Any, query: str, parameters: Any) -> Any:
        queries.append(query)
        return read_frames(db, query, parameters)

    monkeypatch.setattr(kpi_ledger, "read_frames", count_queries)
    kpi_ledger.write_accounts(ws, KEYS, "replay")
    assert len(queries) == 1
    assert ws.lake.partitions(unit_sums_dataset("replay")) == KEYS == ws.lake.partitions("kpi/replay")


def test_some_partitions_have_the_sums_of_these_partitions(tmp_path: Path) -> None:
    ws = decided_home(tmp_path, kpi={"segments": ["site"]})
    kpi_ledger.write_accounts(ws, KEYS, "replay")
    whole, parts = read_sums(ws, "replay", KEYS), [read_sums(ws, "replay", [key]) for key in KEYS]
    assert [part.partitions for part in parts] == [[key] for key in KEYS]
    for name in ("total_payoffs", "predictions", "segments"):
        added = reduce(add_groups, (getattr(part, name) for part in parts))
        assert added.keys() == getattr(whole, name).keys()
        assert all(added[key] == pytest.approx(sums) for key, sums in getattr(whole, name).items())
    assert read_sums(ws, "replay", ["2001-01-01"]).partitions == []


def test_a_partition_of_many_portions_has_the_same_sums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ws = decided_home(tmp_path, kpi={"segments": ["site"]})
    kpi_ledger.write_accounts(ws, KEYS, "replay")
    whole = [entry.facts for entry in ws.lake.entries(unit_sums_dataset("replay")).values()]
    use_small_portions(monkeypatch)
    kpi_ledger.write_accounts(ws, KEYS, "replay")
    assert [entry.facts for entry in ws.lake.entries(unit_sums_dataset("replay")).values()] == whole
    together = read_lake(ws.lake)
    for key in KEYS:
        kpi_ledger.write_accounts(ws, [key], "replay")
    assert read_lake(ws.lake) == together


def test_partitions_without_decisions_or_outcomes_have_no_sums(tmp_path: Path) -> None:
    ws = decided_home(tmp_path)
    ws.lake.drop("outcomes", KEYS[0])
    ws.lake.drop("decisions/replay", KEYS[1])
    kpi_ledger.write_accounts(ws, KEYS, "replay")
    assert ws.lake.partitions(unit_sums_dataset("replay")) == KEYS[2:]


def test_a_live_experiment_has_no_sums(experiment) -> None:
    assert experiment.lake.partitions("kpi/live") and not experiment.lake.partitions(unit_sums_dataset("live"))
