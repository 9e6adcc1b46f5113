"""The experiment ledger holds sums by arm, written once per change, and needs a declared holdout."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sixtyforty.accounting import experiment_ledger, kpi_ledger
from sixtyforty.accounting.experiment_ledger import DATASET, HoldoutError
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.lifecycle.stale_partitions import find_stale_partitions
from sixtyforty.workspace import Workspace
from tests.experiment_home import KEYS, UNITS_A_DAY, copy_home, set_outcomes, value_units
from tests.helpers import make_use_case, read_lake


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
        experiment_ledger.declared_holdout(make_use_case(tmp_path))
