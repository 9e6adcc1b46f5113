"""The audit recomputes the value of both arms by SQL."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sixtyforty.accounting import experiment_audit, kpi_audit
from sixtyforty.accounting.experiment_ledger import DATASET
from sixtyforty.workspace import Workspace
from tests.experiment_home import KEYS, copy_home


def test_sound_accounts_show_no_difference(experiment: Workspace) -> None:
    assert experiment_audit.find_differences(experiment, KEYS) == []
    assert kpi_audit.find_differences(experiment, "live", KEYS) == []


def test_without_accounts_there_is_nothing_to_audit(experiment: Workspace) -> None:
    assert experiment_audit.find_differences(experiment, ["2012-01-01"]) == []


@pytest.mark.parametrize("name", ["model", "current_process"])
def test_a_cent_too_much_in_either_arm_is_named(experiment: Workspace, tmp_path: Path, name: str) -> None:
    ws = copy_home(experiment, tmp_path)
    manifest = ws.lake.root / DATASET / f"{KEYS[2]}.json"
    content = json.loads(manifest.read_bytes())
    content["facts"][name] += 0.01
    manifest.write_bytes(json.dumps(content).encode())
    (line,) = experiment_audit.find_differences(ws, KEYS)
    assert line.startswith(f"{KEYS[2]}: the KPI account states ")
    assert kpi_audit.find_differences(ws, "live", KEYS) == [line]
