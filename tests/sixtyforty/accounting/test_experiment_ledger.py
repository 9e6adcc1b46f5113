"""The experiment ledger holds sums by arm, written once per change, and needs a declared holdout."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from sixtyforty.accounting import experiment_audit, kpi_ledger
from sixtyforty.accounting.arm_sums import HoldoutError, declared_holdout
from sixtyforty.accounting.experiment_ledger import DATASET
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.lifecycle.stale_partitions import find_stale_partitions
from sixtyforty.storage.manifests import Entry
from sixtyforty.workspace import Workspace
from tests.experiment_home import KEYS, UNITS_A_DAY, copy_home, set_outcomes, value_units
from tests.helpers import make_use_case, read_lake
from tests.small_portions import use_small_portions


def test_an_account_holds_the_value_of_both_arms(experiment: Workspace) -> None:
    values, held_out = value_units(experiment)
    accounts = experiment.lake.entries(DATASET)
    assert list(accounts) == KEYS
    assert sum(e.facts["decisions"] for e in accounts.values()) == len(values)
    assert sum(e.facts["held_out"] for e in accounts.values()) == held_out.sum()
    assert sum(e.facts["model"] for e in accounts.values()) == pytest.approx(values[~held_out].sum())
    assert sum(e.facts["current_process"] for e in accounts.values()) == pytest.approx(values[held_out].sum())
    assert {e.facts["outside_experiment"] for e in accounts.values()} == {0}


def test_a_partition_costs_one_row_per_arm(experiment: Workspace) -> None:
    assert {entry.rows for entry in experiment.lake.entries(DATASET).values()} == {2}


def test_the_same_inputs_give_the_same_bytes(experiment: Workspace, tmp_path: Path) -> None:
    ws = copy_home(experiment, tmp_path)
    before = read_lake(ws.lake)
    kpi_ledger.write_accounts(ws, KEYS, "live")
    assert read_lake(ws.lake) == before


def test_a_corrected_outcome_makes_its_account_stale(experiment: Workspace, tmp_path: Path) -> None:
    ws = copy_home(experiment, tmp_path)
    late: dict[int, int | None] = dict.fromkeys((d.unit["id"] for d in read_decisions(ws, KEYS[3], "live")), None)
    set_outcomes(ws, KEYS[3], late | {next(iter(late)): 1})
    stale = find_stale_partitions(ws, "live", ws.use_case.settled_at(KEYS[-1]))
    assert "the value of the decisions is missing or outdated" in stale.reasons[KEYS[3]]
    account = kpi_ledger.write_accounts(ws, [KEYS[3]], "live")[KEYS[3]]
    assert (account.facts["decisions"], account.facts["unknown"]) == (1, UNITS_A_DAY - 1)


def test_clusters_have_a_row_each(experiment: Workspace, tmp_path: Path) -> None:
    ws = copy_home(experiment, tmp_path, kpi={"holdout": {"cluster_by": ["load"]}})
    entry = ws.lake.entry(DATASET, KEYS[0])
    assert entry is not None
    clusters = pq.read_table(ws.lake.local_file(entry))["cluster"].to_pylist()
    assert len(clusters) == UNITS_A_DAY
    assert "" not in clusters


def test_a_covariate_that_is_no_feature_is_named(experiment: Workspace, tmp_path: Path) -> None:
    with pytest.raises(HoldoutError, match=r"kpi.holdout.covariate 'laod' is not a column of features.sql"):
        copy_home(experiment, tmp_path, kpi={"holdout": {"covariate": "laod"}})


def test_a_use_case_without_a_holdout_has_no_experiment(tmp_path: Path) -> None:
    with pytest.raises(HoldoutError, match="no holdout is declared"):
        declared_holdout(make_use_case(tmp_path))


def forget_loads(ws: Workspace, partition: str, is_forgotten: list[bool]) -> None:
    """Remove the covariate of some units of a partition."""
    entry = ws.lake.entry("features", partition)
    assert entry is not None
    rows = pq.read_table(ws.lake.local_file(entry))
    loads = pc.if_else(pa.array(is_forgotten), None, rows["load"])
    rows = rows.set_column(rows.column_names.index("load"), "load", loads)
    ws.lake.write("features", partition, rows, inputs=entry.inputs, code="test", facts=entry.facts)


@pytest.mark.parametrize("cluster_by", [[], ["site"]])
def test_a_partition_of_many_portions_has_the_same_account(
    experiment: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster_by: list[str]
) -> None:
    """The covariate is missing for some units of the first day and all of the second. The third has few outcomes."""
    holdout = {"covariate": "load"} | ({"cluster_by": cluster_by} if cluster_by else {})
    ws = copy_home(experiment, tmp_path, kpi={"holdout": holdout})
    forget_loads(ws, KEYS[0], [n % 5 < 2 for n in range(UNITS_A_DAY)])
    forget_loads(ws, KEYS[1], [True] * UNITS_A_DAY)
    set_outcomes(
        ws, KEYS[2], {d.unit["id"]: 1 if d.unit["id"] % 9 == 8 else None for d in read_decisions(ws, KEYS[2], "live")}
    )
    whole = kpi_ledger.write_accounts(ws, KEYS, "live")
    tables = {partition: read_table(ws, entry) for partition, entry in whole.items()}
    use_small_portions(monkeypatch)
    by_portion = kpi_ledger.write_accounts(ws, KEYS, "live")
    assert list(by_portion) == list(whole)
    for partition, entry in by_portion.items():
        assert entry.facts == pytest.approx(whole[partition].facts)
        rows = read_table(ws, entry)
        assert len(rows) == len(tables[partition])
        for row, same_row in zip(rows, tables[partition], strict=True):
            assert row == pytest.approx(same_row)
    assert experiment_audit.find_differences(ws, KEYS) == []


def read_table(ws: Workspace, entry: Entry) -> list[dict[str, object]]:
    return pq.read_table(ws.lake.local_file(entry)).to_pylist()
