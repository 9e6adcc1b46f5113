"""The ledger of unit sums: an account per partition, in portions, with the same bytes for the same inputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from sixtyforty.accounting import kpi_ledger, unit_sums_ledger
from sixtyforty.accounting.unit_sums_ledger import read_sums, unit_sums_dataset
from sixtyforty.decisions.decision_table import read_decisions
from tests.helpers import read_lake
from tests.sixtyforty.accounting.test_kpi_ledger import KEYS, LIMITED, UNPRICED_ACTIONS, decided_home, set_outcomes
from tests.small_portions import use_small_portions


@pytest.mark.parametrize("actions", [UNPRICED_ACTIONS, LIMITED])
def test_the_sums_reconcile_with_the_kpi_accounts(tmp_path: Path, actions: dict[str, object]) -> None:
    ws = decided_home(tmp_path, kpi={"actions": actions, "segments": ["site"]})
    set_outcomes(ws, KEYS[0], [None, *[1, 0] * 9, None])
    kpi_ledger.write_accounts(ws, KEYS, "replay")
    assert list(unit_sums_ledger.write_accounts(ws, KEYS, "replay")) == KEYS
    sums = read_sums(ws, "replay")
    for day in kpi_ledger.read_daily_values(ws, "replay"):
        of_day = sums[day.partition]
        assert of_day.decisions == day.decisions
        assert of_day.gain == pytest.approx(day.model - day.current_process, abs=1e-9)
        decisions = read_decisions(ws, day.partition, "replay")
        assert of_day.acted == sum(d.action == "act" for d in decisions)
        assert sum(count for (count,) in of_day.segments.values()) == day.decisions


def test_a_partition_of_many_portions_has_the_same_sums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ws = decided_home(tmp_path, kpi={"segments": ["site"]})
    unit_sums_ledger.write_accounts(ws, KEYS, "replay")
    whole = read_sums(ws, "replay")
    use_small_portions(monkeypatch)
    unit_sums_ledger.write_accounts(ws, KEYS, "replay")
    assert read_sums(ws, "replay") == whole
    together = read_lake(ws.lake)
    for key in KEYS:
        unit_sums_ledger.write_accounts(ws, [key], "replay")
    assert read_lake(ws.lake) == together


def test_partitions_without_decisions_or_outcomes_have_no_sums(tmp_path: Path) -> None:
    ws = decided_home(tmp_path)
    ws.lake.drop("outcomes", KEYS[0])
    ws.lake.drop("decisions/replay", KEYS[1])
    assert list(unit_sums_ledger.write_accounts(ws, KEYS, "replay")) == KEYS[2:]
    assert ws.lake.partitions(unit_sums_dataset("replay")) == KEYS[2:]
    assert unit_sums_ledger.write_accounts(ws, KEYS[:2], "replay") == {}


def test_a_live_experiment_has_no_sums(experiment) -> None:
    assert unit_sums_ledger.write_accounts(experiment, experiment.lake.partitions("decisions/live"), "live") == {}
