"""What can't be computed in a scratch copy is refused, with what to do instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.operations.plan_compute import rebuild_inputs
from sixtyforty.lifecycle.plan_edit import PlanError
from tests.helpers import make_workspace


def test_a_changed_data_contract_is_refused(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    with pytest.raises(PlanError, match="changes the data contract of validated/calls"):
        rebuild_inputs(ws, ["validated/calls", "features"], lambda _: None)


def test_with_nothing_to_build_only_models_are_sought(tmp_path: Path) -> None:
    lines: list[str] = []
    rebuild_inputs(make_workspace(tmp_path), ["decisions/replay"], lines.append)
    assert lines == ["plan: training 0 models"]
